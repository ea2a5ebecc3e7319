// The geometry of a convolution, and the layers that are one: Conv itself, and MatMul/Gemm with constant weights, which
// is a pointwise convolution over its rows.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/graph.h"
#include "kernels/operand.h"

namespace vaip::kernels {

// Source and destination are dense and channels last: [batch][spatial...][channels].
struct ConvProblem {
  std::int64_t batch = 1, groups = 1;
  std::int64_t in_channels = 0, out_channels = 0;  // of all groups
  ir::Shape input, output;                         // spatial dimensions
  ir::Shape kernel, strides, dilations;            // one entry per spatial dimension
  ir::Shape pads_begin, pads_end;

  std::size_t spatial_rank() const { return input.size(); }
  std::int64_t input_pixels() const { return batch * ir::element_count(input); }
  std::int64_t output_pixels() const { return batch * ir::element_count(output); }
};

// Every window is one pixel and every pixel a window.
bool is_pointwise(const ConvProblem& problem);

// Batch and space of pointwise problems folded into one dimension, which oneDNN runs fastest; others as they are.
ConvProblem fold_pointwise(const ConvProblem& problem);

ConvProblem conv_problem(const ir::ConvAttrs& attrs, const Operand& x, const Operand& w, const Operand& y);

// Offsets, in pixels from the start of the batch item, of the input pixel under each tap of the window at an output
// pixel.
class WindowCursor {
 public:
  WindowCursor(const ConvProblem& problem, std::int64_t output_pixel);
  std::int64_t batch() const { return batch_; }
  bool is_inside() const { return is_inside_; }  // no tap lies in the padding
  // The input pixel under `tap` (row-major over the kernel), counted over the whole batch; -1 in the padding.
  std::int64_t input_pixel(std::int64_t tap) const;

 private:
  static constexpr std::size_t kMaxSpatialRank = 10;
  const ConvProblem& problem_;
  std::int64_t batch_;
  std::int64_t origin_[kMaxSpatialRank];
  bool is_inside_ = true;
};

// The input pixels under windows, without divisions for those that lie inside the input.
class WindowTaps {
 public:
  static constexpr std::int64_t kMost = 64;  // at a time

  explicit WindowTaps(const ConvProblem& problem);
  std::int64_t count() const { return static_cast<std::int64_t>(offsets_.size()); }
  // Writes the pixels under taps [first, first + kMost) but for those in the padding; returns their number.
  std::int64_t find(const WindowCursor& window, std::int64_t first, std::int64_t* pixels) const;

 private:
  std::vector<std::int64_t> offsets_;  // from the first tap's pixel
};

}  // namespace vaip::kernels
