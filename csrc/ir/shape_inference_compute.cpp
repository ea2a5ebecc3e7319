// Shapes of convolutions, pooling and matrix products.
#include <algorithm>

#include "ir/shape_inference.h"

namespace vaip::ir {
namespace {

using AutoPad = ConvAttrs::AutoPad;
using shape_inference::entry_or;

}  // namespace

Shape explicit_pads(const Shape& spatial, const Shape& kernel, const Shape& strides, const Shape& dilations,
                    const Shape& pads, ConvAttrs::AutoPad auto_pad) {
  const std::size_t rank = spatial.size();
  Shape result(2 * rank, 0);
  if (auto_pad == AutoPad::valid) return result;
  if (auto_pad == AutoPad::notset) {
    if (!pads.empty() && pads.size() != 2 * rank) {
      fail(ErrorKind::invalid_model, pads.size(), " pads were given for ", rank, " spatial dimensions");
    }
    return pads.empty() ? result : pads;
  }
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t stride = entry_or(strides, i, 1);
    const std::int64_t extent = (kernel[i] - 1) * entry_or(dilations, i, 1) + 1;
    std::int64_t total = extent - stride;  // what a stride of 1 needs, whatever the size
    if (stride != 1) {
      if (spatial[i] < 0) {
        fail(ErrorKind::unsupported, "auto_pad SAME with a stride of ", stride, " needs a known spatial size, not ",
             to_string(spatial));
      }
      const std::int64_t out = (spatial[i] + stride - 1) / stride;
      total = (out - 1) * stride + extent - spatial[i];
    }
    total = std::max<std::int64_t>(total, 0);
    const std::int64_t half = total / 2;  // the odd one goes to the end (upper) or the beginning (lower)
    result[i] = auto_pad == AutoPad::same_upper ? half : total - half;
    result[rank + i] = total - result[i];
  }
  return result;
}

namespace shape_inference {
namespace {

struct Window {
  const Shape &kernel, &strides, &dilations, &pads;
  AutoPad auto_pad;
  bool ceil_mode;
};

// Output sizes of a window that slides over the dimensions of `x` from 2 on, appended to `out`.
void append_window(const Window& window, const Inputs& in, Shape& out) {
  const Shape& x = in[0];
  const std::size_t rank = x.size() - 2;
  in.require(window.kernel.size() == rank, "a window of ", window.kernel.size(), " dimensions does not fit ", rank,
             " spatial dimensions");
  in.require_window(window.kernel, rank, 1, "kernel_shape");
  in.require_window(window.strides, rank, 1, "strides");
  in.require_window(window.dilations, rank, 1, "dilations");
  in.require_window(window.pads, 2 * rank, 0, "pads");
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t size = x[2 + i], stride = entry_or(window.strides, i, 1);
    if (size == kDynamic) {
      out.push_back(kDynamic);
      continue;
    }
    if (window.auto_pad == AutoPad::same_upper || window.auto_pad == AutoPad::same_lower) {
      out.push_back((size + stride - 1) / stride);
      continue;
    }
    const bool padded = window.auto_pad == AutoPad::notset;
    const std::int64_t begin = padded ? entry_or(window.pads, i, 0) : 0,
                       end = padded ? entry_or(window.pads, rank + i, 0) : 0;
    const std::int64_t extent = (window.kernel[i] - 1) * entry_or(window.dilations, i, 1) + 1;
    const std::int64_t room = size + begin + end - extent;
    in.require(room >= 0, "the window of ", extent, " is larger than the padded input of ", size + begin + end);
    std::int64_t positions = room / stride + 1;
    if (window.ceil_mode && room % stride != 0 && positions * stride < size + begin) {
      ++positions;  // unless that window would start in the end padding
    }
    out.push_back(positions);
  }
}

// `bias`: the input that holds it.
std::vector<Shape> infer_conv(const ConvAttrs& attrs, const Inputs& in, std::size_t bias) {
  const Shape &x = in[0], &w = in[1];
  in.require(x.size() >= 3 && x.size() == w.size(), "input and weight must have the same rank of 3 or more");
  in.require(attrs.groups >= 1, "group is ", attrs.groups);
  in.require(w[0] == kDynamic || w[0] % attrs.groups == 0, w[0], " output channels do not divide into ", attrs.groups,
             " groups");
  in.require(w[1] == kDynamic || !differ(x[1], w[1] * attrs.groups), "the weight expects ", w[1] * attrs.groups,
             " input channels");
  if (in.has(bias)) {
    in.require(in[bias].size() == 1 && !differ(in[bias][0], w[0]), "the bias must have ", w[0], " elements");
  }
  const Shape weight_kernel(w.begin() + 2, w.end());
  const Shape& kernel = attrs.kernel.empty() ? weight_kernel : attrs.kernel;
  in.require(kernel.size() == weight_kernel.size(), "kernel_shape has ", kernel.size(), " entries, not ",
             weight_kernel.size());
  for (std::size_t i = 0; i < kernel.size(); ++i) {
    in.require(!differ(kernel[i], weight_kernel[i]), "kernel_shape ", to_string(kernel), " contradicts the weight");
  }
  Shape out = {x[0], w[0]};
  append_window({kernel, attrs.strides, attrs.dilations, attrs.pads, attrs.auto_pad, false}, in, out);
  return {out};
}

}  // namespace

