// Resize: nearest as a gather, linear as a sum over the corners of the cell around each sampling point.
#include <algorithm>

#include "base/error.h"
#include "kernels/gather.h"
#include "kernels/layers.h"
#include "kernels/parallel.h"
#include "kernels/real_block.h"
#include "kernels/resize_coordinates.h"

namespace vaip::kernels {
namespace {

using Attrs = ir::ResizeAttrs;

// The scale of every axis; 1 for those that are not resized.
std::vector<ResizeScale> axis_scales(const Attrs& attrs, const Operand& x, const Operand& y) {
  const auto rank = static_cast<std::size_t>(x.rank());
  std::vector<ResizeScale> scales(rank);
  const std::size_t given = attrs.sizes.empty() ? attrs.scales.size() : attrs.sizes.size();
  if (given != (attrs.axes.empty() ? rank : attrs.axes.size()) || y.rank() != x.rank())
    fail(ErrorKind::invalid_model, given, " scales or sizes for an input ", ir::to_string(x.shape));
  for (std::size_t i = 0; i < given; ++i) {
    const std::int64_t axis = attrs.axes.empty() ? static_cast<std::int64_t>(i) : attrs.axes[i];
    const auto d = static_cast<std::size_t>(axis < 0 ? axis + x.rank() : axis);
    if (y.shape[d] != 0)
      scales[d] = attrs.sizes.empty() ? scale_of(attrs.scales[i]) : scale_of_sizes(x.shape[d], y.shape[d]);
  }
  return scales;
}

// Axes that keep their size and scale 1 are copied in every coordinate mode.
bool is_resized(const ResizeScale& scale, std::int64_t in, std::int64_t out) {
  return scale.numerator != scale.denominator || in != out;
}

// n-linear interpolation. Of integers it is exact up to the division by the coordinates' common denominator, so that a
// result on the boundary between two quantized values is found to be there.
class LinearResize : public Kernel {
 public:
  LinearResize(const Attrs& attrs, const std::vector<ResizeScale>& scales, const Operand& x, const Operand& y)
      : dtype_(x.dtype), affine_(x.affine()), quantizer_(make_quantizer(y)) {
    // Rows run along the axis that is contiguous in the output, if that one is copied.
    std::size_t inner = x.shape.size();
    for (std::size_t d = 0; d < x.shape.size(); ++d) {
      const bool resized = is_resized(scales[d], x.shape[d], y.shape[d]);
      if (y.strides[d] == 1 && !resized && y.shape[d] > 1) inner = d;
    }
    for (std::size_t d = 0; d < x.shape.size(); ++d) {
      if (d == inner) {
        row_ = y.shape[d];
        row_x_stride_ = x.strides[d];
        continue;
      }
      if (is_resized(scales[d], x.shape[d], y.shape[d]))
        axes_.push_back(make_axis(resize_coordinates(attrs.coordinates, scales[d], x.shape[d], y.shape[d]), x, y, d));
      else
        axes_.push_back(make_axis(copied(y.shape[d]), x, y, d));
      rows_ *= axes_.back().size;
    }
    choose_denominator();
    if (axes_.size() > kMaxAxes) fail(ErrorKind::unsupported, "linear resizing of rank ", x.rank());
  }

  void execute(const ExecutionContext& context) const override {
    parallel_for(rows_, row_ * 4, [&](std::int64_t begin, std::int64_t end, int) {
      double sums[kBlock], corner[kBlock];
      for (std::int64_t row = begin; row < end; ++row) {
        const Sample* samples[kMaxAxes];
        std::int64_t rest = row, to = 0;
        for (std::size_t a = axes_.size(); a-- > 0;) {
          const std::int64_t index = rest % axes_[a].size;
          rest /= axes_[a].size;
          samples[a] = &axes_[a].samples[static_cast<std::size_t>(index)];
          to += index * axes_[a].stride;
        }
        for (std::int64_t first = 0; first < row_; first += kBlock) {
          const std::int64_t count = std::min(kBlock, row_ - first);
          std::fill_n(sums, count, 0.0);
          add_corners(context.inputs[0], samples, 0, first * row_x_stride_, 1.0, count, corner, sums);
          for (std::int64_t i = 0; i < count; ++i) sums[i] = sums[i] * affine_.scale / denominator_;
          store_real(quantizer_, sums, context.outputs[0], to + first, 1, count);
        }
      }
    });
  }

