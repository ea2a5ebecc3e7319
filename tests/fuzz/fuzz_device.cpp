// Device and stack files: JSON, schema, units; and a prediction with what was accepted.
#include "compiler/estimate.h"
#include "device/device.h"
#include "fuzz.h"

namespace {

void predict(const vaip::device::Device& device, const vaip::device::Stack& stack) {
  vaip::compiler::GemmQuery query;
  query.M = query.K = query.N = 256;
  (void)vaip::compiler::estimate_gemm(query, device, stack);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(vaip::fuzz::as_text(data, size));
  static const auto strix = vaip::device::load("strix");
  static const auto vitisai = vaip::device::load_stack("vitisai");
  vaip::fuzz::expect_error_or_success([&] {
    const vaip::device::Device device = vaip::device::device_from_json(text, "device.json");
    (void)vaip::device::device_from_json(vaip::device::to_json(device), "written.json");
    predict(device, *vitisai);
  });
  vaip::fuzz::expect_error_or_success([&] {
    const vaip::device::Stack stack = vaip::device::stack_from_json(text, "stack.json");
    (void)vaip::device::stack_from_json(vaip::device::to_json(stack), "written.json");
    predict(*strix, stack);
  });
  return 0;
}
