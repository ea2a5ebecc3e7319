// The products of a convolution whose weights were taken out of the others, because a pair of these would saturate the
// 16 bits in which oneDNN adds pairs on CPUs without an int8 dot product (weight_bounds.h). There are few, strewn over
// all channels: they are kept as cells of 8 output channels by 2 adjacent input channels, those that have any.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/span.h"
#include "kernels/compute_path.h"
#include "kernels/conv_problem.h"
#include "kernels/linear_weights.h"
#include "kernels/weight_bounds.h"

namespace vaip {
class ArchiveReader;
class ArchiveWriter;
}  // namespace vaip

namespace vaip::kernels {

class ResidualProduct {
 public:
  ResidualProduct() = default;
  ResidualProduct(ResidualProduct&&) = default;
  ResidualProduct& operator=(ResidualProduct&&) = default;
  // residuals: of `weights`. problem: of the source as oneDNN is given it, whose padding holds zeros.
  ResidualProduct(const ConvProblem& problem, const LinearWeights& weights, const std::vector<Residual>& residuals,
                  const CpuTraits& cpu);

  // As stored: what is left of it does not depend on the weights.
  ResidualProduct(const ConvProblem& problem, const CpuTraits& cpu, ArchiveReader& from);
  void store(ArchiveWriter& to) const;

  bool empty() const { return residuals_ == 0; }
  std::size_t residual_count() const { return residuals_; }
  std::size_t packed_bytes() const;
  std::size_t scratch_bytes() const;
  // acc: [output pixels][output channels].
  void add(const std::uint8_t* x, std::byte* scratch, std::int32_t* acc) const;

 private:
  static constexpr std::int64_t kLanes = 8;   // output channels of a cell
  static constexpr std::int64_t kPixels = 8;  // that are worked on at once
  struct alignas(32) Cell {
    std::int16_t weights[2 * kLanes] = {};  // [output channel][input channel]
  };
  struct Place {
    std::int32_t tap, in_channel;  // the first of the two, over all groups
  };
  static constexpr std::size_t kMaxRank = 3;  // of the int8 path
  struct Tap {
    std::int64_t index = 0, offset = 0;          // offset: in the source, from the window's origin
    std::array<std::int64_t, kMaxRank> steps{};  // in pixels, along each dimension
  };
  using Pixels = const std::int16_t* const*;  // under each tap, of kPixels pixels

  bool is_consistent() const;  // the cells fit the problem
  void add_taps();             // that any cell is of
  void add_block(std::size_t block, Pixels pixels, std::int64_t count, std::int32_t* acc) const;
  void add_tap(std::int64_t index);
  // Points to what is under each tap of the window at an output pixel, the p-th of those that are worked on.
  void point_to(std::int64_t output_pixel, std::int64_t p, const std::int16_t* source, const std::int16_t* padding,
                const std::int16_t** pixels) const;

  ConvProblem problem_;
  std::size_t residuals_ = 0;
  bool dot_product_ = false;  // the CPU has one of 16 bits
  int threads_ = 1;           // of the team for which it was made
  std::int64_t tap_count_ = 0;
  std::vector<Tap> taps_;                          // that any cell is of
  std::array<std::int64_t, kMaxRank> furthest_{};  // of their steps
  std::vector<std::size_t> first_cell_;            // of each block of output channels, and the end
  std::vector<Cell> own_cells_;                    // of which these are all, unless they are an archive's
  std::vector<Place> own_places_;
  Span<const Cell> cells_;
  Span<const Place> places_;
};

}  // namespace vaip::kernels
