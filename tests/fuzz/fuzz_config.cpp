// A configuration file: JSON, schema, AMD's sections, targets, overrides; and the same text as the option "overrides".
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "fuzz.h"
#include "partition/config.h"

namespace {

// resolve_config reads files: one in memory, which has a path while this object lives.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view text) : descriptor_(memfd_create("vaip_config.json", 0)) {
    if (descriptor_ < 0 || write(descriptor_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) abort();
  }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = vaip::fuzz::as_text(data, size);
  const MemoryFile file(text);
  for (const char* compatibility : {"none", "amd"}) {
    vaip::fuzz::expect_error_or_success(
        [&] { vaip::partition::resolve_config({{"config_file", file.path()}, {"compatibility", compatibility}}); });
  }
  vaip::fuzz::expect_error_or_success([&] { vaip::partition::resolve_config({{"overrides", std::string(text)}}); });
  vaip::fuzz::expect_error_or_success([&] { vaip::partition::resolve_config({{"target_opts", std::string(text)}}); });
  return 0;
}
