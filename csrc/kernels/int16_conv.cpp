#include "kernels/int16_conv.h"

#include <omp.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "kernels/multiversion.h"
#include "kernels/onednn.h"
#include "kernels/parallel.h"
#include "kernels/weight_store.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vaip::kernels {
namespace {

constexpr std::int64_t kLanes = 8;           // sums in a register
constexpr std::int64_t kWidth = 2 * kLanes;  // output channels of a panel
constexpr std::int64_t kTileRows = 6;
constexpr std::size_t kAlignment = 64;
constexpr std::int64_t kDepthBlock = 512;      // a panel of that depth stays in the first-level cache
constexpr std::int64_t kWideDepthBlock = 256;  // products of s16 and s8 whose sum surely fits 32 bits
constexpr std::int64_t kBlockBytes = 1 << 18;  // of rows and sums: half of a usual second-level cache
constexpr std::int64_t kLongestDenseRow = 256;
constexpr std::int64_t kLeastPixels = 16;  // for fewer, gathering and widening take longer than they save

constexpr std::size_t aligned(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

template <typename T>
VAIP_MULTIVERSION void centre(const T* __restrict x, std::int64_t count, std::int32_t zero_point,
                              std::int16_t* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<std::int16_t>(x[i] - zero_point);
}

// The same for a few elements, which begin at `from` of `elements`, by whole vectors: up to 15 more are read, where
// there are as many, and written. False where that is not possible.
template <typename T>
inline bool centre_short([[maybe_unused]] const T* source, [[maybe_unused]] std::int64_t from,
                         [[maybe_unused]] std::int64_t count, [[maybe_unused]] std::int64_t elements,
                         [[maybe_unused]] std::int32_t zero_point, [[maybe_unused]] std::int16_t* out) {
#if defined(__SSE2__)
  constexpr std::int64_t kVector = 16, kLongest = 64;
  if (count > kLongest || from + (count + kVector - 1) / kVector * kVector > elements) return false;
  const __m128i zero = _mm_set1_epi16(static_cast<std::int16_t>(zero_point));
  for (std::int64_t i = 0; i < count; i += kVector) {
    const auto* at = reinterpret_cast<const __m128i*>(source + from + i);
    __m128i low = _mm_loadu_si128(at), high = low;
    if constexpr (sizeof(T) == 2) {
      high = _mm_loadu_si128(at + 1);
    } else if constexpr (std::is_signed_v<T>) {
      high = _mm_srai_epi16(_mm_unpackhi_epi8(low, low), 8);
      low = _mm_srai_epi16(_mm_unpacklo_epi8(low, low), 8);
    } else {
      high = _mm_unpackhi_epi8(low, _mm_setzero_si128());
      low = _mm_unpacklo_epi8(low, _mm_setzero_si128());
    }
    auto* to = reinterpret_cast<__m128i*>(out + i);
    _mm_storeu_si128(to, _mm_sub_epi16(low, zero));
    _mm_storeu_si128(to + 1, _mm_sub_epi16(high, zero));
  }
  return true;
#else
  return false;
#endif
}

VAIP_MULTIVERSION void widen(const std::int8_t* __restrict in, std::int64_t count, std::int16_t* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = in[i];
}

VAIP_MULTIVERSION void add(const std::int32_t* __restrict sums, std::int64_t count, bool is_first,
                           double* __restrict totals) {
  if (is_first)
    for (std::int64_t i = 0; i < count; ++i) totals[i] = sums[i];
  else
    for (std::int64_t i = 0; i < count; ++i) totals[i] += sums[i];
}

// sums[r][kWidth] of some rows, plus the products of `pairs` pairs of elements with a panel.
struct Tile {
  const std::int16_t* rows;
  std::int64_t row_stride;
  const std::int16_t* panel;
  std::int64_t pairs;
  std::int32_t* sums;
  std::int64_t sums_stride;
  bool first;  // there are no sums yet
};

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

void multiply_six_rows(const Tile& tile) {
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
__attribute__((target("avx2"))) void multiply_rows(const Tile& tile) {
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

void multiply_portably(const Tile& tile, std::int64_t rows) {
  for (std::int64_t r = 0; r < rows; ++r) {
    std::int32_t* sums = tile.sums + r * tile.sums_stride;
    if (tile.first) std::fill_n(sums, kWidth, 0);
    for (std::int64_t k = 0; k < tile.pairs; ++k) {
      const std::int16_t* x = tile.rows + r * tile.row_stride + 2 * k;
      const std::int16_t* w = tile.panel + k * 2 * kWidth;
      for (std::int64_t c = 0; c < kWidth; ++c) sums[c] += x[0] * w[2 * c] + x[1] * w[2 * c + 1];
    }
  }
}

void multiply_panel(Tile tile, std::int64_t rows, [[maybe_unused]] bool dot_product) {
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

}  // namespace

bool Int16Conv::suits(const ConvProblem& problem, ir::DType source) {
  const bool bytes = ir::size_of(source) == 1;
  return problem.spatial_rank() >= 1 && problem.spatial_rank() <= kMaxRank &&
         (!bytes || problem.output_pixels() >= kLeastPixels) && problem.out_channels / problem.groups >= kLanes &&
         problem.in_channels / problem.groups * ir::element_count(problem.kernel) >= 2 * kLanes;
}

Int16Conv::Int16Conv(const ConvProblem& problem, const LinearWeights& weights, const Operand& x,
                     const KernelOptions& options, const Int16Range& range)
    : problem_(problem),
      dtype_(x.dtype),
      zero_point_(x.quant ? x.quant->zero_point[0] : 0),
      dot_product_(options.cpu.int16_dot_product),
      wide_(range.wide_sums),
      in_bytes_(range.weights_of_8_bits),
      taps_(weights.taps),
      group_channels_(weights.in_channels),
      group_outputs_(weights.out_channels / weights.groups),
      depth_((weights.per_channel() + 1) / 2 * 2),
      panels_((group_outputs_ + kWidth - 1) / kWidth) {
  for (std::int64_t outer = 0; outer < taps_ / problem_.kernel.back(); ++outer) outer_taps_.push_back(outer_tap(outer));
  // Rows that are a multiple of a page apart would share the same lines of the cache; and there is room behind each for
  // what centre_short() writes too much.
  const bool every_pixel = taps_ == 1 && problem_.groups == 1 && problem_.input == problem_.output;
  const bool dense = every_pixel && depth_ == group_channels_ && depth_ <= kLongestDenseRow;
  stride_ = dense ? depth_ : depth_ + static_cast<std::int64_t>(kAlignment / sizeof(std::int16_t));
  const std::int64_t row_bytes = 2 * stride_ + 4 * (problem_.out_channels + panels_ * kWidth);
  block_rows_ =
      std::clamp<std::int64_t>(kBlockBytes / row_bytes / kTileRows * kTileRows, 2 * kTileRows, 16 * kTileRows);
  const std::int64_t elements = problem_.groups * panels_ * depth_ * kWidth;
  const dnnl::memory::desc desc({problem_.groups, elements / problem_.groups * (in_bytes_ ? 1 : 2)},
                                dnnl::memory::data_type::u8, dnnl::memory::format_tag::ab);
  const auto make = [&] {
    dnnl::memory memory(desc, onednn_engine());
    if (in_bytes_)
      pack(weights, static_cast<std::int8_t*>(memory.get_data_handle()));
    else
      pack(weights, static_cast<std::int16_t*>(memory.get_data_handle()));
    return memory;
  };
  const LinearWeights::Source& source = weights.source;
  const bool shares = options.weights && source.constant && options.packed_from == nullptr;
  memory_ = options.packed_from != nullptr ? archived_memory(*options.packed_from, desc)
            : shares ? options.weights->find_or_pack({source.constant, source.in_columns, source.zero_points,
                                                      ComputePath::int16, 0, weights.in_channels, desc},
                                                     make)
                     : make();
  packed_ = static_cast<const std::byte*>(memory_.get_data_handle());
  packed_bytes_ = shares ? 0 : desc.get_size();
}

void Int16Conv::store(ArchiveWriter& to) const { store_memory(to, memory_); }

Int16Conv::OuterTap Int16Conv::outer_tap(std::int64_t index) const {
  OuterTap tap;
  const std::size_t last = problem_.spatial_rank() - 1;
  std::int64_t step = problem_.input[last] * problem_.in_channels;
  for (std::size_t d = last; d-- > 0;) {
    tap.steps[d] = index % problem_.kernel[d] * problem_.dilations[d];
    index /= problem_.kernel[d];
    tap.offset += tap.steps[d] * step;
    step *= problem_.input[d];
  }
  return tap;
}

template <typename T>
void Int16Conv::pack(const LinearWeights& weights, T* packed) const {
  const std::int64_t panel = depth_ * kWidth;
  const bool is_full = group_outputs_ % kWidth == 0 && weights.per_channel() == depth_;
  if (!is_full) std::fill_n(packed, problem_.groups * panels_ * panel, T{0});
  parallel_for(weights.out_channels, weights.per_channel(), [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t oc = begin; oc < end; ++oc) {
      const std::int64_t group = oc / group_outputs_, column = oc % group_outputs_;
      T* to = packed + (group * panels_ + column / kWidth) * panel + column % kWidth * 2;
      const std::int16_t* from = weights.integers.data() + oc * weights.per_channel();
      for (std::int64_t tap = 0; tap < taps_; ++tap)
        for (std::int64_t ic = 0; ic < group_channels_; ++ic) {
          const std::int64_t k = tap * group_channels_ + ic;
          to[k / 2 * kWidth * 2 + k % 2] = static_cast<T>(from[ic * taps_ + tap]);
        }
    }
  });
}

Int16Conv::Scratch Int16Conv::scratch() const {
  const std::size_t sum_bytes = wide_ ? sizeof(double) : sizeof(std::int32_t);
  const auto rows = static_cast<std::size_t>(block_rows_), padded = static_cast<std::size_t>(panels_ * kWidth);
  Scratch scratch;
  scratch.sums = aligned(rows * static_cast<std::size_t>(stride_) * sizeof(std::int16_t));
  scratch.totals = scratch.sums + aligned(rows * padded * sizeof(std::int32_t));
  scratch.result = scratch.totals + (wide_ ? aligned(rows * padded * sizeof(double)) : 0);
  scratch.panel = scratch.result + aligned(rows * static_cast<std::size_t>(problem_.out_channels) * sum_bytes);
  const std::int64_t widened = in_bytes_ ? std::min(depth_, kDepthBlock) * kWidth : 0;
  scratch.bytes = scratch.panel + aligned(static_cast<std::size_t>(widened) * sizeof(std::int16_t));
  return scratch;
}

std::size_t Int16Conv::scratch_bytes() const {
  return static_cast<std::size_t>(omp_get_max_threads()) * scratch().bytes;
}

Int16Conv::Origin Int16Conv::origin_of(std::int64_t output_pixel) const {
  const ConvProblem& p = problem_;
  Origin origin;
  origin.inside = true;
  std::int64_t step = 1;
  for (std::size_t d = p.spatial_rank(); d-- > 0;) {
    origin.at[d] = output_pixel % p.output[d] * p.strides[d] - p.pads_begin[d];
    output_pixel /= p.output[d];
    origin.element += origin.at[d] * step;
    step *= p.input[d];
    const std::int64_t furthest = origin.at[d] + (p.kernel[d] - 1) * p.dilations[d];
    if (d + 1 < p.spatial_rank()) origin.inside = origin.inside && origin.at[d] >= 0 && furthest < p.input[d];
  }
  origin.element = (origin.element + output_pixel * step) * p.in_channels;
  return origin;
}

// The taps along the last dimension lie side by side where nothing is between them.
template <typename T>
void Int16Conv::gather_row(const T* source, std::int64_t group, const Origin& origin, std::int16_t* row) const {
  const ConvProblem& p = problem_;
  const std::size_t last = p.spatial_rank() - 1;
  const auto zero_point = static_cast<std::int32_t>(zero_point_);
  const std::int64_t width = p.kernel[last], step = p.dilations[last], run = width * group_channels_;
  const bool side_by_side = step == 1 && p.groups == 1;
  const std::int64_t elements = p.input_pixels() * p.in_channels;
  // Taps [begin, end) of the last dimension lie within the source.
  std::int64_t begin = 0, end = width;
  if (origin.at[last] < 0) begin = std::min((-origin.at[last] + step - 1) / step, width);
  if (const std::int64_t room = p.input[last] - origin.at[last]; (width - 1) * step >= room)
    end = std::clamp<std::int64_t>((room + step - 1) / step, begin, width);
  for (const OuterTap& tap : outer_taps_) {
    std::int16_t* const to = row;
    row += run;
    bool inside = begin < end;
    if (!origin.inside)
      for (std::size_t d = 0; d < last; ++d) {
        const std::int64_t at = origin.at[d] + tap.steps[d];
        inside = inside && at >= 0 && at < p.input[d];
      }
    if (!inside) {
      std::fill_n(to, run, std::int16_t{0});
      continue;
    }
    const std::int64_t from = origin.element + tap.offset + group * group_channels_;
    if (side_by_side && end - begin == width && centre_short(source, from, run, elements, zero_point, to)) continue;
    std::fill_n(to, begin * group_channels_, std::int16_t{0});
    std::fill_n(to + end * group_channels_, (width - end) * group_channels_, std::int16_t{0});
    if (side_by_side) {
      centre(source + from + begin * group_channels_, (end - begin) * group_channels_, zero_point,
             to + begin * group_channels_);
    } else {
      for (std::int64_t t = begin; t < end; ++t)
        centre(source + from + t * step * p.in_channels, group_channels_, zero_point, to + t * group_channels_);
    }
  }
  if (taps_ * group_channels_ < depth_) *row = 0;
}

template <typename T>
void Int16Conv::gather_rows(const T* source, std::int64_t group, std::int64_t first, std::int64_t count,
                            std::int16_t* rows) const {
  if (stride_ == depth_)  // pixels side by side, too
    return centre(source + first * depth_, count * depth_, static_cast<std::int32_t>(zero_point_), rows);
  const std::size_t last = problem_.spatial_rank() - 1;
  const std::int64_t step = problem_.strides[last] * problem_.in_channels;
  for (std::int64_t r = 0; r < count;) {
    Origin origin = origin_of(first + r);
    const std::int64_t line_end = problem_.output[last] - (first + r) % problem_.output[last];
    for (const std::int64_t end = std::min(count, r + line_end); r < end; ++r) {
      gather_row(source, group, origin, rows + r * stride_);
      origin.at[last] += problem_.strides[last];
      origin.element += step;
    }
  }
}

void Int16Conv::gather(const void* x, std::int64_t group, std::int64_t first, std::int64_t count,
                       std::int16_t* rows) const {
  switch (dtype_) {
    case ir::DType::u8:
      return gather_rows(static_cast<const std::uint8_t*>(x), group, first, count, rows);
    case ir::DType::s8:
      return gather_rows(static_cast<const std::int8_t*>(x), group, first, count, rows);
    case ir::DType::u16:
      return gather_rows(static_cast<const std::uint16_t*>(x), group, first, count, rows);
    default:
      return gather_rows(static_cast<const std::int16_t*>(x), group, first, count, rows);
  }
}

const std::int16_t* Int16Conv::panel_at(std::int64_t panel, std::int64_t k, std::int64_t depth,
                                        std::int16_t* buffer) const {
  const std::int64_t at = (panel * depth_ + k) * kWidth;
  if (!in_bytes_) return reinterpret_cast<const std::int16_t*>(packed_) + at;
  widen(reinterpret_cast<const std::int8_t*>(packed_) + at, depth * kWidth, buffer);
  return buffer;
}

void Int16Conv::multiply(const std::int16_t* rows, std::int64_t stride, std::int64_t group, std::int64_t count,
                         std::int32_t* sums, double* totals, std::int16_t* panel_buffer) const {
  const std::int64_t block = wide_ ? kWideDepthBlock : kDepthBlock, padded = panels_ * kWidth;
  for (std::int64_t k = 0; k < depth_; k += block) {
    const std::int64_t depth = std::min(block, depth_ - k), pairs = depth / 2;
    for (std::int64_t panel = 0; panel < panels_; ++panel) {
      const std::int16_t* weights = panel_at(group * panels_ + panel, k, depth, panel_buffer);
      const bool first = wide_ || k == 0;
      multiply_panel({rows + k, stride, weights, pairs, sums + panel * kWidth, padded, first}, count, dot_product_);
    }
    if (wide_) add(sums, count * padded, k == 0, totals);
  }
}

// The sums of a group as the output has them: without what pads the last panel, between those of the other groups.
template <typename Acc>
const Acc* Int16Conv::arrange(const Acc* sums, std::int64_t group, std::int64_t count, Acc* result) const {
  const std::int64_t padded = panels_ * kWidth, channels = problem_.out_channels;
  if (problem_.groups == 1 && padded == channels) return sums;
  for (std::int64_t r = 0; r < count; ++r)
    std::copy_n(sums + r * padded, group_outputs_, result + r * channels + group * group_outputs_);
  return result;
}

void Int16Conv::execute(const void* x, const Epilogue& epilogue, const EpilogueInputs& added, std::byte* scratch_memory,
                        void* output) const {
  const std::int64_t pixels = problem_.output_pixels(), channels = problem_.out_channels;
  const std::int64_t blocks = (pixels + block_rows_ - 1) / block_rows_;
  // Pointwise convolutions of 16 bits read the tensor as it is.
  const bool direct = taps_ == 1 && problem_.groups == 1 && dtype_ == ir::DType::s16 && zero_point_ == 0 &&
                      depth_ == problem_.in_channels && pixels == problem_.input_pixels();
  const Scratch offsets = scratch();
  parallel_for(blocks, block_rows_ * depth_ * channels, [&](std::int64_t begin, std::int64_t end, int thread) {
    std::byte* own = scratch_memory + static_cast<std::size_t>(thread) * offsets.bytes;
    auto* rows = reinterpret_cast<std::int16_t*>(own);
    auto* sums = reinterpret_cast<std::int32_t*>(own + offsets.sums);
    auto* totals = reinterpret_cast<double*>(own + offsets.totals);
    auto* panel = reinterpret_cast<std::int16_t*>(own + offsets.panel);
    for (std::int64_t block = begin; block < end; ++block) {
      const std::int64_t first = block * block_rows_, count = std::min(block_rows_, pixels - first);
      const std::int32_t* result = nullptr;
      const double* wide_result = nullptr;
      for (std::int64_t group = 0; group < problem_.groups; ++group) {
        if (direct) {
          multiply(static_cast<const std::int16_t*>(x) + first * depth_, depth_, 0, count, sums, totals, panel);
        } else {
          gather(x, group, first, count, rows);
          multiply(rows, stride_, group, count, sums, totals, panel);
        }
        if (wide_)
          wide_result = arrange(totals, group, count, reinterpret_cast<double*>(own + offsets.result));
        else
          result = arrange(sums, group, count, reinterpret_cast<std::int32_t*>(own + offsets.result));
      }
      if (wide_)
        epilogue.run(wide_result, first * channels, (first + count) * channels, added, output);
      else
        epilogue.run(result, first * channels, (first + count) * channels, added, output);
    }
  });
}

}  // namespace vaip::kernels
