// The arithmetic that quantized networks are full of: a + b, a - b and a * b of 8-bit tensors of one type, in one pass.
#pragma once

#include <cstdint>

#include "kernels/byte_steps.h"
#include "kernels/real_block.h"
#include "kernels/rounding.h"

namespace vaip::kernels {

class BinaryBytes {
 public:
  // out: for the operands' type, u8 or s8. low, high: limits of the result relative to its zero point (as_limits).
  BinaryBytes(ByteOp op, const Affine& a, const Affine& b, const Quantizer& out, double low, double high);

  // Dense runs. The same results as through real blocks.
  void run(const void* a, const void* b, std::int64_t count, void* out) const;

 private:
  template <ByteOp op, typename T>
  void run_as(const void* a, const void* b, std::int64_t count, void* out) const;
  template <typename T>
  void run_as(const void* a, const void* b, std::int64_t count, void* out) const;

  ByteOp op_;
  Affine a_, b_;
  Quantizer out_;
  double low_, high_;
  // Steps of the output per step of a and of b; for a product, of both together in the first.
  double factor_a_, factor_b_ = 0.0;
  FloatAttempt attempt_;
};

}  // namespace vaip::kernels
