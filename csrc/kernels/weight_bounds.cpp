#include "kernels/weight_bounds.h"

#include <algorithm>
#include <cstdlib>

#include "kernels/multiversion.h"

namespace vaip::kernels {
namespace {

// 255 * 128 = 32640 is the largest multiple of 255 that a signed 16-bit lane holds, either sign.
constexpr int kPairLimit = 128;

// Elements whose sums, of 16-bit values, surely fit 32 bits.
constexpr std::int64_t kSumSegment = 1 << 15;

// Elements whose saturating pairs a 16-bit counter surely counts; few enough to look at one by one where there are any.
constexpr std::int64_t kPairSegment = 64;

struct RowBounds {
  SignedSums sums;
  std::int32_t lowest = 0, highest = 0;
};

VAIP_MULTIVERSION RowBounds segment_bounds(const std::int16_t* weights, std::int64_t count) {
  std::int32_t positive = 0, total = 0;
  std::int16_t lowest = 0, highest = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int16_t w = weights[i];
    positive += w > 0 ? w : 0;
    total += w;
    lowest = w < lowest ? w : lowest;
    highest = w > highest ? w : highest;
  }
  return {{positive, std::int64_t{total} - positive}, lowest, highest};
}

// Pairs whose products may saturate, among `count` pairs of an element and the one `distance` behind it: those whose
// sum is not within the limit, either way. (Weights of opposite signs reach no further than the limit, since neither of
// them alone does.) All in 16 bits without a sign, which is what compilers turn into vectors.
VAIP_MULTIVERSION std::int64_t count_pairs(const std::int16_t* weights, std::int64_t distance,
                                           const std::uint16_t* first_of_pair, std::int64_t count) {
  std::uint16_t found = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto shifted = static_cast<std::uint16_t>(weights[i] + weights[i + distance] + kPairLimit);
    found = static_cast<std::uint16_t>(found + ((shifted > 2 * kPairLimit) & first_of_pair[i]));
  }
  return found;
}

// A channel's elements that are the first of a pair: 1, the others 0. The element behind is `taps` further.
std::vector<std::uint16_t> mark_first_of_pair(const LinearWeights& w) {
  std::vector<std::uint16_t> mask(static_cast<std::size_t>(w.in_channels > 1 ? w.per_channel() - w.taps : 0));
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = i / static_cast<std::size_t>(w.taps) % 2 == 0 ? 1 : 0;
  return mask;
}

// Calls visit(output channel, first element within it, elements, saturating pairs that begin there) for each segment of
// the weights that has any.
template <typename Visit>
void for_each_saturating_segment(const LinearWeights& w, const std::vector<std::uint16_t>& mask, const Visit& visit) {
  const auto length = static_cast<std::int64_t>(mask.size());
  for (std::int64_t oc = 0; oc < w.out_channels; ++oc) {
    const std::int16_t* row = w.integers.data() + oc * w.per_channel();
    for (std::int64_t begin = 0; begin < length; begin += kPairSegment) {
      const std::int64_t count = std::min(kPairSegment, length - begin);
      const std::int64_t found = count_pairs(row + begin, w.taps, mask.data() + begin, count);
      if (found > 0) visit(oc, begin, count, found);
    }
  }
}

}  // namespace

void SignedSums::add(const SignedSums& other) {
  positive += other.positive;
  negative += other.negative;
}

std::int64_t SignedSums::largest_product_sum(const Range& source) const {
  const std::int64_t top = std::max<std::int64_t>(source.high, 0), bottom = std::min<std::int64_t>(source.low, 0);
  return std::max(positive * top + negative * bottom, -(positive * bottom + negative * top));
}

std::int64_t WeightBounds::largest_accumulator(const Range& source) const {
  std::int64_t largest = 0;
  for (const SignedSums& sums : channels) largest = std::max(largest, sums.largest_product_sum(source));
  return largest;
}

WeightBounds bounds_of(const LinearWeights& w) {
  WeightBounds bounds;
  if (!w.are_integers()) return bounds;
  bounds.channels.resize(static_cast<std::size_t>(w.out_channels));
  for (std::int64_t oc = 0; oc < w.out_channels; ++oc) {
    const std::int16_t* row = w.integers.data() + oc * w.per_channel();
    for (std::int64_t begin = 0; begin < w.per_channel(); begin += kSumSegment) {
      const RowBounds part = segment_bounds(row + begin, std::min(kSumSegment, w.per_channel() - begin));
      bounds.channels[static_cast<std::size_t>(oc)].add(part.sums);
      bounds.lowest = std::min(bounds.lowest, part.lowest);
      bounds.highest = std::max(bounds.highest, part.highest);
    }
  }
  return bounds;
}

std::vector<SignedSums> block_sums(const LinearWeights& w) {
  std::vector<SignedSums> sums;
  sums.reserve(static_cast<std::size_t>(w.out_channels * ((w.in_channels + kChannelBlock - 1) / kChannelBlock)));
  for (std::int64_t oc = 0; oc < w.out_channels; ++oc) {
    for (std::int64_t ic = 0; ic < w.in_channels; ic += kChannelBlock) {
      const std::int16_t* block = w.integers.data() + oc * w.per_channel() + ic * w.taps;
      const std::int64_t count = std::min(kChannelBlock, w.in_channels - ic) * w.taps;
      SignedSums& sum = sums.emplace_back();
      for (std::int64_t begin = 0; begin < count; begin += kSumSegment)
        sum.add(segment_bounds(block + begin, std::min(kSumSegment, count - begin)).sums);
    }
  }
  return sums;
}

std::int64_t count_saturating_pairs(const LinearWeights& w) {
  std::int64_t pairs = 0;
  for_each_saturating_segment(w, mark_first_of_pair(w), [&](auto, auto, auto, std::int64_t found) { pairs += found; });
  return pairs;
}

std::vector<Residual> split_saturating_pairs(LinearWeights& w) {
  std::vector<Residual> residuals;
  const std::vector<std::uint16_t> mask = mark_first_of_pair(w);
  for_each_saturating_segment(w, mask, [&](std::int64_t oc, std::int64_t begin, std::int64_t count, std::int64_t) {
    std::int16_t* row = w.integers.data() + oc * w.per_channel();
    for (std::int64_t i = begin; i < begin + count; ++i) {
      std::int16_t &first = row[i], &second = row[i + w.taps];
      const int excess = std::abs(first + second) - kPairLimit;
      if (excess <= 0 || mask[static_cast<std::size_t>(i)] == 0) continue;
      const bool take_first = std::abs(first) > std::abs(second);
      std::int16_t& larger = take_first ? first : second;
      const int value = larger < 0 ? -excess : excess;
      larger = static_cast<std::int16_t>(larger - value);
      residuals.push_back({static_cast<std::int32_t>(oc), static_cast<std::int32_t>(i / w.taps + (take_first ? 0 : 1)),
                           static_cast<std::int32_t>(i % w.taps), value});
    }
  });
  return residuals;
}

}  // namespace vaip::kernels
