// A configuration file: JSON, schema, AMD's sections, targets, overrides.
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
  const MemoryFile file(vaip::fuzz::as_text(data, size));
  vaip::fuzz::expect_error_or_success(
      [&] { vaip::partition::resolve_config({{"config_file", file.path()}, {"compatibility", "amd"}}); });
  return 0;
}
