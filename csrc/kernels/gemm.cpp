#include "kernels/gemm.h"

#include <algorithm>

#include "kernels/multiversion.h"

namespace vaip::kernels {
namespace {

template <typename Real>
VAIP_MULTIVERSION void multiply_panel(const Real* __restrict a, std::int64_t lda, const Real* __restrict panel,
                                      std::int64_t depth, Real* __restrict c) {
  Real sums[kGemmRows][kPanel<Real>] = {};
  for (std::int64_t k = 0; k < depth; ++k)
    for (std::int64_t r = 0; r < kGemmRows; ++r)
      for (std::int64_t j = 0; j < kPanel<Real>; ++j) sums[r][j] += a[r * lda + k] * panel[k * kPanel<Real> + j];
  for (std::int64_t r = 0; r < kGemmRows; ++r)
    for (std::int64_t j = 0; j < kPanel<Real>; ++j) c[r * kPanel<Real> + j] = sums[r][j];
}

}  // namespace

template <typename Real>
void multiply_rows(const Real* a, std::int64_t lda, std::int64_t rows, const Real* packed, std::int64_t depth,
                   std::int64_t columns, Real* c, std::int64_t ldc) {
  Real block[kGemmRows * kPanel<Real>];
  for (std::int64_t first = 0; first < columns; first += kPanel<Real>) {
    const std::int64_t n = std::min(kPanel<Real>, columns - first);
    for (std::int64_t row = 0; row < rows; row += kGemmRows) {
      multiply_panel(a + row * lda, lda, packed + first * depth, depth, block);
      for (std::int64_t r = 0; r < kGemmRows; ++r)
        std::copy_n(block + r * kPanel<Real>, n, c + (row + r) * ldc + first);
    }
  }
}

template void multiply_rows(const double*, std::int64_t, std::int64_t, const double*, std::int64_t, std::int64_t,
                            double*, std::int64_t);
template void multiply_rows(const float*, std::int64_t, std::int64_t, const float*, std::int64_t, std::int64_t, float*,
                            std::int64_t);

}  // namespace vaip::kernels
