#include "kernels/gemm.h"

#include <algorithm>

#include "kernels/multiversion.h"

namespace vaip::kernels {
namespace {

// A register of AVX2. Spelled out, since gcc makes shuffles of a loop over the columns inside one over the rows.
template <typename Real>
struct Register {
  typedef Real Type __attribute__((vector_size(32), aligned(alignof(Real)), may_alias));
};

template <typename Real>
VAIP_MULTIVERSION void multiply_panel(const Real* __restrict a, std::int64_t lda, const Real* __restrict panel,
                                      std::int64_t depth, Real* __restrict c, std::int64_t ldc) {
  using Columns = typename Register<Real>::Type;
  constexpr std::int64_t kHalf = kPanel<Real> / 2;
  static_assert(sizeof(Columns) == kHalf * sizeof(Real) && kGemmRows == 4);
  Columns left0 = {}, left1 = {}, left2 = {}, left3 = {}, right0 = {}, right1 = {}, right2 = {}, right3 = {};
  for (std::int64_t k = 0; k < depth; ++k, panel += kPanel<Real>) {
    const Columns left = *reinterpret_cast<const Columns*>(panel);
    const Columns right = *reinterpret_cast<const Columns*>(panel + kHalf);
    left0 += a[k] * left;
    right0 += a[k] * right;
    left1 += a[lda + k] * left;
    right1 += a[lda + k] * right;
    left2 += a[2 * lda + k] * left;
    right2 += a[2 * lda + k] * right;
    left3 += a[3 * lda + k] * left;
    right3 += a[3 * lda + k] * right;
  }
  *reinterpret_cast<Columns*>(c) = left0;
  *reinterpret_cast<Columns*>(c + kHalf) = right0;
  *reinterpret_cast<Columns*>(c + ldc) = left1;
  *reinterpret_cast<Columns*>(c + ldc + kHalf) = right1;
  *reinterpret_cast<Columns*>(c + 2 * ldc) = left2;
  *reinterpret_cast<Columns*>(c + 2 * ldc + kHalf) = right2;
  *reinterpret_cast<Columns*>(c + 3 * ldc) = left3;
  *reinterpret_cast<Columns*>(c + 3 * ldc + kHalf) = right3;
}

}  // namespace

template <typename Real>
void multiply_rows(const Real* a, std::int64_t lda, std::int64_t rows, const Real* packed, std::int64_t depth,
                   std::int64_t columns, Real* c, std::int64_t ldc) {
  for (std::int64_t first = 0; first < columns; first += kPanel<Real>) {
    const std::int64_t n = std::min(kPanel<Real>, columns - first);
    const Real* panel = packed + first * depth;
    for (std::int64_t row = 0; row < rows; row += kGemmRows) {
      Real* out = c + row * ldc + first;
      if (n == kPanel<Real>) {
        multiply_panel(a + row * lda, lda, panel, depth, out, ldc);
        continue;
      }
      Real block[kGemmRows * kPanel<Real>];
      multiply_panel(a + row * lda, lda, panel, depth, block, kPanel<Real>);
      for (std::int64_t r = 0; r < kGemmRows; ++r) std::copy_n(block + r * kPanel<Real>, n, out + r * ldc);
    }
  }
}

template void multiply_rows(const double*, std::int64_t, std::int64_t, const double*, std::int64_t, std::int64_t,
                            double*, std::int64_t);
template void multiply_rows(const float*, std::int64_t, std::int64_t, const float*, std::int64_t, std::int64_t, float*,
                            std::int64_t);

}  // namespace vaip::kernels
