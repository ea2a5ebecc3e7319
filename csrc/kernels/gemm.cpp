#include "kernels/gemm.h"

#include <algorithm>
#include <cstring>

#include "kernels/multiversion.h"

namespace vaip::kernels {
namespace {

// A register of AVX2. Spelled out, since gcc makes shuffles of a loop over the columns inside one over the rows.
template <typename Real>
struct Register {
  typedef Real Type __attribute__((vector_size(32)));
};

template <typename Real>
VAIP_MULTIVERSION void multiply_panel(const Real* __restrict a, std::int64_t lda, const Real* __restrict panel,
                                      std::int64_t depth, Real* __restrict c) {
  using Columns = typename Register<Real>::Type;
  constexpr std::int64_t kHalf = kPanel<Real> / 2;
  static_assert(sizeof(Columns) == kHalf * sizeof(Real));
  Columns low[kGemmRows] = {}, high[kGemmRows] = {};
  for (std::int64_t k = 0; k < depth; ++k) {
    Columns left, right;
    std::memcpy(&left, panel + k * kPanel<Real>, sizeof left);
    std::memcpy(&right, panel + k * kPanel<Real> + kHalf, sizeof right);
    for (std::int64_t r = 0; r < kGemmRows; ++r) {
      low[r] += a[r * lda + k] * left;
      high[r] += a[r * lda + k] * right;
    }
  }
  for (std::int64_t r = 0; r < kGemmRows; ++r) {
    std::memcpy(c + r * kPanel<Real>, &low[r], sizeof low[r]);
    std::memcpy(c + r * kPanel<Real> + kHalf, &high[r], sizeof high[r]);
  }
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
