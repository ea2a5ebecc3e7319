// Packed weights from a file whose checksums are right and whose content is not: an error, or a run that stays within
// its memory, which the sanitizers see.
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>

#include "base/archive.h"
#include "base/error.h"
#include "check.h"
#include "graph_builder.h"
#include "ir/constants.h"

namespace {

namespace fs = std::filesystem;
using namespace vaip;
using namespace vaip::test;

constexpr ArchiveKey kKey = {1, 2};
using Sections = std::vector<Memory>;

struct TemporaryFile {
  std::string path = (fs::temp_directory_path() / ("vaip_packed_" + std::to_string(::getpid()))).string();
  ~TemporaryFile() { fs::remove(path); }
};

// Layers of all ways of packing: 8 bits with weights apart, tiles of 16 bits, single channels, products in double.
ir::Graph graph_of_all_paths() {
  Builder b;
  const ir::ValueId x = b.u8({1, 16, 9, 9});
  b.graph.inputs = {x};
  const ir::ValueId few_large = b.conv(x, 24);
  ir::Value& weight = b.graph.values[static_cast<std::size_t>(b.graph.layers.back().inputs[1])];
  std::vector<std::int8_t> values(weight.constant->size_bytes, 1);
  for (std::size_t i = 0; i < values.size(); i += 700) values[i] = values[i + 9] = 127;
  weight.constant = ir::copy_constant(values.data(), values.size());
  const ir::ValueId many_large = b.conv(few_large, 20, 1);
  const ir::ValueId y = b.u8({1, 20, 9, 9});
  Tensor alone = random_tensor(b.random, DType::s16, Shape{20, 1, 3, 3}, 0.01F, 0);
  ir::ConvAttrs attrs;
  attrs.kernel = {3, 3};
  attrs.strides = {1, 1};
  attrs.pads = {1, 1, 1, 1};
  attrs.groups = 20;
  b.layer("Conv", attrs, {many_large, b.constant(std::move(alone)), ir::kNoValue}, {y});
  b.graph.outputs = {y};
  return std::move(b.graph);
}

void write(const Sections& sections, const std::string& path) {
  ArchiveWriter writer;
  for (const Memory& section : sections) writer.add({section.data(), section.size()});
  writer.write(path, kKey);
}

Sections packed_sections(const ir::Graph& graph, const std::string& path) {
  ArchiveWriter writer;
  runtime::ExecutorOptions options;
  options.num_threads = 1;
  options.packed_to = &writer;
  const runtime::Executor executor(graph, options);
  writer.write(path, kKey);
  const auto reader = ArchiveReader::open(path, kKey);
  Sections sections;
  try {
    for (;;) {
      const Span<const std::byte> section = reader->take();
      sections.emplace_back(section.begin(), section.end());
    }
  } catch (const Error&) {  // after the last
    return sections;
  }
}

// "" or the error's text.
std::string load_and_run(const ir::Graph& graph, const std::string& path, const std::vector<Memory>& inputs,
                         std::vector<Memory>* outputs = nullptr) {
  try {
    runtime::ExecutorOptions options;
    options.num_threads = 1;
    options.packed_from = ArchiveReader::open(path, kKey);
    const runtime::Executor executor(graph, options);
    options.packed_from->expect_end();
    std::vector<Memory> results = run(executor, graph, inputs);
    if (outputs != nullptr) *outputs = std::move(results);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

void change(Memory& section, Random& random) {
  switch (random() % 4) {
    case 0:
      section.resize(section.size() / 2);
      return;
    case 1:
      section.resize(section.size() + 8);
      return;
    default:
      break;
  }
  const auto number = pick<std::int64_t>(random, {-1, 0, 1, 7, 1 << 20, std::int64_t{1} << 62});
  if (section.size() < sizeof number) return;
  const std::size_t words = section.size() / sizeof number;
  std::memcpy(section.data() + random() % words * sizeof number, &number, sizeof number);
}

}  // namespace

TEST(packed_weights_are_found_again) {
  const TemporaryFile file;
  const ir::Graph graph = graph_of_all_paths();
  const std::vector<Memory> inputs = random_inputs(graph, 3);
  const Sections sections = packed_sections(graph, file.path);
  CHECK(sections.size() > 6);
  std::vector<Memory> outputs;
  CHECK_EQ(load_and_run(graph, file.path, inputs, &outputs), "");
  CHECK(outputs == run(runtime::Executor(graph), graph, inputs));
}

TEST(changed_packed_weights_are_refused_or_harmless) {
  const TemporaryFile file;
  const ir::Graph graph = graph_of_all_paths();
  const std::vector<Memory> inputs = random_inputs(graph, 3);
  const Sections sections = packed_sections(graph, file.path);
  Random random(5);
  int refused = 0;
  for (int i = 0; i < 400; ++i) {
    Sections changed = sections;
    change(changed[random() % changed.size()], random);
    write(changed, file.path);
    const std::string error = load_and_run(graph, file.path, inputs);
    refused += error.empty() ? 0 : 1;
    CHECK(error.empty() || error.find(file.path) != std::string::npos);
  }
  CHECK(refused > 150);  // all that have another size, and numbers that no problem of this kind has
}

VAIP_TEST_MAIN()
