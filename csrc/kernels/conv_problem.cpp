#include "kernels/conv_problem.h"

#include <algorithm>

namespace vaip::kernels {
namespace {

bool all_equal(const ir::Shape& values, std::int64_t expected) {
  return std::all_of(values.begin(), values.end(), [expected](std::int64_t v) { return v == expected; });
}

ir::Shape or_ones(const ir::Shape& given, std::size_t rank) { return given.empty() ? ir::Shape(rank, 1) : given; }

}  // namespace

bool is_pointwise(const ConvProblem& p) {
  return all_equal(p.kernel, 1) && all_equal(p.strides, 1) && all_equal(p.pads_begin, 0) && all_equal(p.pads_end, 0);
}

ConvProblem fold_pointwise(const ConvProblem& p) {
  if (!is_pointwise(p)) return p;
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

WindowCursor::WindowCursor(const ConvProblem& problem, std::int64_t output_pixel) : problem_(problem) {
  for (std::size_t d = problem.spatial_rank(); d-- > 0;) {
    origin_[d] = output_pixel % problem.output[d] * problem.strides[d] - problem.pads_begin[d];
    output_pixel /= problem.output[d];
    const std::int64_t last = origin_[d] + (problem.kernel[d] - 1) * problem.dilations[d];
    is_inside_ = is_inside_ && origin_[d] >= 0 && last < problem.input[d];
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

WindowTaps::WindowTaps(const ConvProblem& problem) {
  for (std::int64_t tap = 0; tap < ir::element_count(problem.kernel); ++tap) {
    std::int64_t rest = tap, offset = 0, step = 1;
    for (std::size_t d = problem.spatial_rank(); d-- > 0;) {
      offset += rest % problem.kernel[d] * problem.dilations[d] * step;
      rest /= problem.kernel[d];
      step *= problem.input[d];
    }
    offsets_.push_back(offset);
  }
}

std::int64_t WindowTaps::find(const WindowCursor& window, std::int64_t first, std::int64_t* pixels) const {
  const std::int64_t end = std::min(first + kMost, count());
  std::int64_t found = 0;
  if (window.is_inside()) {
    const std::int64_t origin = window.input_pixel(0);
    for (std::int64_t tap = first; tap < end; ++tap) pixels[found++] = origin + offsets_[static_cast<std::size_t>(tap)];
    return found;
  }
  for (std::int64_t tap = first; tap < end; ++tap)
    if (const std::int64_t pixel = window.input_pixel(tap); pixel >= 0) pixels[found++] = pixel;
  return found;
}

}  // namespace vaip::kernels
