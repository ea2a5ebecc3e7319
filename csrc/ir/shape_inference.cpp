#include "ir/shape_inference.h"

#include <algorithm>
#include <numeric>

namespace vaip::ir {
namespace shape_inference {

namespace {
// Larger than any tensor's dimension, small enough that the rules' arithmetic stays within 64 bits.
constexpr std::int64_t kLargestDimension = std::int64_t{1} << 40;
// No window that fits a machine needs more; sums and products of a few of these stay within 64 bits.
constexpr std::int64_t kLargestParameter = std::int64_t{1} << 31;
}  // namespace

Inputs::Inputs(const Graph& graph, const Layer& layer) : layer_(layer) {
  for (const ValueId id : layer.inputs) shapes_.push_back(id == kNoValue ? nullptr : &graph.value(id).shape);
  for (const Shape* shape : shapes_) {
    if (!shape) continue;
    for (const std::int64_t dim : *shape) {
      require(dim <= kLargestDimension && dim >= kDynamic, "a dimension of ", dim, " is no tensor's");
    }
  }
}

std::int64_t Inputs::multiply(std::int64_t a, std::int64_t b) const {
  std::int64_t product = 0;
  require(!__builtin_mul_overflow(a, b, &product), "the number of elements exceeds 64 bits");
  return product;
}

const Shape& Inputs::operator[](std::size_t i) const {
  if (!has(i)) reject(ErrorKind::invalid_model, "input ", i, " is missing");
  return *shapes_[i];
}

std::size_t Inputs::axis(std::int64_t axis, std::size_t rank) const {
  const auto signed_rank = static_cast<std::int64_t>(rank);
  require(axis >= -signed_rank && axis < signed_rank, "axis ", axis, " is outside a tensor of rank ", rank);
  return static_cast<std::size_t>(axis < 0 ? axis + signed_rank : axis);
}

std::vector<std::size_t> Inputs::axes(const std::vector<std::int64_t>& axes, std::size_t rank) const {
  std::vector<std::size_t> result;
  if (axes.empty()) {
    result.resize(rank);
    std::iota(result.begin(), result.end(), std::size_t{0});
    return result;
  }
  for (const std::int64_t a : axes) {
    const std::size_t position = axis(a, rank);
    require(std::find(result.begin(), result.end(), position) == result.end(), "axis ", a, " is given twice");
    result.push_back(position);
  }
  return result;
}

Shape Inputs::broadcast(const Shape& a, const Shape& b) const {
  try {
    return ir::broadcast(a, b);
  } catch (const Error& error) {
    reject(error.kind(), error.what());
  }
}

void Inputs::require_window(const Shape& parameter, std::size_t count, std::int64_t least, const char* what) const {
  require(parameter.empty() || parameter.size() == count, what, " has ", parameter.size(), " entries, not ", count);
  for (const std::int64_t v : parameter) require(v >= least && v <= kLargestParameter, what, " has the entry ", v);
}

std::string Inputs::describe() const {
  std::string text;
  for (const Shape* shape : shapes_) {
    if (!text.empty()) text += ", ";
    text += shape ? to_string(*shape) : std::string("absent");
  }
  return text.empty() ? "none" : text;
}

std::vector<Shape> infer(const QuantizeAttrs&, const Inputs& in) { return {in[0]}; }
std::vector<Shape> infer(const DequantizeAttrs&, const Inputs& in) { return {in[0]}; }
std::vector<Shape> infer(const RequantizeAttrs&, const Inputs& in) { return {in[0]}; }
std::vector<Shape> infer(const DynamicQuantizeAttrs&, const Inputs& in) { return {in[0], {}, {}}; }
std::vector<Shape> infer(const CastAttrs&, const Inputs& in) { return {in[0]}; }
std::vector<Shape> infer(const ElementwiseAttrs&, const Inputs& in) { return {in[0]}; }

namespace {
Shape broadcast_all(const Inputs& in) {
  Shape out = in[0];
  for (std::size_t i = 1; i < in.count(); ++i) out = in.broadcast(out, in[i]);
  return out;
}
}  // namespace

std::vector<Shape> infer(const ComparisonAttrs&, const Inputs& in) { return {broadcast_all(in)}; }
std::vector<Shape> infer(const LogicAttrs&, const Inputs& in) { return {broadcast_all(in)}; }
std::vector<Shape> infer(const IntegerArithmeticAttrs&, const Inputs& in) { return {broadcast_all(in)}; }
std::vector<Shape> infer(const WhereAttrs&, const Inputs& in) { return {broadcast_all(in)}; }

std::vector<Shape> infer(const ArithmeticAttrs& attrs, const Inputs& in) {
  const Shape out = broadcast_all(in);
  if (attrs.op == ArithmeticAttrs::Op::prelu) {
    in.require(out.size() == in[0].size(), "the slope does not broadcast to the input");
    for (std::size_t i = 0; i < out.size(); ++i) {
      in.require(out[i] == in[0][i] || in[0][i] == kDynamic, "the slope does not broadcast to the input");
    }
    return {in[0]};
  }
  return {out};
}

std::vector<Shape> infer(const ReduceAttrs& attrs, const Inputs& in) {
  const Shape& x = in[0];
  if (!attrs.all_from_axis2 && attrs.axes.empty() && attrs.noop_with_empty_axes) return {x};
  std::vector<std::size_t> axes;
  if (attrs.all_from_axis2) {
    in.require(x.size() >= 3, "needs an input of rank 3 or more");
    for (std::size_t i = 2; i < x.size(); ++i) axes.push_back(i);
  } else {
    axes = in.axes(attrs.axes, x.size());
  }
  Shape out;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const bool reduced = std::find(axes.begin(), axes.end(), i) != axes.end();
    if (!reduced) out.push_back(x[i]);
    if (reduced && attrs.keepdims) out.push_back(1);
  }
  return {out};
}

std::vector<Shape> infer(const ArgAttrs& attrs, const Inputs& in) {
  const std::size_t axis = in.axis(attrs.axis, in[0].size());
  Shape out = in[0];
  in.require(out[axis] != 0, "axis ", attrs.axis, " has no elements to choose from");
  if (attrs.keepdims) {
    out[axis] = 1;
  } else {
    out.erase(out.begin() + static_cast<std::ptrdiff_t>(axis));
  }
  return {out};
}

std::vector<Shape> infer(const TopKAttrs& attrs, const Inputs& in) {
  const std::size_t axis = in.axis(attrs.axis, in[0].size());
  Shape out = in[0];
  in.require(attrs.k >= 0 && (out[axis] == kDynamic || attrs.k <= out[axis]), "k is ", attrs.k, " of ", out[axis],
             " elements");
  out[axis] = attrs.k;
  return {out, out};
}

std::vector<Shape> infer(const CumSumAttrs& attrs, const Inputs& in) {
  (void)in.axis(attrs.axis, in[0].size());
  return {in[0]};
}

std::vector<Shape> infer(const NormalizationAttrs& attrs, const Inputs& in) {
  using Op = NormalizationAttrs::Op;
  const Shape& x = in[0];
  const auto fits = [](const Shape& parameter, std::int64_t count) {
    return parameter.size() == 1 && (parameter[0] == count || parameter[0] == kDynamic || count == kDynamic);
  };
  if (attrs.op == Op::layer || attrs.op == Op::rms) {
    const std::size_t axis = in.axis(attrs.axis, x.size());
    const Shape normalised(x.begin() + static_cast<std::ptrdiff_t>(axis), x.end());
    for (std::size_t i = 1; i < in.count(); ++i) {
      if (in.has(i)) {
        in.require(in.broadcast(normalised, in[i]).size() == normalised.size(), "input ", i,
                   " does not broadcast to the normalised dimensions ", to_string(normalised));
      }
    }
    return {x};
  }
  if (attrs.op == Op::l1 || attrs.op == Op::l2) {
    (void)in.axis(attrs.axis, x.size());
    return {x};
  }
  in.require(x.size() >= (attrs.op == Op::batch ? 2U : 3U), "the input's rank is too small");
  in.require(attrs.op != Op::group || x[1] == kDynamic || (attrs.groups >= 1 && x[1] % attrs.groups == 0), x[1],
             " channels do not divide into ", attrs.groups, " groups");
  for (std::size_t i = 1; i < in.count(); ++i) {
    const bool per_group = attrs.op == Op::group && in.has(i) && fits(in[i], attrs.groups);
    in.require(!in.has(i) || per_group || fits(in[i], x[1]), "input ", i, " must have one element per channel");
  }
  return {x};
}

std::vector<Shape> infer(const SoftmaxAttrs& attrs, const Inputs& in) {
  const Shape& x = in[0];
  // Coercion to 2-D may put the cut behind the last dimension.
  const bool behind_last = attrs.flatten_to_2d && attrs.axis == static_cast<std::int64_t>(x.size());
  if (!behind_last) (void)in.axis(attrs.axis, x.size());
  return {x};
}

}  // namespace shape_inference

std::vector<Shape> infer_shapes(const Graph& graph, const Layer& layer) {
  const shape_inference::Inputs inputs(graph, layer);
  return std::visit([&](const auto& attrs) { return shape_inference::infer(attrs, inputs); }, layer.attrs);
}

}  // namespace vaip::ir
