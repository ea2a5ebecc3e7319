// The inner loop of 16-bit products: some rows by the 16 columns of a panel, in registers. oneDNN has none of its own.
#pragma once

#include <cstdint>

namespace vaip::kernels {

inline constexpr std::int64_t kTileRows = 6, kTileWidth = 16;

// sums[r][kTileWidth] of some rows, plus the products of `pairs` pairs of elements with a panel.
struct Int16Tile {
  const std::int16_t* rows;
  std::int64_t row_stride;
  const std::int16_t* panel;  // [pairs][kTileWidth][2], 32-byte aligned
  std::int64_t pairs;
  std::int32_t* sums;
  std::int64_t sums_stride;
  bool first;  // there are no sums yet
};

// dot_product: the CPU has AVX2's for 16 bits; it is slow without. Fastest for multiples of kTileRows.
void multiply(Int16Tile tile, std::int64_t rows, bool dot_product);

}  // namespace vaip::kernels
