// From element types to the C++ types that store them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "base/half.h"
#include "ir/dtype.h"

namespace vaip::kernels {

// Calls call(T{}) with the type of one element; booleans are bytes.
template <typename Call>
void with_stored_type(ir::DType dtype, const Call& call) {
  switch (dtype) {
    case ir::DType::f32:
      return call(float{});
    case ir::DType::f64:
      return call(double{});
    case ir::DType::bf16:
      return call(BFloat16{});
    case ir::DType::f16:
      return call(Float16{});
    case ir::DType::u8:
    case ir::DType::boolean:
      return call(std::uint8_t{});
    case ir::DType::s8:
      return call(std::int8_t{});
    case ir::DType::u16:
      return call(std::uint16_t{});
    case ir::DType::s16:
      return call(std::int16_t{});
    case ir::DType::u32:
      return call(std::uint32_t{});
    case ir::DType::s32:
      return call(std::int32_t{});
    case ir::DType::u64:
      return call(std::uint64_t{});
    case ir::DType::s64:
      return call(std::int64_t{});
    default:
      fail(ErrorKind::unsupported, "no arithmetic on elements of type ", ir::name(dtype));
  }
}

// The same for elements that are only copied or taken as bits: unsigned integers of 1, 2, 4 or 8 bytes.
template <typename Call>
void with_bits(std::size_t bytes, const Call& call) {
  switch (bytes) {
    case 1:
      return call(std::uint8_t{});
    case 2:
      return call(std::uint16_t{});
    case 4:
      return call(std::uint32_t{});
    default:
      return call(std::uint64_t{});
  }
}

}  // namespace vaip::kernels
