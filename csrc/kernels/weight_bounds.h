// How large sums of products with constant weights can get, from as few passes over the weights as possible: a session
// loads as fast as these are read.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/linear_weights.h"

namespace vaip::kernels {

// Input channels per block of sums; oneDNN's blocks of input channels are multiples of it.
inline constexpr std::int64_t kChannelBlock = 8;

// What the source may hold.
struct Range {
  std::int64_t low, high;
  std::int64_t largest_magnitude() const { return std::max(-low, high); }
};

// The sums of some weights' positive and of their negative elements.
struct SignedSums {
  std::int64_t positive = 0, negative = 0;

  std::int64_t total() const { return positive + negative; }
  void add(const SignedSums& other);
  // The furthest from zero that any partial sum of products with source elements can get, in whatever order it is
  // formed: positive and negative products each sum to no more.
  std::int64_t largest_product_sum(const Range& source) const;
};

struct WeightBounds {
  std::vector<SignedSums> channels;  // per output channel
  std::int32_t lowest = 0, highest = 0;

  bool fit_8_bits() const { return lowest >= -128 && highest <= 127; }
  std::int64_t largest_accumulator(const Range& source) const;
};

// For integer weights.
WeightBounds bounds_of(const LinearWeights& weights);

// Per output channel, the sums of each block of kChannelBlock input channels; the last block may be shorter.
std::vector<SignedSums> block_sums(const LinearWeights& weights);

// Where the int8 dot product is missing, two products of u8 and s8 share a signed 16-bit lane, in which they saturate.
// A pair is two adjacent input channels. For weights of 8 bits.
std::int64_t count_saturating_pairs(const LinearWeights& weights);

// The part of the weights that would let a pair of products saturate 16 bits. What is left in `weights` (of which the
// residuals are taken away) cannot. Ordered by output channel, input channel and tap.
struct Residual {
  std::int32_t out_channel, in_channel, tap, value;  // in_channel within the group
};
std::vector<Residual> split_saturating_pairs(LinearWeights& weights);

}  // namespace vaip::kernels
