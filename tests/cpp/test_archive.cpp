// Files of checked sections: what was written is read, and nothing else.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/archive.h"
#include "base/build_id.h"
#include "base/checksum.h"
#include "base/error.h"
#include "check.h"
#include "sim/timing_archive.h"

namespace fs = std::filesystem;
using vaip::ArchiveKey;
using vaip::ArchiveReader;
using vaip::ArchiveWriter;
using vaip::Error;
using vaip::Span;

namespace {

constexpr ArchiveKey kKey = {0x0123456789abcdef, 42};

Span<const std::byte> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

class TemporaryFile {
 public:
  TemporaryFile() : path_(fs::temp_directory_path() / ("vaip_archive_" + std::to_string(::getpid()))) {}
  ~TemporaryFile() { fs::remove(path_); }
  std::string path() const { return path_.string(); }

  std::string content() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void write(const std::string& content) const { std::ofstream(path_, std::ios::binary) << content; }

 private:
  fs::path path_;
};

const std::vector<std::int64_t> kNumbers = {1, -2, 3};
const std::string kText(1000, 'x');

ArchiveWriter example() {
  ArchiveWriter writer;
  writer.add_values(kNumbers);
  writer.add({});
  writer.add_borrowed(bytes_of(kText));
  return writer;
}

// What reading all of it comes to: "" where all is as it was written.
std::string read_all(const std::string& path, const ArchiveKey& key = kKey) {
  try {
    const auto reader = ArchiveReader::open(path, key);
    if (reader == nullptr) return "no file";
    const bool same = reader->take_values<std::int64_t>() == kNumbers && reader->take().empty();
    const Span<const std::byte> text = reader->take();
    reader->expect_end();
    const bool same_text = std::string_view(reinterpret_cast<const char*>(text.data()), text.size()) == kText;
    return same && same_text && reinterpret_cast<std::uintptr_t>(text.data()) % 64 == 0 ? "" : "something else";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

// Published values of xxHash's reference implementation.
TEST(checksum_is_xxh64) {
  const auto hash = [](std::string_view text, std::uint64_t seed = 0) { return vaip::checksum(bytes_of(text), seed); };
  CHECK_EQ(hash(""), 0xEF46DB3751D8E999u);
  CHECK_EQ(hash("a"), 0xD24EC4F1A98C6E5Bu);
  CHECK_EQ(hash("abc"), 0x44BC2CF5AD770999u);
  CHECK_EQ(hash("Nobody inspects the spammish repetition"), 0xFBCEA83C8A378BF1u);
  CHECK(hash("abc", 1) != hash("abc"));
}

TEST(an_archive_has_what_was_added) {
  const TemporaryFile file;
  CHECK_EQ(read_all(file.path()), "no file");
  CHECK_EQ(read_all(file.path() + "/below"), "no file");
  example().write(file.path(), kKey);
  CHECK_EQ(read_all(file.path()), "");
  CHECK_EQ(file.content().size() % 64, 0U);
}

TEST(an_archive_of_something_else_is_rejected) {
  const TemporaryFile file;
  example().write(file.path(), {kKey[0], 43});
  CHECK(read_all(file.path()).find("'" + file.path() + "': it was made from something else") == 0);
  file.write("");
  CHECK(read_all(file.path()).find("is empty") != std::string::npos);
  file.write(std::string(500, 'J'));
  CHECK(read_all(file.path()).find("not of this format") != std::string::npos);
  CHECK(read_all(fs::temp_directory_path().string()).find("no file") != std::string::npos);
}

TEST(an_archive_that_is_cut_off_is_rejected) {
  const TemporaryFile file;
  example().write(file.path(), kKey);
  const std::string whole = file.content();
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    file.write(whole.substr(0, size));
    CHECK(read_all(file.path()).find(file.path()) != std::string::npos);
  }
  file.write(whole + "more");
  CHECK(read_all(file.path()).find("bytes of") != std::string::npos);
}

TEST(each_damaged_byte_that_matters_is_found) {
  const TemporaryFile file;
  example().write(file.path(), kKey);
  const std::string whole = file.content();
  std::size_t unnoticed = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    file.write(damaged);
    const std::string result = read_all(file.path());
    CHECK(result.find("something else") == std::string::npos || result.find("made from") != std::string::npos);
    unnoticed += result.empty() ? 1 : 0;
  }
  // The rest of three headers, and what pads 24 and 1000 bytes.
  CHECK_EQ(unnoticed, 3U * 48 + (64 - 24) + (1024 - 1000));
}

TEST(sections_are_read_as_what_they_are) {
  const TemporaryFile file;
  example().write(file.path(), kKey);
  auto reader = ArchiveReader::open(file.path(), kKey);
  CHECK_THROWS(reader->expect_end(), "more sections");
  CHECK_THROWS(reader->take_value<std::int64_t>(), "another size");
  reader->take();
  using Three = std::array<char, 3>;
  CHECK_THROWS(reader->take_values<Three>(), "another size");
  CHECK_THROWS(reader->take(), "fewer sections");
}

// Whoever reads meanwhile finds one of the files whole.
TEST(an_archive_is_replaced_at_once) {
  const TemporaryFile file;
  example().write(file.path(), kKey);
  std::vector<std::thread> writers;
  for (int i = 0; i < 3; ++i)
    writers.emplace_back([&] {
      for (int n = 0; n < 50; ++n) example().write(file.path(), kKey);
    });
  for (int n = 0; n < 200; ++n) CHECK_EQ(read_all(file.path()), "");
  for (std::thread& writer : writers) writer.join();
}

TEST(a_timing_is_restored_to_the_last_bit) {
  vaip::sim::LayerTiming layer;
  layer.name = "conv";
  layer.op = "Conv";
  layer.dtype = "int8";
  layer.nodes = {"conv", "", "relu"};
  layer.cycles = 0.1;
  layer.start_cycles = 1.0 / 3;
  layer.cost = {1, 2, 3, 4, 5, 6};
  layer.bound = vaip::sim::Bound::l2;
  layer.macs = 7;
  layer.utilisation = 0.5;
  layer.tile = {8, 9, 10};
  layer.array = {11, 12};
  layer.ddr_read_bytes = 13;
  layer.ddr_write_bytes = 14;
  layer.shim_channels = {15, 16};
  layer.l2_to_l1_bytes = 17;
  layer.l1_to_l2_bytes = 18;
  layer.l1_bytes = 19;
  layer.l2_bytes = 20;
  layer.dma_descriptors = 21;
  layer.lock_operations = 22;
  vaip::sim::Timing timing;
  timing.device = "strix";
  timing.stack = "vitisai";
  timing.mode = vaip::sim::Mode::event;
  timing.clock_ghz = 1.8;
  timing.cycles = 23.5;
  timing.host_cycles = 24;
  timing.ddr_read_bytes = 25;
  timing.ddr_write_bytes = 26;
  timing.macs = 27;
  timing.energy_mj = 28.25;
  timing.layers = {layer, {}};

  const TemporaryFile file;
  ArchiveWriter writer;
  vaip::sim::store(timing, writer);
  writer.write(file.path(), kKey);
  const vaip::sim::Timing got = vaip::sim::restore_timing(*ArchiveReader::open(file.path(), kKey));
  CHECK_EQ(got.device + got.stack, "strixvitisai");
  CHECK(got.mode == timing.mode && got.energy_mj == timing.energy_mj && got.layers.size() == 2);
  CHECK(got.clock_ghz == timing.clock_ghz && got.cycles == timing.cycles && got.host_cycles == timing.host_cycles);
  CHECK(got.ddr_read_bytes == 25 && got.ddr_write_bytes == 26 && got.macs == 27);
  const vaip::sim::LayerTiming& a = got.layers[0];
  CHECK_EQ(a.name + a.op + a.dtype, "convConvint8");
  CHECK(a.nodes == layer.nodes && a.cycles == layer.cycles && a.start_cycles == layer.start_cycles);
  CHECK(a.cost.compute_cycles == 1 && a.cost.l1_cycles == 2 && a.cost.l2_cycles == 3 && a.cost.ddr_cycles == 4 &&
        a.cost.dispatch_cycles == 5 && a.cost.exposed_cycles == 6);
  CHECK(a.bound == layer.bound && a.macs == 7 && a.utilisation == 0.5 && a.tile == layer.tile &&
        a.array == layer.array);
  CHECK(a.ddr_read_bytes == 13 && a.ddr_write_bytes == 14 && a.shim_channels == layer.shim_channels);
  CHECK(a.l2_to_l1_bytes == 17 && a.l1_to_l2_bytes == 18 && a.l1_bytes == 19 && a.l2_bytes == 20);
  CHECK(a.dma_descriptors == 21 && a.lock_operations == 22);

  ArchiveWriter other;
  other.add_values(std::vector<std::uint64_t>{1000, 2});  // a text of 1000 bytes in 16
  other.write(file.path(), kKey);
  CHECK_THROWS(vaip::sim::restore_timing(*ArchiveReader::open(file.path(), kKey)), "shorter than it says");
}

VAIP_TEST_MAIN()
