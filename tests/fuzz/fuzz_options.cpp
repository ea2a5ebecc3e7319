// The session options that hold JSON: what-if overrides, and a target's options.
#include <string>

#include "fuzz.h"
#include "partition/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(vaip::fuzz::as_text(data, size));
  for (const char* option : {"overrides", "target_opts"}) {
    vaip::fuzz::expect_error_or_success([&] { vaip::partition::resolve_config({{option, text}}); });
  }
  return 0;
}
