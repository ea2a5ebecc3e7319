// Shapes of layers that repeat elements or pick them by index, and of those that read shapes.
#include <algorithm>

#include "ir/shape_inference.h"

namespace vaip::ir::shape_inference {
namespace {

// a * b where either may be unknown.
std::int64_t times(const Inputs& in, std::int64_t a, std::int64_t b) {
  return a == kDynamic || b == kDynamic ? kDynamic : in.multiply(a, b);
}

Shape gather_nd(const GatherAttrs& attrs, const Inputs& in) {
  const Shape &data = in[0], &indices = in[1];
  const auto batch = static_cast<std::size_t>(attrs.batch_dims);
  in.require(attrs.batch_dims >= 0 && batch < std::min(data.size(), indices.size()), "batch_dims is ",
             attrs.batch_dims);
  const std::int64_t tuple = indices.back();
  if (tuple == kDynamic) in.reject(ErrorKind::unsupported, "the length of the index tuples is not known");
  in.require(tuple >= 1 && batch + static_cast<std::size_t>(tuple) <= data.size(), "index tuples of ", tuple,
             " do not fit the data");
  Shape out(indices.begin(), indices.end() - 1);
  out.insert(out.end(), data.begin() + static_cast<std::ptrdiff_t>(batch) + tuple, data.end());
  return out;
}

}  // namespace

std::vector<Shape> infer(const ShapeAttrs& attrs, const Inputs& in) {
  if (attrs.count) return {Shape{}};
  const auto rank = static_cast<std::int64_t>(in[0].size());
  const auto bound = [rank](std::int64_t at) { return std::clamp<std::int64_t>(at < 0 ? at + rank : at, 0, rank); };
  return {{std::max<std::int64_t>(0, bound(attrs.end) - bound(attrs.start))}};
}

std::vector<Shape> infer(const RangeAttrs&, const Inputs&) { return {{kDynamic}}; }

std::vector<Shape> infer(const ExpandAttrs& attrs, const Inputs& in) {
  Shape target = attrs.shape;
  std::replace(target.begin(), target.end(), kComputed, kDynamic);
  return {in.broadcast(in[0], target)};
}

std::vector<Shape> infer(const TileAttrs& attrs, const Inputs& in) {
  Shape out = in[0];
  in.require(attrs.repeats.size() == out.size(), "repeats has ", attrs.repeats.size(), " entries");
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (attrs.repeats[i] == kComputed) {
      out[i] = kDynamic;
      continue;
    }
    in.require(attrs.repeats[i] >= 0, "repeats has the entry ", attrs.repeats[i]);
    out[i] = times(in, out[i], attrs.repeats[i]);
  }
  return {out};
}

std::vector<Shape> infer(const GatherAttrs& attrs, const Inputs& in) {
  const Shape &data = in[0], &indices = in[1];
  in.require(!data.empty(), "the data is a scalar");
  if (attrs.op == GatherAttrs::Op::nd) return {gather_nd(attrs, in)};
  const std::size_t axis = in.axis(attrs.axis, data.size());
  if (attrs.op == GatherAttrs::Op::elements) {
    in.require(indices.size() == data.size(), "data and indices must have the same rank");
    for (std::size_t i = 0; i < data.size(); ++i) {
      in.require(i == axis || data[i] == kDynamic || indices[i] <= data[i], "dimension ", i,
                 " of the indices is larger than the data's");
    }
    return {indices};
  }
  Shape out(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(axis));
  out.insert(out.end(), indices.begin(), indices.end());
  out.insert(out.end(), data.begin() + static_cast<std::ptrdiff_t>(axis) + 1, data.end());
  return {out};
}

std::vector<Shape> infer(const SpaceDepthAttrs& attrs, const Inputs& in) {
  const Shape& x = in[0];
  in.require(x.size() == 4, "needs an input of rank 4");
  in.require(attrs.block >= 1 && attrs.block <= (std::int64_t{1} << 20), "blocksize is ", attrs.block);
  const auto divided = [&](std::size_t i, std::int64_t by) {
    in.require(x[i] == kDynamic || x[i] % by == 0, "dimension ", i, " does not divide by ", by);
    return x[i] == kDynamic ? kDynamic : x[i] / by;
  };
  const std::int64_t block = attrs.block, area = block * block;
  if (attrs.op == SpaceDepthAttrs::Op::space_to_depth) {
    return {{x[0], times(in, x[1], area), divided(2, block), divided(3, block)}};
  }
  return {{x[0], divided(1, area), times(in, x[2], block), times(in, x[3], block)}};
}

}  // namespace vaip::ir::shape_inference
