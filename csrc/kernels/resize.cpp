// Resize: nearest as a gather, linear as a sum over the corners of the cell around each sampling point.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "kernels/gather.h"
#include "kernels/layers.h"
#include "kernels/parallel.h"
#include "kernels/real_block.h"

namespace vaip::kernels {
namespace {

using Attrs = ir::ResizeAttrs;

// Where output index i of an axis samples the input, by ONNX's formulas.
double source_coordinate(Attrs::Coordinates coordinates, std::int64_t i, double scale, std::int64_t in,
                         std::int64_t out) {
  const auto x = static_cast<double>(i);
  switch (coordinates) {
    case Attrs::Coordinates::half_pixel:
      return (x + 0.5) / scale - 0.5;
    case Attrs::Coordinates::half_pixel_symmetric: {
      const double adjustment = static_cast<double>(out) / (scale * static_cast<double>(in));
      const double center = static_cast<double>(in) / 2.0;
      return center * (1.0 - adjustment) + (x + 0.5) / scale - 0.5;
    }
    case Attrs::Coordinates::pytorch_half_pixel:
      return out > 1 ? (x + 0.5) / scale - 0.5 : 0.0;
    case Attrs::Coordinates::align_corners:
      return out == 1 ? 0.0 : x * static_cast<double>(in - 1) / static_cast<double>(out - 1);
    case Attrs::Coordinates::asymmetric:
      return x / scale;
  }
  return x;
}

double round_nearest(Attrs::Nearest nearest, double x) {
  switch (nearest) {
    case Attrs::Nearest::round_prefer_floor:
      return std::ceil(x - 0.5);
    case Attrs::Nearest::round_prefer_ceil:
      return std::floor(x + 0.5);
    case Attrs::Nearest::floor:
      return std::floor(x);
    case Attrs::Nearest::ceil:
      return std::ceil(x);
  }
  return x;
}

// The scale of every axis; 1 for those that are not resized.
std::vector<double> axis_scales(const Attrs& attrs, const Operand& x, const Operand& y) {
  const auto rank = static_cast<std::size_t>(x.rank());
  std::vector<double> scales(rank, 1.0);
  const std::size_t given = attrs.sizes.empty() ? attrs.scales.size() : attrs.sizes.size();
  if (given != (attrs.axes.empty() ? rank : attrs.axes.size()) || y.rank() != x.rank())
    fail(ErrorKind::invalid_model, given, " scales or sizes for an input ", ir::to_string(x.shape));
  for (std::size_t i = 0; i < given; ++i) {
    const std::int64_t axis = attrs.axes.empty() ? static_cast<std::int64_t>(i) : attrs.axes[i];
    const auto d = static_cast<std::size_t>(axis < 0 ? axis + x.rank() : axis);
    scales[d] =
        attrs.sizes.empty() ? attrs.scales[i] : static_cast<double>(y.shape[d]) / static_cast<double>(x.shape[d]);
  }
  return scales;
}

// Axes that keep their size and scale 1 are copied in every coordinate mode.
bool is_resized(double scale, std::int64_t in, std::int64_t out) { return scale != 1.0 || in != out; }

// n-linear interpolation on stored values; their zero point comes off the sum, whose weights add up to 1.
class LinearResize : public Kernel {
 public:
  LinearResize(const Attrs& attrs, const std::vector<double>& scales, const Operand& x, const Operand& y)
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
      Axis axis{y.shape[d], y.strides[d], {}};
      for (std::int64_t i = 0; i < y.shape[d]; ++i) {
        if (!is_resized(scales[d], x.shape[d], y.shape[d])) {
          axis.samples.push_back({i * x.strides[d], i * x.strides[d], 0.0});
          continue;
        }
        const double last = static_cast<double>(x.shape[d] - 1);
        const double at =
            std::clamp(source_coordinate(attrs.coordinates, i, scales[d], x.shape[d], y.shape[d]), 0.0, last);
        const double low = std::floor(at);
        axis.samples.push_back({static_cast<std::int64_t>(low) * x.strides[d],
                                static_cast<std::int64_t>(std::min(low + 1.0, last)) * x.strides[d], at - low});
      }
      rows_ *= axis.size;
      axes_.push_back(std::move(axis));
    }
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
          for (std::int64_t i = 0; i < count; ++i) sums[i] *= affine_.scale;
          store_real(quantizer_, sums, context.outputs[0], to + first, 1, count);
        }
      }
    });
  }

 private:
  static constexpr std::size_t kMaxAxes = 12;
  struct Sample {
    std::int64_t low, high;  // offsets into the input
    double weight;           // of high
  };
  struct Axis {
    std::int64_t size, stride;  // of the output
    std::vector<Sample> samples;
  };

  void add_corners(const void* x, const Sample* const* samples, std::size_t axis, std::int64_t offset, double weight,
                   std::int64_t count, double* corner, double* sums) const {
    if (axis == axes_.size()) {
      load_real(dtype_, x, offset, row_x_stride_, count, {1.0, affine_.zero_point}, corner);
      for (std::int64_t i = 0; i < count; ++i) sums[i] += weight * corner[i];
      return;
    }
    const Sample& sample = *samples[axis];
    add_corners(x, samples, axis + 1, offset + sample.low, weight * (1.0 - sample.weight), count, corner, sums);
    if (sample.weight != 0.0)
      add_corners(x, samples, axis + 1, offset + sample.high, weight * sample.weight, count, corner, sums);
  }

  ir::DType dtype_;
  Affine affine_;
  Quantizer quantizer_;
  std::vector<Axis> axes_;  // all but that of the rows
  std::int64_t row_ = 1, row_x_stride_ = 1, rows_ = 1;
};

}  // namespace

std::unique_ptr<Kernel> make_resize(const Attrs& attrs, const LayerOperands& operands) {
  const Operand &x = operands.inputs[0], &y = operands.outputs[0];
  const std::vector<double> scales = axis_scales(attrs, x, y);
  if (x.count() == 0) fail(ErrorKind::invalid_model, "nothing to resize in an input ", ir::to_string(x.shape));
  if (attrs.mode == Attrs::Mode::linear) return std::make_unique<LinearResize>(attrs, scales, x, y);
  std::vector<std::vector<std::int64_t>> positions(scales.size());
  for (std::size_t d = 0; d < scales.size(); ++d) {
    if (!is_resized(scales[d], x.shape[d], y.shape[d])) continue;
    const auto last = static_cast<double>(x.shape[d] - 1);
    for (std::int64_t i = 0; i < y.shape[d]; ++i) {
      const double at = source_coordinate(attrs.coordinates, i, scales[d], x.shape[d], y.shape[d]);
      positions[d].push_back(static_cast<std::int64_t>(std::clamp(round_nearest(attrs.nearest, at), 0.0, last)));
    }
  }
  return make_axis_gather(x, y, std::move(positions));
}

}  // namespace vaip::kernels
