// Integers of 4 bits as ONNX stores them: two per byte, the first in the low half; an odd last one leaves a half
// unused.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/dtype.h"

namespace vaip::ir {

inline bool is_packed(DType dtype) { return dtype == DType::u4 || dtype == DType::s4; }

// The first `count` integers at `bytes`, of a packed type.
std::vector<std::int8_t> unpack_4_bits(const std::uint8_t* bytes, std::size_t count, DType dtype);

}  // namespace vaip::ir
