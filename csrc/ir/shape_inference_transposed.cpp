// Shapes and pads of transposed convolutions.
#include <algorithm>

#include "ir/shape_inference.h"

namespace vaip::ir {
namespace {

using AutoPad = ConvAttrs::AutoPad;
using shape_inference::entry_or;

// What every input pixel along dimension i writes to, without pads.
std::int64_t full_size(const ConvTransposeAttrs& attrs, std::size_t i, std::int64_t size, std::int64_t taps) {
  return entry_or(attrs.strides, i, 1) * (size - 1) + entry_or(attrs.output_padding, i, 0) +
         (taps - 1) * entry_or(attrs.dilations, i, 1) + 1;
}

bool is_same(AutoPad auto_pad) { return auto_pad == AutoPad::same_upper || auto_pad == AutoPad::same_lower; }

std::int64_t output_size(const ConvTransposeAttrs& attrs, std::size_t i, std::size_t rank, std::int64_t size,
                         std::int64_t taps) {
  if (!attrs.output_shape.empty()) return attrs.output_shape[i];
  if (is_same(attrs.auto_pad)) return size * entry_or(attrs.strides, i, 1);
  const bool padded = attrs.auto_pad == AutoPad::notset;
  const std::int64_t pads = padded ? entry_or(attrs.pads, i, 0) + entry_or(attrs.pads, rank + i, 0) : 0;
  return full_size(attrs, i, size, taps) - pads;
}

}  // namespace

Shape transposed_pads(const ConvTransposeAttrs& attrs, const Shape& spatial, const Shape& kernel) {
  const std::size_t rank = spatial.size();
  Shape pads(2 * rank, 0);
  if (attrs.output_shape.empty() && !is_same(attrs.auto_pad)) {
    return attrs.auto_pad == AutoPad::valid || attrs.pads.empty() ? pads : attrs.pads;
  }
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t size = output_size(attrs, i, rank, spatial[i], kernel[i]);
    const std::int64_t total = std::max<std::int64_t>(0, full_size(attrs, i, spatial[i], kernel[i]) - size);
    const std::int64_t half = total / 2;  // the odd one goes to the end where auto_pad says so, else to the beginning
    pads[i] = attrs.auto_pad == AutoPad::same_upper ? half : total - half;
    pads[rank + i] = total - pads[i];
  }
  return pads;
}

namespace shape_inference {

std::vector<Shape> infer(const ConvTransposeAttrs& attrs, const Inputs& in) {
  const Shape &x = in[0], &w = in[1];
  in.require(x.size() >= 3 && x.size() == w.size(), "input and weight must have the same rank of 3 or more");
  in.require(attrs.groups >= 1, "group is ", attrs.groups);
  in.require(!differ(x[1], w[0]), "the weight expects ", w[0], " input channels");
  in.require(w[0] == kDynamic || w[0] % attrs.groups == 0, w[0], " input channels do not divide into ", attrs.groups,
             " groups");
  const std::int64_t channels = w[1] == kDynamic ? kDynamic : in.multiply(w[1], attrs.groups);
  if (in.has(2)) {
    in.require(in[2].size() == 1 && !differ(in[2][0], channels), "the bias must have ", channels, " elements");
  }
  const std::size_t rank = x.size() - 2;
  in.require_window(attrs.kernel, rank, 1, "kernel_shape");
  in.require_window(attrs.strides, rank, 1, "strides");
  in.require_window(attrs.dilations, rank, 1, "dilations");
  in.require_window(attrs.pads, 2 * rank, 0, "pads");
  in.require_window(attrs.output_padding, rank, 0, "output_padding");
  in.require_window(attrs.output_shape, rank, 1, "output_shape");
  Shape out = {x[0], channels};
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t size = x[2 + i], taps = w[2 + i];
    in.require(attrs.kernel.empty() || !differ(attrs.kernel[i], taps), "kernel_shape ", to_string(attrs.kernel),
               " contradicts the weight");
    const bool known = size != kDynamic && taps != kDynamic;
    out.push_back(known ? output_size(attrs, i, rank, size, taps) : kDynamic);
    in.require(out.back() >= 1 || out.back() == kDynamic, "the pads leave nothing of dimension ", i + 2);
  }
  return {out};
}

}  // namespace shape_inference
}  // namespace vaip::ir
