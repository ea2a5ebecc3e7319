#include "kernels/int16_tile.h"

#include <algorithm>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vaip::kernels {
namespace {

constexpr std::int64_t kLanes = 8;  // sums in a register
static_assert(kTileWidth == 2 * kLanes);

#if defined(__x86_64__) && defined(__GNUC__)
#define VAIP_HAS_INT16_TILES 1

// Six rows by a panel: twelve sums, the panel's two vectors, and two registers for the products fill all sixteen.
// Written out, since gcc 12 keeps some of the sums in memory, which costs a third of the speed; this reaches what the
// CPU can do (Zen 3: 1.5 multiplications with their additions per cycle).
#define VAIP_ROW(pair, sum0, sum1)            \
  "vpbroadcastd " pair                        \
  ", %%ymm14\n\t"                             \
  "vpmaddwd %%ymm12, %%ymm14, %%ymm15\n\t"    \
  "vpmaddwd %%ymm13, %%ymm14, %%ymm14\n\t"    \
  "vpaddd %%ymm15, %%ymm" sum0 ", %%ymm" sum0 \
  "\n\t"                                      \
  "vpaddd %%ymm14, %%ymm" sum1 ", %%ymm" sum1 "\n\t"
#define VAIP_ZERO(sum) "vpxor %%xmm" sum ", %%xmm" sum ", %%xmm" sum "\n\t"
#define VAIP_LOAD(at, sum0, sum1) "vmovdqu " at ", %%ymm" sum0 "\n\tvmovdqu 32" at ", %%ymm" sum1 "\n\t"
#define VAIP_STORE(at, sum0, sum1) "vmovdqu %%ymm" sum0 ", " at "\n\tvmovdqu %%ymm" sum1 ", 32" at "\n\t"
// Something for each row with its two sums; the fourth to sixth row are counted from the fourth.
#define VAIP_SIX_ROWS(what, base, base3, stride)                                                                       \
  what("(" base ")", "0", "1") what("(" base "," stride ")", "2", "3") what("(" base "," stride ",2)", "4", "5") what( \
      "(" base3 ")", "6", "7") what("(" base3 "," stride ")", "8", "9") what("(" base3 "," stride ",2)", "10", "11")

void multiply_six_rows(const Int16Tile& tile) {
  const std::int16_t *rows = tile.rows, *rows3 = rows + 3 * tile.row_stride, *panel = tile.panel;
  std::int32_t *sums = tile.sums, *sums3 = sums + 3 * tile.sums_stride;
  std::int64_t pairs = tile.pairs;
  const auto row_bytes = tile.row_stride * static_cast<std::int64_t>(sizeof(std::int16_t));
  const auto sums_bytes = tile.sums_stride * static_cast<std::int64_t>(sizeof(std::int32_t));
  asm volatile(
      "testb %[first], %[first]\n\t"
      "jnz 1f\n\t"  //
      VAIP_SIX_ROWS(VAIP_LOAD, "%[sums]", "%[sums3]", "%[sums_bytes]")
      "jmp 2f\n"
      "1:\n\t"  //
      VAIP_ZERO("0") VAIP_ZERO("1") VAIP_ZERO("2") VAIP_ZERO("3") VAIP_ZERO("4") VAIP_ZERO("5")
      VAIP_ZERO("6") VAIP_ZERO("7") VAIP_ZERO("8") VAIP_ZERO("9") VAIP_ZERO("10") VAIP_ZERO("11")
      ".p2align 5\n"
      "2:\n\t"
      "vmovdqa (%[panel]), %%ymm12\n\t"
      "vmovdqa 32(%[panel]), %%ymm13\n\t"  //
      VAIP_SIX_ROWS(VAIP_ROW, "%[rows]", "%[rows3]", "%[row_bytes]")
      "add $64, %[panel]\n\t"
      "add $4, %[rows]\n\t"
      "add $4, %[rows3]\n\t"
      "dec %[pairs]\n\t"
      "jnz 2b\n\t"  //
      VAIP_SIX_ROWS(VAIP_STORE, "%[sums]", "%[sums3]", "%[sums_bytes]")
      "vzeroupper"
      : [rows] "+r"(rows), [rows3] "+r"(rows3), [panel] "+r"(panel), [pairs] "+r"(pairs)
      : [row_bytes] "r"(row_bytes), [sums] "r"(sums), [sums3] "r"(sums3), [sums_bytes] "r"(sums_bytes),
        [first] "q"(tile.first)
      : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
        "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

#undef VAIP_ROW
#undef VAIP_ZERO
#undef VAIP_LOAD
#undef VAIP_STORE
#undef VAIP_SIX_ROWS

// The rows that are left.
template <int kRows>
__attribute__((target("avx2"))) void multiply_rows(const Int16Tile& tile) {
  __m256i sums[kRows][2];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < 2; ++v) {
      const auto* at = reinterpret_cast<const __m256i*>(tile.sums + r * tile.sums_stride + v * kLanes);
      sums[r][v] = tile.first ? _mm256_setzero_si256() : _mm256_loadu_si256(at);
    }
  }
  const auto* panel = reinterpret_cast<const __m256i*>(tile.panel);
  for (std::int64_t k = 0; k < tile.pairs; ++k, panel += 2) {
    for (int r = 0; r < kRows; ++r) {
      std::int32_t pair = 0;
      std::memcpy(&pair, tile.rows + r * tile.row_stride + 2 * k, sizeof pair);
      const __m256i x = _mm256_set1_epi32(pair);
      for (int v = 0; v < 2; ++v)
        sums[r][v] = _mm256_add_epi32(sums[r][v], _mm256_madd_epi16(x, _mm256_load_si256(panel + v)));
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < 2; ++v)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(tile.sums + r * tile.sums_stride + v * kLanes), sums[r][v]);
}
#endif

void multiply_portably(const Int16Tile& tile, std::int64_t rows) {
  for (std::int64_t r = 0; r < rows; ++r) {
    std::int32_t* sums = tile.sums + r * tile.sums_stride;
    if (tile.first) std::fill_n(sums, kTileWidth, 0);
    for (std::int64_t k = 0; k < tile.pairs; ++k) {
      const std::int16_t* x = tile.rows + r * tile.row_stride + 2 * k;
      const std::int16_t* w = tile.panel + k * 2 * kTileWidth;
      for (std::int64_t c = 0; c < kTileWidth; ++c) sums[c] += x[0] * w[2 * c] + x[1] * w[2 * c + 1];
    }
  }
}

}  // namespace

void multiply(Int16Tile tile, std::int64_t rows, [[maybe_unused]] bool dot_product) {
#if defined(VAIP_HAS_INT16_TILES)
  if (dot_product) {
    for (; rows >= kTileRows; rows -= kTileRows) {
      multiply_six_rows(tile);
      tile.rows += kTileRows * tile.row_stride;
      tile.sums += kTileRows * tile.sums_stride;
    }
    if (rows == 5) return multiply_rows<5>(tile);
    if (rows == 4) return multiply_rows<4>(tile);
    if (rows == 3) return multiply_rows<3>(tile);
    if (rows == 2) return multiply_rows<2>(tile);
    if (rows == 1) return multiply_rows<1>(tile);
    return;
  }
#endif
  multiply_portably(tile, rows);
}

}  // namespace vaip::kernels
