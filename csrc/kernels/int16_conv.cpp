#include "kernels/int16_conv.h"

#include <omp.h>

#include <algorithm>
#include <type_traits>

#include "kernels/int16_tile.h"
#include "kernels/multiversion.h"
#include "kernels/onednn.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"
#include "kernels/weight_store.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vaip::kernels {
namespace {

constexpr std::int64_t kWidth = kTileWidth;    // output channels of a panel
constexpr std::int64_t kDepthBlock = 512;      // a panel of that depth stays in the first-level cache
constexpr std::int64_t kWideDepthBlock = 256;  // products of s16 and s8 whose sum surely fits 32 bits
constexpr std::int64_t kBlockBytes = 1 << 18;  // of rows and sums: half of a usual second-level cache
constexpr std::int64_t kMostRows = 16 * kTileRows, kLeastRows = 2 * kTileRows;  // of a block
constexpr std::int64_t kLeastPanels = 4;                                        // whose sums are finished row by row
constexpr std::int64_t kLongestDenseRow = 256;
constexpr std::int64_t kLeastOutputs = kWidth / 2, kLeastDepth = 16;
constexpr std::int64_t kLeastPixels = 16;  // for fewer, gathering and widening take longer than they save

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

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

}  // namespace

bool Int16Conv::is_possible(const ConvProblem& problem) {
  return problem.spatial_rank() >= 1 && problem.spatial_rank() <= kMaxRank;
}

bool Int16Conv::suits(const ConvProblem& problem, ir::DType source) {
  const bool bytes = ir::size_of(source) == 1;
  return is_possible(problem) && (!bytes || problem.output_pixels() >= kLeastPixels) &&
         problem.out_channels / problem.groups >= kLeastOutputs &&
         problem.in_channels / problem.groups * ir::element_count(problem.kernel) >= kLeastDepth;
}

Int16Conv::Int16Conv(const ConvProblem& problem, const LinearWeights& weights, const Operand& x,
                     const KernelOptions& options, const Int16Range& range)
    : problem_(problem),
      dtype_(x.dtype),
      zero_point_(x.quant ? x.quant->zero_point[0] : 0),
      pixel_pitch_(pixel_pitch(x, problem.in_channels).value_or(0)),
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
  const bool dense = every_pixel && depth_ == group_channels_ && depth_ == pixel_pitch_ && depth_ <= kLongestDenseRow;
  stride_ = dense ? depth_ : depth_ + static_cast<std::int64_t>(kScratchAlignment / sizeof(std::int16_t));
  plan_blocks();
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

// As many rows as there is room for, since each block widens and reads all weights anew; then as many panels as there
// is room for their sums.
void Int16Conv::plan_blocks() {
  const std::int64_t pixels = problem_.output_pixels(), threads = omp_get_max_threads(), row_bytes = 2 * stride_;
  const std::int64_t most = std::clamp<std::int64_t>(kBlockBytes / 4 * 3 / row_bytes, kLeastRows, kMostRows);
  std::int64_t blocks = ceil_div(pixels, most);
  if (blocks < 4 * threads) blocks = ceil_div(blocks, threads) * threads;
  block_rows_ = ceil_div(ceil_div(pixels, blocks), kTileRows) * kTileRows;
  const std::int64_t column_bytes = wide_ ? 12 : 4;
  const std::int64_t room = (kBlockBytes - block_rows_ * row_bytes) / (block_rows_ * kWidth * column_bytes);
  const std::int64_t chunks = ceil_div(panels_, std::max(room, kLeastPanels));
  chunk_panels_ = ceil_div(panels_, chunks);
  if (chunks == 1 && problem_.groups == 1 && panels_ * kWidth == group_outputs_)
    finish_ = Finish::whole_blocks;
  else
    finish_ = chunk_panels_ >= kLeastPanels ? Finish::rows : Finish::arranged_blocks;
}

void Int16Conv::store(ArchiveWriter& to) const { store_memory(to, memory_); }

Int16Conv::OuterTap Int16Conv::outer_tap(std::int64_t index) const {
  OuterTap tap;
  const std::size_t last = problem_.spatial_rank() - 1;
  std::int64_t step = problem_.input[last] * pixel_pitch_;
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
  const auto rows = static_cast<std::size_t>(block_rows_), columns = static_cast<std::size_t>(chunk_panels_ * kWidth);
  const std::int64_t arranged = finish_ == Finish::arranged_blocks ? problem_.out_channels : 0;
  const std::int64_t widened = in_bytes_ ? std::min(depth_, kDepthBlock) * kWidth : 0;
  Scratch scratch;
  scratch.sums = aligned(rows * static_cast<std::size_t>(stride_) * sizeof(std::int16_t));
  scratch.totals = scratch.sums + aligned(rows * columns * sizeof(std::int32_t));
  scratch.arranged = scratch.totals + (wide_ ? aligned(rows * columns * sizeof(double)) : 0);
  scratch.panel = scratch.arranged + aligned(rows * static_cast<std::size_t>(arranged) * sum_bytes);
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
  origin.element = (origin.element + output_pixel * step) * pixel_pitch_;
  return origin;
}

