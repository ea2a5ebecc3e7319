// A constant matrix of 4 or 8 bits whose scales and zero points belong to blocks along the depth, kept at that size.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/operand.h"

namespace vaip::kernels {

class BlockWeights {
 public:
  // transposed: `b` is [columns][depth], else [depth][columns]. Throws Error(unsupported) for types and blocks that are
  // not executed.
  BlockWeights(const Operand& b, std::int64_t depth, std::int64_t columns, bool transposed);

  // The column's `depth` real numbers.
  void column(std::int64_t column, double* out) const;
  std::size_t bytes() const;

 private:
  std::int64_t depth_, block_, blocks_;
  bool packed_;
  std::int64_t column_bytes_;
  // Column after column, of each one block after block; unsigned, signed types shifted into their range. In a packed
  // block the low halves of the bytes are its first half, the high ones its second: each is a loop without shuffles.
  std::vector<std::uint8_t> integers_;
  std::vector<float> scale_;  // [columns][blocks]
  std::vector<std::int32_t> zero_point_;
};

}  // namespace vaip::kernels
