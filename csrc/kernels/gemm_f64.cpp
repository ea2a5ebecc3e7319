#include "kernels/gemm_f64.h"

#include <algorithm>

#include "kernels/multiversion.h"

namespace vaip::kernels {
namespace {

VAIP_MULTIVERSION void multiply_panel(const double* __restrict a, std::int64_t lda, const double* __restrict panel,
                                      std::int64_t depth, double* __restrict c) {
  double sums[kRowsF64][kPanelF64] = {};
  for (std::int64_t k = 0; k < depth; ++k)
    for (std::int64_t r = 0; r < kRowsF64; ++r)
      for (std::int64_t j = 0; j < kPanelF64; ++j) sums[r][j] += a[r * lda + k] * panel[k * kPanelF64 + j];
  for (std::int64_t r = 0; r < kRowsF64; ++r)
    for (std::int64_t j = 0; j < kPanelF64; ++j) c[r * kPanelF64 + j] = sums[r][j];
}

}  // namespace

void multiply_rows_f64(const double* a, std::int64_t lda, const double* packed, std::int64_t depth,
                       std::int64_t columns, double* c, std::int64_t ldc) {
  double block[kRowsF64 * kPanelF64];
  for (std::int64_t first = 0; first < columns; first += kPanelF64) {
    multiply_panel(a, lda, packed + first * depth, depth, block);
    const std::int64_t n = std::min(kPanelF64, columns - first);
    for (std::int64_t r = 0; r < kRowsF64; ++r) std::copy_n(block + r * kPanelF64, n, c + r * ldc + first);
  }
}

}  // namespace vaip::kernels