// The taps along the last dimension lie side by side where nothing is between them.
template <typename T>
void Int16Conv::gather_row(const T* source, std::int64_t group, const Origin& origin, std::int16_t* row) const {
  const ConvProblem& p = problem_;
  const std::size_t last = p.spatial_rank() - 1;
  const auto zero_point = static_cast<std::int32_t>(zero_point_);
  const std::int64_t width = p.kernel[last], step = p.dilations[last], run = width * group_channels_;
  const bool is_dense = pixel_pitch_ == p.in_channels;
  const std::int64_t elements = p.input_pixels() * p.in_channels;
  const bool side_by_side = step == 1 && p.groups == 1 && (is_dense || width == 1);
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
    const std::int64_t limit = is_dense ? elements : from + run;
    if (side_by_side && end - begin == width && centre_short(source, from, run, limit, zero_point, to)) continue;
    std::fill_n(to, begin * group_channels_, std::int16_t{0});
    std::fill_n(to + end * group_channels_, (width - end) * group_channels_, std::int16_t{0});
    if (side_by_side) {
      centre(source + from + begin * group_channels_, (end - begin) * group_channels_, zero_point,
             to + begin * group_channels_);
    } else {
      for (std::int64_t t = begin; t < end; ++t)
        centre(source + from + t * step * pixel_pitch_, group_channels_, zero_point, to + t * group_channels_);
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
  const std::int64_t step = problem_.strides[last] * pixel_pitch_;
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

void Int16Conv::gather(const void* x, std::int64_t group, const Block& block, std::int16_t* rows) const {
  const auto [first, count] = block;
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

void Int16Conv::multiply(const Rows& rows, std::int64_t group, const Chunk& chunk, std::int32_t* sums, double* totals,
                         std::int16_t* panel_buffer) const {
  const std::int64_t block = wide_ ? kWideDepthBlock : kDepthBlock, columns = chunk.panels * kWidth;
  for (std::int64_t k = 0; k < depth_; k += block) {
    const std::int64_t depth = std::min(block, depth_ - k), pairs = depth / 2;
    for (std::int64_t panel = 0; panel < chunk.panels; ++panel) {
      const std::int16_t* weights = panel_at(group * panels_ + chunk.first + panel, k, depth, panel_buffer);
      const bool first = wide_ || k == 0;
      kernels::multiply({rows.data + k, rows.stride, weights, pairs, sums + panel * kWidth, columns, first}, rows.count,
                        dot_product_);
    }
    if (wide_) add(sums, rows.count * columns, k == 0, totals);
  }
}

template <typename Acc>
void Int16Conv::finish(const Acc* sums, std::int64_t group, const Chunk& chunk, const Block& block, Acc* arranged,
                       const Output& output) const {
  const std::int64_t channels = problem_.out_channels, stride = chunk.panels * kWidth;
  const std::int64_t first_column = chunk.first * kWidth, columns = std::min(stride, group_outputs_ - first_column);
  const std::int64_t channel = group * group_outputs_ + first_column;
  const auto run = [&](const Acc* from, std::int64_t begin, std::int64_t count) {
    output.epilogue.run(from, begin, begin + count, output.added, output.data);
  };
  switch (finish_) {
    case Finish::whole_blocks:
      return run(sums, block.first * channels, block.count * channels);
    case Finish::rows:
      for (std::int64_t r = 0; r < block.count; ++r)
        run(sums + r * stride, (block.first + r) * channels + channel, columns);
      return;
    case Finish::arranged_blocks:
      for (std::int64_t r = 0; r < block.count; ++r)
        std::copy_n(sums + r * stride, columns, arranged + r * channels + channel);
      if (channel + columns == channels) run(arranged, block.first * channels, block.count * channels);
      return;
  }
}

void Int16Conv::execute(const void* x, const Epilogue& epilogue, const EpilogueInputs& added, std::byte* scratch_memory,
                        void* output_data) const {
  const std::int64_t pixels = problem_.output_pixels();
  const std::int64_t blocks = ceil_div(pixels, block_rows_);
  // Pointwise convolutions of 16 bits read the tensor as it is.
  const bool direct = taps_ == 1 && problem_.groups == 1 && dtype_ == ir::DType::s16 && zero_point_ == 0 &&
                      depth_ == problem_.in_channels && pixels == problem_.input_pixels();
  const Scratch offsets = scratch();
  const Output output = {epilogue, added, output_data};
  parallel_for(
      blocks, block_rows_ * depth_ * problem_.out_channels, [&](std::int64_t begin, std::int64_t end, int thread) {
        std::byte* own = scratch_memory + static_cast<std::size_t>(thread) * offsets.bytes;
        auto* gathered = reinterpret_cast<std::int16_t*>(own);
        auto* sums = reinterpret_cast<std::int32_t*>(own + offsets.sums);
        auto* totals = reinterpret_cast<double*>(own + offsets.totals);
        auto* panel = reinterpret_cast<std::int16_t*>(own + offsets.panel);
        for (std::int64_t index = begin; index < end; ++index) {
          const std::int64_t first = index * block_rows_;
          const Block block = {first, std::min(block_rows_, pixels - first)};
          for (std::int64_t group = 0; group < problem_.groups; ++group) {
            if (!direct) gather(x, group, block, gathered);
            const auto* source = static_cast<const std::int16_t*>(x) + first * pixel_pitch_;
            const Rows rows = direct ? Rows{source, pixel_pitch_, block.count} : Rows{gathered, stride_, block.count};
            for (std::int64_t at = 0; at < panels_; at += chunk_panels_) {
              const Chunk chunk = {at, std::min(chunk_panels_, panels_ - at)};
              multiply(rows, group, chunk, sums, totals, panel);
              if (wide_)
                finish(totals, group, chunk, block, reinterpret_cast<double*>(own + offsets.arranged), output);
              else
                finish(sums, group, chunk, block, reinterpret_cast<std::int32_t*>(own + offsets.arranged), output);
            }
          }
        }
      });
}

}  // namespace vaip::kernels
