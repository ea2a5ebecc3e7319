#include "kernels/compute_path.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <oneapi/dnnl/dnnl.hpp>

#include "base/error.h"

namespace vaip::kernels {
namespace {

// Two products share a signed 16-bit lane: 255 * 128 = 32640 is the largest multiple of 255 that it holds, either sign.
constexpr std::int32_t kPairLimit = 128;

// A residual costs about as much as 30 of oneDNN's int8 products on AVX2 (one scalar multiply-add against 32 per
// instruction), and the f32 path takes twice the time of the int8 path: beyond this share of the weights f32 is faster.
constexpr double kMaxResidualShare = 1.0 / 64.0;

// Channels per chunk are a multiple of this, so that oneDNN's blocks of input channels stay whole.
constexpr std::int64_t kChannelBlock = 8;

// What the source may hold.
struct Range {
  std::int64_t low, high;
};

// oneDNN 3.2 runs f32 pointwise convolutions of more input channels at a third of its speed (AVX2: 14 instead of 48
// GMAC/s at 3072 channels), so they are cut into chunks although one would be exact.
constexpr std::int64_t kMaxPointwiseF32Channels = 1024;

// The furthest from zero that any partial sum over `count` weights can get, in whatever order it is formed: positive
// and negative products each sum to no more.
std::int64_t largest_sum(const std::int32_t* weights, std::int64_t count, const std::vector<Range>& ranges) {
  std::int64_t positive = 0, negative = 0;  // sums of the positive and of the negative weights
  for (std::int64_t i = 0; i < count; ++i) {
    positive += std::max(weights[i], 0);
    negative += std::min(weights[i], 0);
  }
  std::int64_t largest = 0;
  for (const Range& range : ranges) {
    const std::int64_t top = std::max<std::int64_t>(range.high, 0), bottom = std::min<std::int64_t>(range.low, 0);
    largest = std::max({largest, positive * top + negative * bottom, -(positive * bottom + negative * top)});
  }
  return largest;
}

// Whether every partial sum over chunks of `channels` input channels stays within `limit`, for each of the ranges.
bool chunks_fit(const LinearWeights& w, std::int64_t channels, const std::vector<Range>& ranges, std::int64_t limit) {
  for (std::int64_t oc = 0; oc < w.out_channels; ++oc) {
    const std::int32_t* row = w.integers.data() + oc * w.per_channel();
    for (std::int64_t begin = 0; begin < w.in_channels; begin += channels) {
      const std::int64_t count = std::min(channels, w.in_channels - begin) * w.taps;
      if (largest_sum(row + begin * w.taps, count, ranges) > limit) return false;
    }
  }
  return true;
}

// The channels of the fewest equal chunks that fit, at most `longest`; nullopt when not even the smallest do.
std::optional<std::int64_t> chunk_channels(const LinearWeights& w, const std::vector<Range>& ranges, std::int64_t limit,
                                           std::int64_t longest) {
  std::int64_t previous = std::numeric_limits<std::int64_t>::max();
  for (std::int64_t chunks = 1; previous > kChannelBlock; ++chunks) {
    std::int64_t channels = (w.in_channels + chunks - 1) / chunks;
    if (chunks > 1) channels = (channels + kChannelBlock - 1) / kChannelBlock * kChannelBlock;
    if (channels == previous || channels > longest) continue;
    previous = channels;
    if (chunks_fit(w, channels, ranges, limit)) return channels;
    if (channels >= w.in_channels && chunks > 1) return std::nullopt;
  }
  return std::nullopt;
}

// The excess of a pair of weights over what 16 bits hold, or less than 1.
std::int32_t pair_excess(std::int32_t first, std::int32_t second) {
  // Of opposite signs, they never reach further than one product alone.
  return (first < 0) != (second < 0) ? 0 : std::abs(first + second) - kPairLimit;
}

// Calls visit(output channel, even input channel, tap, its weight, the next channel's weight) for every pair.
template <typename Weights, typename Visit>
void for_each_pair(Weights& w, const Visit& visit) {
  for (std::int64_t oc = 0; oc < w.out_channels; ++oc) {
    for (std::int64_t ic = 0; ic + 1 < w.in_channels; ic += 2) {
      auto* first = w.integers.data() + oc * w.per_channel() + ic * w.taps;
      for (std::int64_t tap = 0; tap < w.taps; ++tap) visit(oc, ic, tap, first[tap], first[w.taps + tap]);
    }
  }
}

double residual_share(const LinearWeights& w) {
  std::int64_t saturating = 0;
  for_each_pair(w, [&](auto, auto, auto, std::int32_t first, std::int32_t second) {
    saturating += pair_excess(first, second) > 0 ? 1 : 0;
  });
  return static_cast<double>(saturating) / static_cast<double>(w.integers.size());
}

// Why `path` would not be exact, or the chunks with which it is.
struct Verdict {
  std::optional<std::int64_t> channels;
  const char* obstacle = "";
};

Verdict judge(ComputePath path, const LinearWeights& w, const SourceRange& source, const CpuTraits& cpu, bool forced) {
  if (path == ComputePath::f64) return {w.in_channels, ""};
  if (!w.are_integers() || !source.is_integer()) return {std::nullopt, "the operands are not integers of 8 or 16 bits"};
  if (w.per_channel() == 0) return {std::nullopt, "there is nothing to accumulate"};
  const Range centred = {source.low(), source.high()};
  const Range bytes = {0, 255};  // as the int8 path accumulates them; it takes the zero point's share away at the end
  if (!chunks_fit(w, w.in_channels, {centred, bytes}, std::numeric_limits<std::int32_t>::max()))
    return {std::nullopt, "the accumulators exceed 32 bits"};
  if (path == ComputePath::f32) {
    const std::int64_t longest = w.taps == 1 ? kMaxPointwiseF32Channels : w.in_channels;
    return {chunk_channels(w, {centred}, kExactInFloat, longest), "the products of a few channels already exceed 2^24"};
  }
  const bool narrow = std::all_of(w.integers.begin(), w.integers.end(), [](auto v) { return v >= -128 && v <= 127; });
  if (ir::size_of(source.dtype) != 1 || !narrow) return {std::nullopt, "the operands do not fit 8 bits"};
  if (centred.low > 0 || centred.high < 0) return {std::nullopt, "the zero point is not of the source's type"};
  if (!cpu.int8_dot_product && !forced && residual_share(w) > kMaxResidualShare)
    return {std::nullopt, "too many pairs of weights would saturate"};
  return {chunk_channels(w, {bytes}, kExactInFloat, w.in_channels),
          "the products of a few channels already exceed 2^24"};
}

PathChoice in_chunks(ComputePath path, const LinearWeights& w, std::int64_t channels) {
  channels = std::max<std::int64_t>(channels, 1);
  return {path, channels, std::max<std::int64_t>((w.in_channels + channels - 1) / channels, 1)};
}

}  // namespace

std::string_view name(ComputePath path) {
  return path == ComputePath::int8 ? "int8" : path == ComputePath::f32 ? "f32" : "f64";
}

CpuTraits host_cpu() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::isa_default:
    case dnnl::cpu_isa::sse41:
    case dnnl::cpu_isa::avx:
    case dnnl::cpu_isa::avx2:
    case dnnl::cpu_isa::avx512_core:
      return {false};
    default:
      return {true};
  }
}

