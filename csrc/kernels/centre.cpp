#include "kernels/centre.h"

#include "base/error.h"
#include "kernels/float_block.h"
#include "kernels/multiversion.h"

namespace vaip::kernels {
namespace {

template <typename T>
VAIP_MULTIVERSION void subtract(const T* __restrict in, std::int64_t count, std::int32_t zero_point,
                                float* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(static_cast<std::int32_t>(in[i]) - zero_point);
}

}  // namespace

void centre(ir::DType dtype, const void* in, std::int64_t count, std::int32_t zero_point, float* out) {
  switch (dtype) {
    case ir::DType::u8:
      return subtract(static_cast<const std::uint8_t*>(in), count, zero_point, out);
    case ir::DType::s8:
      return subtract(static_cast<const std::int8_t*>(in), count, zero_point, out);
    case ir::DType::u16:
      return subtract(static_cast<const std::uint16_t*>(in), count, zero_point, out);
    case ir::DType::s16:
      return subtract(static_cast<const std::int16_t*>(in), count, zero_point, out);
    case ir::DType::bf16:
      return widen(static_cast<const BFloat16*>(in), count, out);
    default:
      fail(ErrorKind::internal, "elements of type ", ir::name(dtype), " have no exact centred float");
  }
}

}  // namespace vaip::kernels
