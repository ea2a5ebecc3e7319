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

// Whether every partial sum over chunks of `channels` input channels stays within `limit`, in whatever order it is formed:
// positive and negative products each sum to no more. For each of the ranges by itself.
bool chunks_fit(const LinearWeights& w, std::int64_t channels, const std::vector<Range>& ranges, std::int64_t limit) {
  for (std::int64_t oc = 0; oc < w.out_channels; ++oc) {
    const std::int32_t* row = w.integers.data() + oc * w.per_channel();
    for (std::int64_t begin = 0; begin < w.in_channels; begin += channels) {
      const std::int64_t end = std::min(w.in_channels, begin + channels);
      std::int64_t positive = 0, negative = 0;  // sums of the positive and of the negative weights
      for (std::int64_t i = begin * w.taps; i < end * w.taps; ++i) {
        positive += std::max(row[i], 0);
        negative += std::min(row[i], 0);
      }
      for (const Range& range : ranges) {
        const std::int64_t top = std::max<std::int64_t>(range.high, 0), bottom = std::min<std::int64_t>(range.low, 0);
        if (positive * top + negative * bottom > limit || -(positive * bottom + negative * top) > limit) return false;
      }
    }
  }
  return true;
}

// The fewest equal chunks that fit; nullopt when not even the smallest do.
std::optional<std::int64_t> chunk_channels(const LinearWeights& w, const std::vector<Range>& ranges,
                                           std::int64_t limit) {
  std::int64_t previous = std::numeric_limits<std::int64_t>::max();
  for (std::int64_t chunks = 1; previous > kChannelBlock; ++chunks) {
    std::int64_t channels = (w.in_channels + chunks - 1) / chunks;
    if (chunks > 1) channels = (channels + kChannelBlock - 1) / kChannelBlock * kChannelBlock;
    if (channels == previous) continue;
    previous = channels;
    if (chunks_fit(w, channels, ranges, limit)) return channels;
    if (channels >= w.in_channels && chunks > 1) return std::nullopt;
  }
  return std::nullopt;
}

double residual_share(LinearWeights weights) {
  if (weights.integers.empty()) return 0.0;
  const double total = static_cast<double>(weights.integers.size());
  return static_cast<double>(split_saturating_pairs(weights).size()) / total;
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
  if (!chunks_fit(w, w.in_channels, {centred}, std::numeric_limits<std::int32_t>::max()))
    return {std::nullopt, "the accumulators exceed 32 bits"};
  if (path == ComputePath::f32) {
    const auto channels = chunk_channels(w, {centred}, kExactInFloat);
    return {channels, "the products of a few channels already exceed 2^24"};
  }
  const bool narrow = std::all_of(w.integers.begin(), w.integers.end(), [](auto v) { return v >= -128 && v <= 127; });
  if (ir::size_of(source.dtype) != 1 || !narrow) return {std::nullopt, "the operands do not fit 8 bits"};
  if (!cpu.int8_dot_product && !forced && residual_share(w) > kMaxResidualShare)
    return {std::nullopt, "too many pairs of weights would saturate"};
  // The kernels accumulate the source as u8 and take the zero point's share away at the end, so both must fit.
  return {chunk_channels(w, {{0, 255}, centred}, kExactInFloat), "the products of a few channels already exceed 2^24"};
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
    case dnnl::cpu_isa::avx512_core: return {false};
    default: return {true};
  }
}

bool SourceRange::is_integer() const {
  return dtype == ir::DType::u8 || dtype == ir::DType::s8 || dtype == ir::DType::u16 || dtype == ir::DType::s16;
}

std::vector<PathChoice> exact_paths(const LinearWeights& weights, const SourceRange& source, const CpuTraits& cpu,
                                    std::optional<ComputePath> forced) {
  std::vector<PathChoice> choices;
  for (const ComputePath path : {ComputePath::int8, ComputePath::f32, ComputePath::f64}) {
    if (forced && path != *forced) continue;
    const Verdict verdict = judge(path, weights, source, cpu, forced.has_value());
    if (verdict.channels) {
      const std::int64_t channels = std::max<std::int64_t>(*verdict.channels, 1);
      choices.push_back({path, channels, std::max<std::int64_t>((weights.in_channels + channels - 1) / channels, 1)});
    } else if (forced) {
      fail(ErrorKind::invalid_argument, "path ", name(path), " would not be exact: ", verdict.obstacle);
    }
  }
  return choices;
}

std::vector<Residual> split_saturating_pairs(LinearWeights& w) {
  std::vector<Residual> residuals;
  for (std::int64_t oc = 0; oc < w.out_channels; ++oc) {
    for (std::int64_t ic = 0; ic + 1 < w.in_channels; ic += 2) {
      for (std::int64_t tap = 0; tap < w.taps; ++tap) {
        std::int32_t& first = w.integers[static_cast<std::size_t>(oc * w.per_channel() + ic * w.taps + tap)];
        std::int32_t& second = w.integers[static_cast<std::size_t>(oc * w.per_channel() + (ic + 1) * w.taps + tap)];
        if ((first < 0) != (second < 0)) continue;  // of opposite signs: never further than one product alone
        const std::int32_t excess = std::abs(first + second) - kPairLimit;
        if (excess <= 0) continue;
        const bool take_first = std::abs(first) > std::abs(second);
        std::int32_t& larger = take_first ? first : second;
        const std::int32_t value = larger < 0 ? -excess : excess;
        larger -= value;
        residuals.push_back({static_cast<std::int32_t>(oc), static_cast<std::int32_t>(take_first ? ic : ic + 1),
                             static_cast<std::int32_t>(tap), value});
      }
    }
  }
  return residuals;
}

}  // namespace vaip::kernels
