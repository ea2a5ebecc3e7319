// Shapes of layers that rearrange elements, and of Resize.
#include <algorithm>
#include <cmath>

#include "ir/shape_inference.h"

namespace vaip::ir::shape_inference {
namespace {

// Product of the input's dimensions in [first, last); kDynamic when one of them is.
std::int64_t product(const Inputs& in, std::size_t first, std::size_t last) {
  std::int64_t result = 1;
  for (std::size_t i = first; i < last; ++i) {
    if (in[0][i] == kDynamic) return kDynamic;
    result = in.multiply(result, in[0][i]);
  }
  return result;
}

Shape reshape(const ReshapeAttrs& attrs, const Inputs& in) {
  const Shape& x = in[0];
  Shape out;
  std::int64_t known_in = 1, known_out = 1, dynamic_in = 0, dynamic_out = 0;
  const auto count = [&in](std::int64_t dim, std::int64_t& known, std::int64_t& dynamic) {
    dim == kDynamic ? void(++dynamic) : void(known = in.multiply(known, dim));
  };
  for (const std::int64_t dim : x) count(dim, known_in, dynamic_in);
  std::size_t inferred = attrs.spec.size();
  bool computed = false;
  for (std::size_t i = 0; i < attrs.spec.size(); ++i) {
    std::int64_t dim = attrs.spec[i];
    if (dim == -1) {
      in.require(inferred == attrs.spec.size(), "the target shape ", to_string(attrs.spec), " has more than one -1");
      inferred = i;
      out.push_back(kDynamic);
      continue;
    }
    if (dim == kComputed) {
      computed = true;
      out.push_back(kDynamic);
      continue;
    }
    in.require(dim >= 0, "the target shape has the entry ", dim);
    if (dim == 0 && !attrs.allow_zero) {
      in.require(i < x.size(), "entry ", i, " of the target shape copies a dimension that the input does not have");
      dim = x[i];
    }
    count(dim, known_out, dynamic_out);
    out.push_back(dim);
  }
  // Dimensions that were copied cancel, known or not; with others left nothing more can be said before they are known.
  if (computed || dynamic_in != dynamic_out) return out;
  if (inferred == attrs.spec.size()) {
    in.require(known_in == known_out, "the target shape ", to_string(out), " has another number of elements");
    return out;
  }
  in.require(known_out != 0 && known_in % known_out == 0, "no dimension fits the -1 in the target shape ",
             to_string(out));
  out[inferred] = known_in / known_out;
  return out;
}

Shape squeeze(const ReshapeAttrs& attrs, const Inputs& in) {
  const Shape& x = in[0];
  if (attrs.spec.empty()) {
    if (!is_static(x)) {
      in.reject(ErrorKind::unsupported,
                "without axes, the rank of the result depends on dimensions known only at run time");
    }
    Shape out;
    std::copy_if(x.begin(), x.end(), std::back_inserter(out), [](std::int64_t dim) { return dim != 1; });
    return out;
  }
  const std::vector<std::size_t> axes = in.axes(attrs.spec, x.size());
  Shape out;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const bool dropped = std::find(axes.begin(), axes.end(), i) != axes.end();
    if (dropped) in.require(x[i] == 1 || x[i] == kDynamic, "axis ", i, " has the size ", x[i], ", not 1");
    if (!dropped) out.push_back(x[i]);
  }
  return out;
}

Shape unsqueeze(const ReshapeAttrs& attrs, const Inputs& in) {
  const std::size_t rank = in[0].size() + attrs.spec.size();
  std::vector<std::size_t> axes;
  if (!attrs.spec.empty()) axes = in.axes(attrs.spec, rank);
  Shape out;
  std::size_t next = 0;
  for (std::size_t i = 0; i < rank; ++i) {
    out.push_back(std::find(axes.begin(), axes.end(), i) != axes.end() ? 1 : in[0][next++]);
  }
  return out;
}

Shape flatten(const ReshapeAttrs& attrs, const Inputs& in) {
  const Shape& x = in[0];
  in.require(attrs.spec.size() == 1, "Flatten has one axis");
  const auto rank = static_cast<std::int64_t>(x.size());
  const std::int64_t axis = attrs.spec[0];
  in.require(axis >= -rank && axis <= rank, "axis ", axis, " is outside a tensor of rank ", rank);
  const auto cut = static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
  return {product(in, 0, cut), product(in, cut, x.size())};
}

std::int64_t sliced(std::int64_t size, std::int64_t start, std::int64_t end, std::int64_t step) {
  const auto clamped = [size](std::int64_t index, std::int64_t low, std::int64_t high) {
    return std::clamp(index < 0 ? index + size : index, low, high);
  };
  if (step > 0) {
    const std::int64_t first = clamped(start, 0, size), last = clamped(end, 0, size);
    return last > first ? (last - first - 1) / step + 1 : 0;
  }
  const std::int64_t first = clamped(start, -1, size - 1), last = clamped(end, -1, size - 1);
  // -(step + 1) + 1 would be -step; written so because the smallest integer has no negation.
  return first > last ? static_cast<std::int64_t>(static_cast<std::uint64_t>(first - last - 1) /
                                                  (std::uint64_t{0} - static_cast<std::uint64_t>(step))) +
                            1
                      : 0;
}

}  // namespace

