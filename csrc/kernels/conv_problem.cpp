#include "kernels/conv_problem.h"

#include <algorithm>

#include "base/error.h"

namespace vaip::kernels {
namespace {

bool all_equal(const ir::Shape& values, std::int64_t expected) {
  return std::all_of(values.begin(), values.end(), [expected](std::int64_t v) { return v == expected; });
}

ir::Shape or_ones(const ir::Shape& given, std::size_t rank) { return given.empty() ? ir::Shape(rank, 1) : given; }

// Subtracts zero points and notes scales, where the parameters are per tensor or per output channel and the values
// narrow; else applies them, which leaves real numbers. `channel_of` gives the output channel of the i-th element,
// `place` its position among the weights.
template <typename ChannelOf, typename Place>
void fill(LinearWeights& weights, const Operand& w, std::size_t channel_axis, const ChannelOf& channel_of,
          const Place& place) {
  const std::size_t count = static_cast<std::size_t>(w.count());
  const auto channels = static_cast<std::size_t>(weights.out_channels);
  weights.scale.assign(channels, 1.0);
  const bool narrow = ir::is_integer(w.dtype) && ir::size_of(w.dtype) <= 2;
  const bool along_channels =
      w.per_tensor() || (static_cast<std::size_t>(w.quant->axis) == channel_axis && w.quant->scale.size() == channels);
  if (!narrow || !along_channels) {
    const std::vector<double> real = real_values(w);
    weights.real.resize(count);
    for (std::size_t i = 0; i < count; ++i) weights.real[place(i)] = real[i];
    return;
  }
  const std::vector<std::int32_t> stored = stored_integers(w);
  weights.integers.resize(count);
  const auto entry = [&](std::size_t channel) { return w.per_tensor() ? 0 : channel; };
  for (std::size_t i = 0; i < count; ++i) {
    const std::int32_t zero_point = w.quant ? w.quant->zero_point[entry(channel_of(i))] : 0;
    weights.integers[place(i)] = stored[i] - zero_point;
  }
  if (w.quant)
    for (std::size_t c = 0; c < channels; ++c) weights.scale[c] = static_cast<double>(w.quant->scale[entry(c)]);
}

}  // namespace

ConvProblem fold_pointwise(const ConvProblem& p) {
  const bool pointwise =
      all_equal(p.kernel, 1) && all_equal(p.strides, 1) && all_equal(p.pads_begin, 0) && all_equal(p.pads_end, 0);
  if (!pointwise) return p;
  ConvProblem folded = p;
  folded.batch = 1;
  folded.input = folded.output = {p.output_pixels()};
  folded.kernel = folded.strides = folded.dilations = {1};
  folded.pads_begin = folded.pads_end = {0};
  return folded;
}

ConvProblem conv_problem(const ir::ConvAttrs& attrs, const Operand& x, const Operand& w, const Operand& y) {
  ConvProblem p;
  p.batch = x.shape[0];
  p.groups = attrs.groups;
  p.in_channels = x.shape[1];
  p.out_channels = y.shape[1];
  p.input.assign(x.shape.begin() + 2, x.shape.end());
  p.output.assign(y.shape.begin() + 2, y.shape.end());
  p.kernel.assign(w.shape.begin() + 2, w.shape.end());
  const std::size_t rank = p.input.size();
  p.strides = or_ones(attrs.strides, rank);
  p.dilations = or_ones(attrs.dilations, rank);
  const ir::Shape pads = ir::explicit_pads(p.input, p.kernel, p.strides, p.dilations, attrs.pads, attrs.auto_pad);
  p.pads_begin.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(rank));
  p.pads_end.assign(pads.begin() + static_cast<std::ptrdiff_t>(rank), pads.end());
  return p;
}

LinearWeights conv_weights(const ir::ConvAttrs& attrs, const Operand& w) {
  LinearWeights weights;
  weights.out_channels = w.shape[0];
  weights.in_channels = w.shape[1];
  weights.taps = ir::element_count(ir::Shape(w.shape.begin() + 2, w.shape.end()));
  weights.groups = attrs.groups;
  const auto per_channel = static_cast<std::size_t>(weights.per_channel());
  fill(weights, w, 0, [per_channel](std::size_t i) { return i / per_channel; }, [](std::size_t i) { return i; });
  return weights;
}

LinearWeights matmul_weights(const Operand& b, bool transposed) {
  LinearWeights weights;
  const auto rows = static_cast<std::size_t>(b.shape[0]), columns = static_cast<std::size_t>(b.shape[1]);
  weights.out_channels = b.shape[transposed ? 0 : 1];
  weights.in_channels = b.shape[transposed ? 1 : 0];
  if (transposed)
    fill(weights, b, 0, [columns](std::size_t i) { return i / columns; }, [](std::size_t i) { return i; });
  else
    fill(
        weights, b, 1, [columns](std::size_t i) { return i % columns; },
        [rows, columns](std::size_t i) { return i % columns * rows + i / columns; });
  return weights;
}

WindowCursor::WindowCursor(const ConvProblem& problem, std::int64_t output_pixel) : problem_(problem) {
  for (std::size_t d = problem.spatial_rank(); d-- > 0;) {
    origin_[d] = output_pixel % problem.output[d] * problem.strides[d] - problem.pads_begin[d];
    output_pixel /= problem.output[d];
  }
  batch_ = output_pixel;
}

std::int64_t WindowCursor::input_pixel(std::int64_t tap) const {
  std::int64_t pixel = 0, step = 1;
  for (std::size_t d = problem_.spatial_rank(); d-- > 0;) {
    const std::int64_t at = origin_[d] + tap % problem_.kernel[d] * problem_.dilations[d];
    if (at < 0 || at >= problem_.input[d]) return -1;
    tap /= problem_.kernel[d];
    pixel += at * step;
    step *= problem_.input[d];
  }
  return batch_ * step + pixel;
}

}  // namespace vaip::kernels
