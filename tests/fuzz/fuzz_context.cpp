// The bytes that an EPContext node carries: header, model, and the cluster up to its layers. The first byte says
// whether the rest stands behind a header that fits it, so that the model behind the fingerprint is reached too.
#include <string>

#include "base/fingerprint.h"
#include "frontend/context_binary.h"
#include "frontend/recognise.h"
#include "fuzz.h"

namespace {

// A header for these bytes, taken from what is written for nothing: magic, size, fingerprint.
std::string with_header(std::string_view model) {
  std::string bytes = vaip::frontend::pack_context({}).substr(0, 8);
  vaip::Fingerprint fingerprint;
  fingerprint.add(model);
  for (const std::uint64_t number : {std::uint64_t{model.size()}, fingerprint.value()})
    for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>(number >> shift);
  return bytes.append(model);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest = vaip::fuzz::as_text(data + 1, size - 1);
  const std::string bytes = data[0] % 2 == 0 ? std::string(rest) : with_header(rest);
  vaip::fuzz::expect_error_or_success([&] {
    const vaip::Span<const std::byte> view(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size());
    const vaip::frontend::ContextBinary context = vaip::frontend::unpack_context(view, "the context");
    (void)vaip::frontend::recognise(context.graph);
    (void)vaip::frontend::pack_context(context);
  });
  return 0;
}