std::vector<Shape> infer(const ConcatAttrs& attrs, const Inputs& in) {
  Shape out = in[0];
  const std::size_t axis = in.axis(attrs.axis, out.size());
  for (std::size_t i = 1; i < in.count(); ++i) {
    const Shape& x = in[i];
    in.require(x.size() == out.size(), "inputs must have the same rank");
    for (std::size_t d = 0; d < out.size(); ++d) {
      if (d == axis) {
        out[d] = out[d] == kDynamic || x[d] == kDynamic ? kDynamic : out[d] + x[d];
      } else {
        in.require(out[d] == x[d] || out[d] == kDynamic || x[d] == kDynamic, "inputs differ in dimension ", d);
        if (out[d] == kDynamic) out[d] = x[d];
      }
    }
  }
  return {out};
}

std::vector<Shape> infer(const PadAttrs& attrs, const Inputs& in) {
  Shape out = in[0];
  const std::vector<std::size_t> axes = in.axes(attrs.axes, out.size());
  in.require(attrs.pads.size() == 2 * axes.size(), attrs.pads.size(), " pads were given for ", axes.size(), " axes");
  for (std::size_t i = 0; i < axes.size(); ++i) {
    std::int64_t& dim = out[axes[i]];
    if (dim == kDynamic) continue;
    const std::int64_t size = dim, begin = attrs.pads[i], end = attrs.pads[axes.size() + i];
    in.require(!__builtin_add_overflow(begin, end, &dim) && !__builtin_add_overflow(dim, size, &dim),
               "pads are too large");
    in.require(dim >= 0, "pads ", begin, " and ", end, " take away more than axis ", axes[i], " has");
    if (attrs.mode == PadAttrs::Mode::reflect) {
      in.require(std::max(begin, end) < std::max<std::int64_t>(size, 1), "reflection reaches beyond axis ", axes[i]);
    }
  }
  return {out};
}

std::vector<Shape> infer(const ReshapeAttrs& attrs, const Inputs& in) {
  switch (attrs.op) {
    case ReshapeAttrs::Op::reshape:
      return {reshape(attrs, in)};
    case ReshapeAttrs::Op::flatten:
      return {flatten(attrs, in)};
    case ReshapeAttrs::Op::squeeze:
      return {squeeze(attrs, in)};
    case ReshapeAttrs::Op::unsqueeze:
      return {unsqueeze(attrs, in)};
    case ReshapeAttrs::Op::identity:
      break;
  }
  return {in[0]};
}

