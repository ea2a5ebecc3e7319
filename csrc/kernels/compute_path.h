// How the accumulators of a convolution or matrix product are computed. Those of integers are exact on every path; the
// paths differ in speed and in what they need to be exact. Those of bfloat16, whose products float holds exactly, are
// sums in float32. The choice is a pure function of weights, source range and CPU, so tests can make any.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "ir/dtype.h"
#include "kernels/weight_bounds.h"

namespace vaip::kernels {

enum class ComputePath : std::uint8_t {  // fastest first
  int8,                                  // oneDNN, u8 x s8 -> s32
  int16,                                 // our own tiles, s16 x s16 -> s32, or with weights of 8 bits any sum
  bf16,                                  // oneDNN, bf16 x bf16 -> f32
  f32,  // oneDNN on operands as floats: centred integers, exact while no partial sum exceeds 2^24; bfloat16
  f64,  // our own loops in double: exact while no partial sum exceeds 2^53; any type, any rank
};
std::string_view name(ComputePath path);

struct CpuTraits {
  // Has an instruction that sums u8 x s8 products into 32 bits (VNNI). Without it oneDNN sums pairs of products in 16
  // bits, which saturate.
  bool int8_dot_product = false;
  // Has an instruction that sums s16 x s16 products into 32 bits (AVX2).
  bool int16_dot_product = false;
  // Has instructions that sum bf16 x bf16 products into floats (AVX512_BF16, AMX). oneDNN has no bf16 path without.
  bool bf16_dot_product = false;
};
CpuTraits host_cpu();

// What the weights are multiplied with.
struct SourceRange {
  ir::DType dtype = ir::DType::undefined;
  std::int64_t zero_point = 0;
  bool is_integer() const;  // of at most 16 bits
  bool is_bf16() const { return dtype == ir::DType::bf16; }
  Range centred() const { return {ir::lowest(dtype) - zero_point, ir::highest(dtype) - zero_point}; }
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

// The fastest path that is right for these operands, not faster than `from`; f64 always is.
// bounds: of the weights; not read where these are real numbers.
PathChoice choose_path(const LinearWeights& weights, const WeightBounds& bounds, const SourceRange& source,
                       const CpuTraits& cpu, ComputePath from = ComputePath::int8);

// That path; throws Error(invalid_argument) when it would not be exact or is not for these operands.
PathChoice require_path(ComputePath path, const LinearWeights& weights, const WeightBounds& bounds,
                        const SourceRange& source, const CpuTraits& cpu);

}  // namespace vaip::kernels
