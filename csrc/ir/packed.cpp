#include "ir/packed.h"

#include "base/error.h"

namespace vaip::ir {

std::vector<std::int8_t> unpack_4_bits(const std::uint8_t* bytes, std::size_t count, DType dtype) {
  if (!is_packed(dtype)) fail(ErrorKind::internal, name(dtype), " was read as integers of 4 bits");
  std::vector<std::int8_t> out(count);
  for (std::size_t i = 0; i < count; ++i) {
    const int half = (i % 2 == 0 ? bytes[i / 2] : bytes[i / 2] >> 4) & 0xF;
    out[i] = static_cast<std::int8_t>(dtype == DType::s4 && half >= 8 ? half - 16 : half);
  }
  return out;
}

}  // namespace vaip::ir