std::vector<Shape> infer(const TransposeAttrs& attrs, const Inputs& in) {
  const Shape& x = in[0];
  if (attrs.perm.empty()) return {Shape(x.rbegin(), x.rend())};
  in.require(attrs.perm.size() == x.size(), "perm has ", attrs.perm.size(), " entries for rank ", x.size());
  Shape out;
  for (const std::size_t axis : in.axes(attrs.perm, x.size())) out.push_back(x[axis]);
  return {out};
}

std::vector<Shape> infer(const SliceAttrs& attrs, const Inputs& in) {
  Shape out = in[0];
  const std::size_t count = attrs.starts.size();
  in.require(attrs.ends.size() == count && (attrs.axes.empty() || attrs.axes.size() == count) &&
                 (attrs.steps.empty() || attrs.steps.size() == count),
             "starts, ends, axes and steps differ in length");
  if (count == 0) return {out};
  in.require(count <= out.size(), "slices more axes than the input has");
  std::vector<std::size_t> axes = in.axes(attrs.axes, attrs.axes.empty() ? count : out.size());
  for (std::size_t i = 0; i < count; ++i) {
    const std::int64_t step = attrs.steps.empty() ? 1 : attrs.steps[i];
    in.require(step != 0, "a step of 0");
    std::int64_t& dim = out[axes[i]];
    const bool computed = (in.has(1) && attrs.starts[i] == kComputed) || (in.has(2) && attrs.ends[i] == kComputed);
    if (computed) dim = kDynamic;
    if (dim != kDynamic) dim = sliced(dim, attrs.starts[i], attrs.ends[i], step);
  }
  return {out};
}

std::vector<Shape> infer(const SplitAttrs& attrs, const Inputs& in) {
  const Shape& x = in[0];
  const std::size_t axis = in.axis(attrs.axis, x.size());
  const auto parts = static_cast<std::int64_t>(in.outputs());
  in.require(attrs.sizes.empty() || attrs.sizes.size() == in.outputs(), attrs.sizes.size(), " sizes for ", parts,
             " outputs");
  std::int64_t left = x[axis];
  // Unequal division leaves the last part smaller (Split-18).
  const std::int64_t equal = left == kDynamic ? kDynamic : (left + parts - 1) / parts;
  std::vector<Shape> out;
  for (std::size_t i = 0; i < in.outputs(); ++i) {
    Shape part = x;
    if (!attrs.sizes.empty()) {
      part[axis] = attrs.sizes[i];
    } else if (equal != kDynamic) {
      part[axis] = std::min(equal, left);
    }
    if (left != kDynamic) {
      in.require(part[axis] >= 0 && part[axis] <= left, "the parts do not add up to ", x[axis]);
      left -= part[axis];
    }
    out.push_back(std::move(part));
  }
  in.require(left == kDynamic || left == 0, "the parts do not add up to ", x[axis]);
  return out;
}

std::vector<Shape> infer(const ResizeAttrs& attrs, const Inputs& in) {
  Shape out = in[0];
  const std::vector<std::size_t> axes = in.axes(attrs.axes, out.size());
  const std::size_t given = attrs.sizes.empty() ? attrs.scales.size() : attrs.sizes.size();
  in.require(given == axes.size(), given, " scales or sizes were given for ", axes.size(), " axes");
  for (std::size_t i = 0; i < axes.size(); ++i) {
    std::int64_t& dim = out[axes[i]];
    if (!attrs.sizes.empty()) {
      in.require(attrs.sizes[i] >= 0, "a size of ", attrs.sizes[i]);
      dim = attrs.sizes[i];
    } else {
      in.require(attrs.scales[i] > 0, "a scale of ", attrs.scales[i]);
      // In float32, as ONNX's and onnxruntime's shape inference have it: 10 * 0.7f is 7 there, 6.99... in float64.
      if (dim == kDynamic) continue;
      const float scaled = std::floor(static_cast<float>(dim) * static_cast<float>(attrs.scales[i]));
      in.require(scaled < 0x1p62F, "a scale of ", attrs.scales[i], " is too large");
      dim = static_cast<std::int64_t>(scaled);
    }
  }
  return {out};
}

}  // namespace vaip::ir::shape_inference