 private:
  static constexpr std::size_t kMaxAxes = 12;
  struct Sample {
    std::int64_t low, high;  // offsets into the input
    double low_weight, high_weight;
  };
  struct Axis {
    std::int64_t size, stride;  // of the output
    std::int64_t denominator;   // of the weights
    std::vector<Sample> samples;
  };

  static ResizeCoordinates copied(std::int64_t size) {
    ResizeCoordinates all;
    for (std::int64_t i = 0; i < size; ++i) all.numerators.push_back(i);
    return all;
  }

  static Axis make_axis(const ResizeCoordinates& at, const Operand& x, const Operand& y, std::size_t d) {
    Axis axis{y.shape[d], y.strides[d], at.denominator, {}};
    const std::int64_t last = x.shape[d] - 1;
    for (const std::int64_t numerator : at.numerators) {
      const std::int64_t within = std::clamp<std::int64_t>(numerator, 0, last * at.denominator);
      const std::int64_t low = within / at.denominator, weight = within % at.denominator;
      axis.samples.push_back({low * x.strides[d], std::min(low + 1, last) * x.strides[d],
                              static_cast<double>(at.denominator - weight), static_cast<double>(weight)});
    }
    return axis;
  }

  // The weights stay integers while sums of weighted elements do, in double; else they become fractions.
  void choose_denominator() {
    constexpr double kMostWeight = 9007199254740992.0 / 65536.0;  // 2^53 over what an integer element of 16 bits holds
    double product = 1.0;
    for (const Axis& axis : axes_) product *= static_cast<double>(axis.denominator);
    if (ir::is_integer(dtype_) && product <= kMostWeight) {
      denominator_ = product;
      return;
    }
    for (Axis& axis : axes_)
      for (Sample& sample : axis.samples) {
        sample.high_weight /= static_cast<double>(axis.denominator);
        sample.low_weight = 1.0 - sample.high_weight;
      }
  }

  void add_corners(const void* x, const Sample* const* samples, std::size_t axis, std::int64_t offset, double weight,
                   std::int64_t count, double* corner, double* sums) const {
    if (axis == axes_.size()) {
      load_real(dtype_, x, offset, row_x_stride_, count, {1.0, affine_.zero_point}, corner);
      for (std::int64_t i = 0; i < count; ++i) sums[i] += weight * corner[i];
      return;
    }
    const Sample& sample = *samples[axis];
    add_corners(x, samples, axis + 1, offset + sample.low, weight * sample.low_weight, count, corner, sums);
    if (sample.high_weight != 0.0)
      add_corners(x, samples, axis + 1, offset + sample.high, weight * sample.high_weight, count, corner, sums);
  }

  ir::DType dtype_;
  Affine affine_;
  Quantizer quantizer_;
  std::vector<Axis> axes_;    // all but that of the rows
  double denominator_ = 1.0;  // of the weights, all axes together
  std::int64_t row_ = 1, row_x_stride_ = 1, rows_ = 1;
};

}  // namespace

std::unique_ptr<Kernel> make_resize(const Attrs& attrs, const LayerOperands& operands) {
  const Operand &x = operands.inputs[0], &y = operands.outputs[0];
  const std::vector<ResizeScale> scales = axis_scales(attrs, x, y);
  if (x.count() == 0) fail(ErrorKind::invalid_model, "nothing to resize in an input ", ir::to_string(x.shape));
  if (attrs.mode == Attrs::Mode::linear) return std::make_unique<LinearResize>(attrs, scales, x, y);
  std::vector<std::vector<std::int64_t>> positions(scales.size());
  for (std::size_t d = 0; d < scales.size(); ++d) {
    if (!is_resized(scales[d], x.shape[d], y.shape[d])) continue;
    const ResizeCoordinates at = resize_coordinates(attrs.coordinates, scales[d], x.shape[d], y.shape[d]);
    for (const std::int64_t numerator : at.numerators) {
      const std::int64_t nearest = round_coordinate(attrs.nearest, numerator, at.denominator);
      positions[d].push_back(std::clamp<std::int64_t>(nearest, 0, x.shape[d] - 1));
    }
  }
  return make_axis_gather(x, y, std::move(positions));
}

}  // namespace vaip::kernels