bool SourceRange::is_integer() const {
  return dtype == ir::DType::u8 || dtype == ir::DType::s8 || dtype == ir::DType::u16 || dtype == ir::DType::s16;
}

PathChoice choose_path(const LinearWeights& weights, const SourceRange& source, const CpuTraits& cpu,
                       ComputePath from) {
  for (const ComputePath path : {ComputePath::int8, ComputePath::f32}) {
    if (path < from) continue;
    const Verdict verdict = judge(path, weights, source, cpu, false);
    if (verdict.channels) return in_chunks(path, weights, *verdict.channels);
  }
  return in_chunks(ComputePath::f64, weights, weights.in_channels);
}

PathChoice require_path(ComputePath path, const LinearWeights& weights, const SourceRange& source,
                        const CpuTraits& cpu) {
  const Verdict verdict = judge(path, weights, source, cpu, true);
  if (!verdict.channels)
    fail(ErrorKind::invalid_argument, "path ", name(path), " would not be exact: ", verdict.obstacle);
  return in_chunks(path, weights, *verdict.channels);
}

std::int64_t largest_accumulator(const LinearWeights& w, std::int64_t low, std::int64_t high) {
  std::int64_t largest = 0;
  for (std::int64_t oc = 0; oc < w.out_channels; ++oc)
    largest = std::max(largest, largest_sum(w.integers.data() + oc * w.per_channel(), w.per_channel(), {{low, high}}));
  return largest;
}

std::vector<Residual> split_saturating_pairs(LinearWeights& w) {
  std::vector<Residual> residuals;
  for_each_pair(w, [&](std::int64_t oc, std::int64_t ic, std::int64_t tap, std::int32_t& first, std::int32_t& second) {
    const std::int32_t excess = pair_excess(first, second);
    if (excess <= 0) return;
    const bool take_first = std::abs(first) > std::abs(second);
    std::int32_t& larger = take_first ? first : second;
    const std::int32_t value = larger < 0 ? -excess : excess;
    larger -= value;
    residuals.push_back({static_cast<std::int32_t>(oc), static_cast<std::int32_t>(take_first ? ic : ic + 1),
                         static_cast<std::int32_t>(tap), value});
  });
  return residuals;
}

}  // namespace vaip::kernels