std::vector<Shape> infer(const ConvAttrs& attrs, const Inputs& in) { return infer_conv(attrs, in, 2); }
std::vector<Shape> infer(const IntegerConvAttrs& attrs, const Inputs& in) { return infer_conv(attrs.conv, in, 4); }

std::vector<Shape> infer(const PoolAttrs& attrs, const Inputs& in) {
  const Shape& x = in[0];
  in.require(x.size() >= 3, "needs an input of rank 3 or more");
  Shape out = {x[0], x[1]};
  append_window({attrs.kernel, attrs.strides, attrs.dilations, attrs.pads, attrs.auto_pad, attrs.ceil_mode}, in, out);
  return {out};
}

namespace {

// `bias`: the input that holds it.
std::vector<Shape> infer_matmul(const MatMulAttrs& attrs, const Inputs& in, std::size_t bias) {
  Shape a = in[0], b = in[1];
  in.require(!a.empty() && !b.empty(), "operands must have at least one dimension");
  const bool vector_a = a.size() == 1, vector_b = b.size() == 1;
  if (vector_a) a.insert(a.begin(), 1);
  if (vector_b) b.push_back(1);
  if (attrs.transpose_a && !vector_a) std::swap(a[a.size() - 1], a[a.size() - 2]);
  if (attrs.transpose_b && !vector_b) std::swap(b[b.size() - 1], b[b.size() - 2]);
  in.require(!differ(a.back(), b[b.size() - 2]), "inner dimensions ", a.back(), " and ", b[b.size() - 2], " differ");
  Shape out = in.broadcast(Shape(a.begin(), a.end() - 2), Shape(b.begin(), b.end() - 2));
  if (!vector_a) out.push_back(a[a.size() - 2]);
  if (!vector_b) out.push_back(b.back());
  if (in.has(bias)) {
    const Shape with_bias = in.broadcast(out, in[bias]);
    bool unchanged = with_bias.size() == out.size();
    for (std::size_t i = 0; unchanged && i < out.size(); ++i) unchanged = !differ(with_bias[i], out[i]);
    in.require(unchanged, "the bias does not broadcast to the output ", to_string(out));
  }
  return {out};
}

}  // namespace

std::vector<Shape> infer(const MatMulAttrs& attrs, const Inputs& in) { return infer_matmul(attrs, in, 2); }
std::vector<Shape> infer(const IntegerMatMulAttrs&, const Inputs& in) { return infer_matmul({}, in, 4); }

}  // namespace shape_inference
}  // namespace vaip::ir
