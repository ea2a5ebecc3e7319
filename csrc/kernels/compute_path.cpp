#include "kernels/compute_path.h"

#include <algorithm>
#include <limits>
#include <oneapi/dnnl/dnnl.hpp>

#include "base/error.h"
#include "base/half.h"

namespace vaip::kernels {
namespace {

// Residuals come in cells of 16 weights (residual_product.h): up to this share of the weights, where one of ten cells
// has any, the int8 path is faster than the int16 one (AVX2, ResNet-50: by 14 % at 1/200, slower by 10 % at 1/125); up
// to the other, where two of three have, than the f32 path.
constexpr double kMaxResidualShare = 1.0 / 150.0, kMaxResidualShareWithoutInt16 = 1.0 / 16.0;

// oneDNN 3.2 runs f32 pointwise convolutions of more input channels at a third of its speed (AVX2: 14 instead of 48
// GMAC/s at 3072 channels), so they are cut into chunks although one would be exact.
constexpr std::int64_t kMaxPointwiseF32Channels = 1024;

// Whether every partial sum over chunks of `blocks` blocks stays within `limit`.
bool chunks_fit(const std::vector<SignedSums>& sums, std::int64_t out_channels, std::int64_t blocks,
                const Range& source, std::int64_t limit) {
  const std::int64_t per_channel = static_cast<std::int64_t>(sums.size()) / out_channels;
  for (std::int64_t oc = 0; oc < out_channels; ++oc) {
    const SignedSums* row = sums.data() + oc * per_channel;
    for (std::int64_t begin = 0; begin < per_channel; begin += blocks) {
      SignedSums chunk;
      for (std::int64_t b = begin; b < std::min(begin + blocks, per_channel); ++b) chunk.add(row[b]);
      if (chunk.largest_product_sum(source) > limit) return false;
    }
  }
  return true;
}

// The channels of the fewest equal chunks of at most `longest` whose partial sums stay within what float holds exactly;
// nullopt when not even those of the smallest do.
std::optional<std::int64_t> chunk_channels(const LinearWeights& w, const WeightBounds& bounds, const Range& source,
                                           std::int64_t longest) {
  if (w.in_channels <= longest && bounds.largest_accumulator(source) <= kExactInFloat) return w.in_channels;
  if (w.in_channels <= kChannelBlock) return std::nullopt;
  const std::vector<SignedSums> sums = block_sums(w);
  const std::int64_t total = (w.in_channels + kChannelBlock - 1) / kChannelBlock;
  for (std::int64_t chunks = 2, previous = 0; previous != 1; ++chunks) {
    const std::int64_t blocks = ((w.in_channels + chunks - 1) / chunks + kChannelBlock - 1) / kChannelBlock;
    if (blocks == previous || blocks == total || blocks * kChannelBlock > longest) continue;
    previous = blocks;
    if (chunks_fit(sums, w.out_channels, blocks, source, kExactInFloat)) return blocks * kChannelBlock;
  }
  return std::nullopt;
}

// Why `path` is not for these operands, or the chunks with which it is.
struct Verdict {
  std::optional<std::int64_t> channels;
  const char* obstacle = "";
};

bool fit_bf16(const LinearWeights& w) {
  const auto fits = [](auto v) { return static_cast<double>(BFloat16(static_cast<double>(v))) == v; };
  return std::all_of(w.integers.begin(), w.integers.end(), fits) && std::all_of(w.real.begin(), w.real.end(), fits);
}

// All channels at once: where the sum is rounded in between, fewer pieces round less.
Verdict judge_bf16(ComputePath path, const LinearWeights& w, const CpuTraits& cpu, bool forced) {
  if (path <= ComputePath::int16) return {std::nullopt, "the source is not of integers"};
  if (w.per_channel() == 0) return {std::nullopt, "there is nothing to accumulate"};
  if (path == ComputePath::f32) return {w.in_channels, ""};
  if (!cpu.bf16_dot_product && !forced) return {std::nullopt, "the CPU has no such instructions"};
  if (!fit_bf16(w)) return {std::nullopt, "the weights are not bfloat16"};
  return {w.in_channels, ""};
}

Verdict judge(ComputePath path, const LinearWeights& w, const WeightBounds& bounds, const SourceRange& source,
              const CpuTraits& cpu, bool forced) {
  if (path == ComputePath::f64) return {w.in_channels, ""};
  if (source.is_bf16()) return judge_bf16(path, w, cpu, forced);
  if (path == ComputePath::bf16) return {std::nullopt, "the source is not bfloat16"};
  if (!w.are_integers() || !source.is_integer())
    return {std::nullopt, "the operands are not integers of at most 16 bits"};
  if (w.per_channel() == 0) return {std::nullopt, "there is nothing to accumulate"};
  const Range centred = source.centred();
  const Range bytes = {0, 255};  // as the int8 path accumulates them; it takes the zero point's share away at the end
  const bool in_32_bits = std::max(bounds.largest_accumulator(centred), bounds.largest_accumulator(bytes)) <=
                          std::numeric_limits<std::int32_t>::max();
  const bool in_pieces = path == ComputePath::int16 && bounds.fit_8_bits();  // whose sums fit whatever the whole is
  if (!in_32_bits && !in_pieces) return {std::nullopt, "the accumulators exceed 32 bits"};
  if (path == ComputePath::f32) {
    const std::int64_t longest = w.taps == 1 ? kMaxPointwiseF32Channels : w.in_channels;
    return {chunk_channels(w, bounds, centred, longest), "the products of a few channels already exceed 2^24"};
  }
  if (path == ComputePath::int16) {
    constexpr Range kInt16 = {-32768, 32767};
    if (centred.low < kInt16.low || centred.high > kInt16.high)
      return {std::nullopt, "the source does not fit 16 bits without its zero point"};
    if (!cpu.int16_dot_product && !forced) return {std::nullopt, "the CPU has no such instructions"};
    return {w.in_channels, ""};
  }
  if (ir::size_of(source.dtype) != 1 || !bounds.fit_8_bits()) return {std::nullopt, "the operands do not fit 8 bits"};
  if (centred.low > 0 || centred.high < 0) return {std::nullopt, "the zero point is not of the source's type"};
  if (!cpu.int8_dot_product && !forced) {
    const double share = static_cast<double>(count_saturating_pairs(w)) / static_cast<double>(w.integers.size());
    if (share > (cpu.int16_dot_product ? kMaxResidualShare : kMaxResidualShareWithoutInt16))
      return {std::nullopt, "too many pairs of weights would saturate"};
  }
  return {chunk_channels(w, bounds, bytes, w.in_channels), "the products of a few channels already exceed 2^24"};
}

PathChoice in_chunks(ComputePath path, const LinearWeights& w, std::int64_t channels) {
  channels = std::max<std::int64_t>(channels, 1);
  return {path, channels, std::max<std::int64_t>((w.in_channels + channels - 1) / channels, 1)};
}

}  // namespace

std::string_view name(ComputePath path) {
  switch (path) {
    case ComputePath::int8:
      return "int8";
    case ComputePath::int16:
      return "int16";
    case ComputePath::bf16:
      return "bf16";
    case ComputePath::f32:
      return "f32";
    case ComputePath::f64:
      break;
  }
  return "f64";
}

CpuTraits host_cpu() {
  CpuTraits cpu;
#if defined(__x86_64__)
  cpu.int16_dot_product = __builtin_cpu_supports("avx2") != 0;
#endif
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::isa_default:
    case dnnl::cpu_isa::sse41:
    case dnnl::cpu_isa::avx:
    case dnnl::cpu_isa::avx2:
    case dnnl::cpu_isa::avx512_core:
      return cpu;
    case dnnl::cpu_isa::avx2_vnni:
    case dnnl::cpu_isa::avx512_core_vnni:
      cpu.int8_dot_product = true;
      return cpu;
    default:
      cpu.int8_dot_product = cpu.bf16_dot_product = true;
      return cpu;
  }
}

bool SourceRange::is_integer() const { return is_of_8_or_16_bits(dtype); }

PathChoice choose_path(const LinearWeights& weights, const WeightBounds& bounds, const SourceRange& source,
                       const CpuTraits& cpu, ComputePath from) {
  for (const ComputePath path : {ComputePath::int8, ComputePath::int16, ComputePath::bf16, ComputePath::f32}) {
    if (path < from) continue;
    const Verdict verdict = judge(path, weights, bounds, source, cpu, false);
    if (verdict.channels) return in_chunks(path, weights, *verdict.channels);
  }
  return in_chunks(ComputePath::f64, weights, weights.in_channels);
}

PathChoice require_path(ComputePath path, const LinearWeights& weights, const WeightBounds& bounds,
                        const SourceRange& source, const CpuTraits& cpu) {
  const Verdict verdict = judge(path, weights, bounds, source, cpu, true);
  if (!verdict.channels)
    fail(ErrorKind::invalid_argument, "path ", name(path), " would not be exact: ", verdict.obstacle);
  return in_chunks(path, weights, *verdict.channels);
}

}  // namespace vaip::kernels
