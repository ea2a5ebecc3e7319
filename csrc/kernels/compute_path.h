// How the integer accumulators of a convolution or matrix product are computed. Every path is exact; they differ in
// speed and in what they need to be exact. The choice is a pure function of weights, source range and CPU, so tests can
// make any.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "ir/dtype.h"
#include "kernels/operand.h"

namespace vaip::kernels {

enum class ComputePath : std::uint8_t {  // fastest first
  int8,                                  // oneDNN, u8 x s8 -> s32
  f32,  // oneDNN on centred operands as floats: exact while no partial sum exceeds 2^24
  f64,  // our own loops in double: exact while no partial sum exceeds 2^53; any type, any rank
};
std::string_view name(ComputePath path);

struct CpuTraits {
  // Has an instruction that sums u8 x s8 products into 32 bits (VNNI). Without it oneDNN sums pairs of products in 16
  // bits, which saturate.
  bool int8_dot_product = false;
};
CpuTraits host_cpu();

// The weights of a convolution or of a matrix product, as [out_channels][in_channels of a group][taps].
struct LinearWeights {
  std::int64_t out_channels = 0, in_channels = 0, taps = 1, groups = 1;
  std::vector<std::int32_t> integers;  // zero points subtracted; empty where the weights are real numbers
  std::vector<double> real;            // or else these
  std::vector<double> scale;           // per output channel; 1 for real weights

  bool are_integers() const { return real.empty(); }
  std::int64_t per_channel() const { return in_channels * taps; }
};

// What the weights are multiplied with.
struct SourceRange {
  ir::DType dtype = ir::DType::undefined;
  std::int64_t zero_point = 0;
  bool is_integer() const;  // of at most 16 bits
  std::int64_t low() const { return ir::lowest(dtype) - zero_point; }
  std::int64_t high() const { return ir::highest(dtype) - zero_point; }
};

// Exact in float: all integers of magnitude up to 2^24. oneDNN's int8 kernels take their accumulators through float,
// too.
inline constexpr std::int64_t kExactInFloat = std::int64_t{1} << 24;

struct PathChoice {
  ComputePath path = ComputePath::f64;
  // Input channels of a group that are accumulated at once; several chunks are added as integers.
  std::int64_t chunk_channels = 0;
  std::int64_t chunks = 1;
};

// The fastest path that is exact for these operands, not faster than `from`; f64 always is.
PathChoice choose_path(const LinearWeights& weights, const SourceRange& source, const CpuTraits& cpu,
                       ComputePath from = ComputePath::int8);

// That path; throws Error(invalid_argument) when it would not be exact.
PathChoice require_path(ComputePath path, const LinearWeights& weights, const SourceRange& source,
                        const CpuTraits& cpu);

// The largest magnitude of any sum of products with source elements between low and high. For integer weights.
std::int64_t largest_accumulator(const LinearWeights& weights, std::int64_t low, std::int64_t high);

// Without int8_dot_product: the part of the weights that would let a pair of products saturate 16 bits. What is left in
// `weights` (of which the residuals are taken away) cannot. A pair is two adjacent input channels.
struct Residual {
  std::int32_t out_channel, in_channel, tap, value;  // in_channel within the group
};
std::vector<Residual> split_saturating_pairs(LinearWeights& weights);

}  // namespace vaip::kernels
