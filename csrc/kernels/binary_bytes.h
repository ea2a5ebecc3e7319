// The arithmetic that quantized networks are full of: a + b, a - b and a * b of 8-bit tensors of one type, in one pass.
#pragma once

#include <cstdint>

#include "kernels/real_block.h"

namespace vaip::kernels {

struct BinaryBytes {
  enum class Op : std::uint8_t { add, sub, mul } op = Op::add;
  Affine a, b;
  Quantizer out;      // of the operands' type
  double low, high;   // limits of the result, relative to the zero point: the type's and a fused activation's
};

// dtype: u8 or s8; dense runs. The same results as through real blocks.
void run_binary_bytes(const BinaryBytes& op, ir::DType dtype, const void* a, const void* b, std::int64_t count,
                      void* out);

}  // namespace vaip::kernels
