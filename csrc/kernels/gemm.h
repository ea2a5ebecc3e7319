// A matrix product by portable loops in double or float, summed in the order of the depth whatever the sizes. In double
// it is exact for integers while no partial sum exceeds 2^53, and needs nothing from its operands.
#pragma once

#include <cstdint>

namespace vaip::kernels {

// Rows of a multiplied at once; callers provide a multiple of them, padding with any finite numbers.
inline constexpr std::int64_t kGemmRows = 4;
// Columns of a panel of b: a cache line.
template <typename Real>
inline constexpr std::int64_t kPanel = 64 / static_cast<std::int64_t>(sizeof(Real));

template <typename Real>
std::int64_t panel_count(std::int64_t columns) {
  return (columns + kPanel<Real> - 1) / kPanel<Real>;
}
template <typename Real>
std::int64_t packed_size(std::int64_t depth, std::int64_t columns) {
  return panel_count<Real>(columns) * kPanel<Real> * depth;
}

// c[r * ldc + j] = sum over k of a[r * lda + k] * b[k][j], in the order of k. b is packed in panels of kPanel columns,
// [panel][depth][kPanel], the last filled up with zeros. Real: double or float.
template <typename Real>
void multiply_rows(const Real* a, std::int64_t lda, std::int64_t rows, const Real* packed, std::int64_t depth,
                   std::int64_t columns, Real* c, std::int64_t ldc);

}  // namespace vaip::kernels
