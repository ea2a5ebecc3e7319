// A matrix product in double by portable loops: exact for integers while no partial sum exceeds 2^53, and the only path
// that needs nothing from its operands.
#pragma once

#include <cstdint>
#include <vector>

namespace vaip::kernels {

// Rows of a multiplied at once; callers provide that many, padding with any finite numbers.
inline constexpr std::int64_t kRowsF64 = 4;
inline constexpr std::int64_t kPanelF64 = 8;

inline std::int64_t panel_count_f64(std::int64_t columns) { return (columns + kPanelF64 - 1) / kPanelF64; }
inline std::int64_t packed_size_f64(std::int64_t depth, std::int64_t columns) {
  return panel_count_f64(columns) * kPanelF64 * depth;
}

// c[r * ldc + j] = sum over k of a[r * lda + k] * b[k][j] for kRowsF64 rows, in the order of k. b is packed in panels
// of kPanelF64 columns, [panel][depth][kPanelF64], the last filled up with zeros.
void multiply_rows_f64(const double* a, std::int64_t lda, const double* packed, std::int64_t depth,
                       std::int64_t columns, double* c, std::int64_t ldc);

}  // namespace vaip::kernels
