#include "frontend/constant_evaluation.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

#include "frontend/constants.h"
#include "frontend/node_access.h"

namespace vaip::frontend {
namespace {

using ir::DType;
using ir::Shape;

// What is larger than this is data, not a shape, and would only make the model bigger.
constexpr std::int64_t kLargest = std::int64_t{1} << 20;

bool is_plain(DType dtype) {
  return (ir::is_integer(dtype) && ir::size_of(dtype) > 0 && dtype != DType::u64) || dtype == DType::boolean;
}

using Element = Integers::Element;

std::size_t axis_of(const Node& node, std::int64_t axis, std::size_t rank) {
  const auto signed_rank = static_cast<std::int64_t>(rank);
  if (axis < -signed_rank || axis >= signed_rank) reject(node, "axis ", axis, " of a tensor of rank ", rank);
  return static_cast<std::size_t>(axis < 0 ? axis + signed_rank : axis);
}

std::int64_t count_between(const Shape& shape, std::size_t first, std::size_t last) {
  return ir::element_count(
      Shape(shape.begin() + static_cast<std::ptrdiff_t>(first), shape.begin() + static_cast<std::ptrdiff_t>(last)));
}

// The slices at `positions` along an axis; `replacement` takes the axis's place in the shape.
Integers take(const Integers& x, std::size_t axis, const std::vector<std::int64_t>& positions,
              const Shape& replacement) {
  Integers out{x.dtype, Shape(x.shape.begin(), x.shape.begin() + static_cast<std::ptrdiff_t>(axis)), {}};
  out.shape.insert(out.shape.end(), replacement.begin(), replacement.end());
  out.shape.insert(out.shape.end(), x.shape.begin() + static_cast<std::ptrdiff_t>(axis) + 1, x.shape.end());
  const std::int64_t outer = count_between(x.shape, 0, axis), inner = count_between(x.shape, axis + 1, x.shape.size());
  for (std::int64_t o = 0; o < outer; ++o) {
    for (const std::int64_t position : positions) {
      const auto first = x.elements.begin() + (o * x.shape[axis] + position) * inner;
      out.elements.insert(out.elements.end(), first, first + inner);
    }
  }
  return out;
}

// An integer of 64 bits as the type holds it: the low bits, or whether it is not zero.
std::int64_t stored_as(DType dtype, std::int64_t value) {
  switch (dtype) {
    case DType::boolean:
      return value != 0 ? 1 : 0;
    case DType::u8:
      return static_cast<std::uint8_t>(value);
    case DType::s8:
      return static_cast<std::int8_t>(value);
    case DType::u16:
      return static_cast<std::uint16_t>(value);
    case DType::s16:
      return static_cast<std::int16_t>(value);
    case DType::u32:
      return static_cast<std::uint32_t>(value);
    case DType::s32:
      return static_cast<std::int32_t>(value);
    default:
      return value;
  }
}

// The results that 64 bits do not hold are left to the run.
Element combined(std::string_view op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (op == "Add") return __builtin_add_overflow(a, b, &result) ? std::nullopt : Element(result);
  if (op == "Sub") return __builtin_sub_overflow(a, b, &result) ? std::nullopt : Element(result);
  if (op == "Mul") return __builtin_mul_overflow(a, b, &result) ? std::nullopt : Element(result);
  if (op == "Equal") return a == b ? 1 : 0;
  const bool undefined = b == 0 || (b == -1 && __builtin_sub_overflow(std::int64_t{0}, a, &result));
  return undefined ? std::nullopt : Element(a / b);  // Div: towards zero
}

// Elements of broadcast inputs, combined one by one.
template <typename Combine>
Integers broadcast(const std::vector<Integers>& inputs, DType dtype, const Combine& combine) {
  Integers out{dtype, inputs[0].shape, {}};
  for (const Integers& x : inputs) out.shape = ir::broadcast(out.shape, x.shape);
  const std::int64_t count = ir::element_count(out.shape);
  if (count > kLargest) fail(ErrorKind::unsupported, "a constant of ", count, " elements");
  std::vector<Element> operands(inputs.size());
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      const Shape& shape = inputs[k].shape;
      std::int64_t rest = i, at = 0, stride = 1;
      for (std::size_t d = 0; d < shape.size(); ++d) {  // from the last dimension
        const std::int64_t dim = out.shape[out.shape.size() - 1 - d], own = shape[shape.size() - 1 - d];
        if (own != 1) at += (rest % dim) * stride;
        stride *= own;
        rest /= dim;
      }
      operands[k] = inputs[k].elements[static_cast<std::size_t>(at)];
    }
    out.elements.push_back(combine(operands));
  }
  return out;
}

// The value of a ConstantOfShape: one element, a float zero unless it says otherwise.
std::optional<TensorData> fill_value(const Node& node) {
  const auto found = node.attributes.find("value");
  if (found == node.attributes.end()) return TensorData{DType::f32, {1}, make_constant(std::vector<std::byte>(4))};
  const auto* tensor = std::get_if<TensorData>(&found->second);
  const bool usable =
      tensor != nullptr && ir::size_of(tensor->dtype) > 0 && tensor->constant.size_bytes == ir::size_of(tensor->dtype);
  return usable ? std::optional<TensorData>(*tensor) : std::nullopt;
}

}  // namespace

std::optional<Integers> ConstantEvaluator::integers(const Node& node) const {
  using Evaluate = std::optional<Integers> (ConstantEvaluator::*)(const Node&) const;
  using Self = ConstantEvaluator;
  static const std::unordered_map<std::string_view, Evaluate> table = {
      {"Shape", &Self::shape},     {"Size", &Self::size},           {"Gather", &Self::gather},
      {"Concat", &Self::concat},   {"Unsqueeze", &Self::unsqueeze}, {"Squeeze", &Self::squeeze},
      {"Reshape", &Self::reshape}, {"Identity", &Self::identity},   {"Slice", &Self::slice},
      {"Cast", &Self::cast},       {"Add", &Self::arithmetic},      {"Sub", &Self::arithmetic},
      {"Mul", &Self::arithmetic},  {"Div", &Self::arithmetic},      {"Equal", &Self::arithmetic},
      {"Where", &Self::where},     {"Range", &Self::range},         {"ConstantOfShape", &Self::constant_of_shape},
  };
  const auto found = table.find(node.op_type);
  if (found == table.end() || !node.domain.empty() || node.outputs.size() != 1) return std::nullopt;
  try {
    return (this->*found->second)(node);
  } catch (const Error&) {
    return std::nullopt;  // recognition judges the node
  }
}

std::optional<TensorData> ConstantEvaluator::floats(const Node& node) const {
  if (!node.domain.empty() || node.outputs.size() != 1) return std::nullopt;
  try {
    if (node.op_type == "ConstantOfShape") return fill_with_floats(node);
    if (node.op_type == "Cast") return cast_to_float(node);
    if (node.op_type == "Identity" && has_input(node, 0)) {  // exporters share weights in this way
      const auto found = graph_.constants.find(node.inputs[0]);
      if (found != graph_.constants.end()) return found->second;
    }
  } catch (const Error&) {
  }
  return std::nullopt;
}

const Integers* ConstantEvaluator::find(const std::string& value) const {
  const auto found = known_.find(value);
  return found == known_.end() ? nullptr : &found->second;
}

std::optional<Integers> ConstantEvaluator::input(const Node& node, std::size_t i) const {
  if (!has_input(node, i)) return std::nullopt;
  const std::string& name = node.inputs[i];
  if (const auto found = known_.find(name); found != known_.end()) return found->second;
  const auto constant = graph_.constants.find(name);
  if (constant == graph_.constants.end() || !is_plain(constant->second.dtype)) return std::nullopt;
  const TensorData& tensor = constant->second;
  if (ir::element_count(tensor.shape) > kLargest) return std::nullopt;
  const std::vector<std::int64_t> values = integer_elements(tensor, name);
  return Integers{tensor.dtype, tensor.shape, std::vector<Element>(values.begin(), values.end())};
}

ConstantEvaluator::Values ConstantEvaluator::values(const Node& node, std::size_t i) const {
  const auto given = input(node, i);
  if (!given) return std::nullopt;
  std::vector<std::int64_t> out;
  for (const Element& element : given->elements) {
    if (!element) return std::nullopt;
    out.push_back(*element);
  }
  return out;
}
ConstantEvaluator::Values ConstantEvaluator::parameter(const Node& node, const char* name, std::size_t i) const {
  if (has_input(node, i)) return values(node, i);
  if (!has_attribute(node, name)) return std::nullopt;
  return attribute(node, name, std::vector<std::int64_t>{});
}

std::optional<Shape> ConstantEvaluator::shape_of(const Node& node) const {
  if (!has_input(node, 0)) return std::nullopt;
  if (const auto constant = graph_.constants.find(node.inputs[0]); constant != graph_.constants.end())
    return constant->second.shape;
  if (const auto known = known_.find(node.inputs[0]); known != known_.end()) return known->second.shape;
  if (const Shape* found = find_shape_ ? find_shape_(node.inputs[0]) : nullptr) return *found;
  const auto info = graph_.values.find(node.inputs[0]);
  if (info == graph_.values.end() || !info->second.has_shape) return std::nullopt;
  return info->second.shape;
}

std::optional<Integers> ConstantEvaluator::shape(const Node& node) const {
  const auto whole = shape_of(node);
  if (!whole) return std::nullopt;
  const auto rank = static_cast<std::int64_t>(whole->size());
  const auto bound = [&](const char* name, std::int64_t fallback) {
    const std::int64_t given = attribute(node, name, fallback);
    return std::clamp<std::int64_t>(given < 0 ? given + rank : given, 0, rank);
  };
  Integers out{DType::s64, {}, {}};
  for (std::int64_t d = bound("start", 0); d < bound("end", rank); ++d) {
    const std::int64_t dim = (*whole)[static_cast<std::size_t>(d)];
    out.elements.push_back(dim == ir::kDynamic ? Element() : Element(dim));
  }
  out.shape = {static_cast<std::int64_t>(out.elements.size())};
  return out;
}

std::optional<Integers> ConstantEvaluator::size(const Node& node) const {
  const auto whole = shape_of(node);
  if (!whole) return std::nullopt;
  return Integers{DType::s64, {}, {ir::is_static(*whole) ? Element(ir::element_count(*whole)) : Element()}};
}

std::optional<Integers> ConstantEvaluator::gather(const Node& node) const {
  const auto x = input(node, 0), indices = input(node, 1);
  const auto positions = values(node, 1);
  if (!x || !positions) return std::nullopt;
  const std::size_t axis = axis_of(node, attribute(node, "axis", std::int64_t{0}), x->shape.size());
  std::vector<std::int64_t> from_front;
  for (const std::int64_t given : *positions) {
    const std::int64_t position = given < 0 ? given + x->shape[axis] : given;
    if (position < 0 || position >= x->shape[axis]) return std::nullopt;
    from_front.push_back(position);
  }
  return take(*x, axis, from_front, indices->shape);
}

std::optional<Integers> ConstantEvaluator::slice(const Node& node) const {
  auto x = input(node, 0);
  const auto starts = parameter(node, "starts", 1), ends = parameter(node, "ends", 2);
  const auto axes = parameter(node, "axes", 3), steps = values(node, 4);
  const bool unknown = (has_input(node, 3) && !axes) || (has_input(node, 4) && !steps);
  if (!x || !starts || !ends || unknown || starts->size() != ends->size()) return std::nullopt;
  if ((axes && axes->size() != starts->size()) || (steps && steps->size() != starts->size())) return std::nullopt;
  for (std::size_t i = 0; i < starts->size(); ++i) {
    const std::size_t axis = axis_of(node, axes ? (*axes)[i] : static_cast<std::int64_t>(i), x->shape.size());
    const std::int64_t size = x->shape[axis], step = steps ? (*steps)[i] : 1;
    if (step == 0) return std::nullopt;
    const auto bound = [&](std::int64_t given) {
      const std::int64_t index = given < 0 ? given + size : given;
      return step > 0 ? std::clamp<std::int64_t>(index, 0, size) : std::clamp<std::int64_t>(index, -1, size - 1);
    };
    // No step beyond the size matters; so limited, it cannot overflow.
    const std::int64_t last = bound((*ends)[i]), stride = std::clamp<std::int64_t>(step, -size - 1, size + 1);
    std::vector<std::int64_t> positions;
    for (std::int64_t p = bound((*starts)[i]); stride > 0 ? p < last : p > last; p += stride) positions.push_back(p);
    x = take(*x, axis, positions, {static_cast<std::int64_t>(positions.size())});
  }
  return x;
}

std::optional<Integers> ConstantEvaluator::concat(const Node& node) const {
  std::vector<Integers> parts;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    auto part = input(node, i);
    if (!part) return std::nullopt;
    parts.push_back(*std::move(part));
  }
  if (parts.empty()) return std::nullopt;
  Integers out{parts[0].dtype, parts[0].shape, {}};
  const std::size_t axis = axis_of(node, attribute(node, "axis", std::int64_t{0}), out.shape.size());
  for (std::size_t i = 1; i < parts.size(); ++i) {
    Shape same = parts[i].shape;
    if (same.size() != out.shape.size()) return std::nullopt;
    out.shape[axis] += same[axis];
    same[axis] = out.shape[axis];
    if (same != out.shape) return std::nullopt;
  }
  const std::int64_t outer = count_between(out.shape, 0, axis);
  for (std::int64_t o = 0; o < outer; ++o) {
    for (const Integers& part : parts) {
      const std::int64_t run = count_between(part.shape, axis, part.shape.size());
      const auto first = part.elements.begin() + o * run;
      out.elements.insert(out.elements.end(), first, first + run);
    }
  }
  return out;
}

std::optional<Integers> ConstantEvaluator::unsqueeze(const Node& node) const {
  auto x = input(node, 0);
  const auto axes = parameter(node, "axes", 1);
  if (!x || !axes) return std::nullopt;
  const std::size_t rank = x->shape.size() + axes->size();
  std::vector<std::size_t> from_front;
  for (const std::int64_t axis : *axes) from_front.push_back(axis_of(node, axis, rank));
  std::sort(from_front.begin(), from_front.end());
  if (std::adjacent_find(from_front.begin(), from_front.end()) != from_front.end()) return std::nullopt;
  for (const std::size_t axis : from_front) x->shape.insert(x->shape.begin() + static_cast<std::ptrdiff_t>(axis), 1);
  return x;
}

std::optional<Integers> ConstantEvaluator::squeeze(const Node& node) const {
  auto x = input(node, 0);
  const auto axes = parameter(node, "axes", 1);
  if (!x || (has_input(node, 1) && !axes)) return std::nullopt;
  std::vector<bool> dropped(x->shape.size(), false);
  for (std::size_t d = 0; d < dropped.size(); ++d) dropped[d] = !axes && x->shape[d] == 1;
  if (axes) {
    for (const std::int64_t axis : *axes) dropped[axis_of(node, axis, x->shape.size())] = true;
  }
  Shape left;
  for (std::size_t d = 0; d < dropped.size(); ++d) {
    if (dropped[d] && x->shape[d] != 1) return std::nullopt;
    if (!dropped[d]) left.push_back(x->shape[d]);
  }
  x->shape = std::move(left);
  return x;
}

std::optional<Integers> ConstantEvaluator::reshape(const Node& node) const {
  auto x = input(node, 0);
  const auto target = values(node, 1);
  // A zero copies a dimension, or not: rare enough to be left to the run.
  if (!x || !target || std::count(target->begin(), target->end(), 0) != 0) return std::nullopt;
  Shape shape = *target;
  const auto count = static_cast<std::int64_t>(x->elements.size());
  const auto inferred = std::find(shape.begin(), shape.end(), -1);
  if (inferred != shape.end()) {
    *inferred = 1;
    const std::int64_t others = ir::element_count(shape);
    if (others <= 0 || count % others != 0) return std::nullopt;
    *inferred = count / others;
  }
  if (std::any_of(shape.begin(), shape.end(), [](std::int64_t dim) { return dim < 0; }) ||
      ir::element_count(shape) != count)
    return std::nullopt;
  x->shape = std::move(shape);
  return x;
}

std::optional<Integers> ConstantEvaluator::identity(const Node& node) const { return input(node, 0); }

std::optional<Integers> ConstantEvaluator::cast(const Node& node) const {
  auto x = input(node, 0);
  const DType to = ir::from_onnx(static_cast<int>(attribute(node, "to", std::int64_t{0})));
  if (!x || !is_plain(to)) return std::nullopt;
  x->dtype = to;
  for (Element& element : x->elements) element = element ? Element(stored_as(to, *element)) : element;
  return x;
}

std::optional<Integers> ConstantEvaluator::arithmetic(const Node& node) const {
  const auto a = input(node, 0), b = input(node, 1);
  if (!a || !b || a->dtype != b->dtype) return std::nullopt;
  const DType dtype = node.op_type == "Equal" ? DType::boolean : a->dtype;
  return broadcast({*a, *b}, dtype, [&](const std::vector<Element>& x) {
    const Element result = x[0] && x[1] ? combined(node.op_type, *x[0], *x[1]) : std::nullopt;
    return result ? Element(stored_as(dtype, *result)) : result;
  });
}

std::optional<Integers> ConstantEvaluator::where(const Node& node) const {
  const auto condition = input(node, 0), a = input(node, 1), b = input(node, 2);
  if (!condition || !a || !b || a->dtype != b->dtype) return std::nullopt;
  return broadcast({*condition, *a, *b}, a->dtype,
                   [](const std::vector<Element>& x) { return x[0] ? (*x[0] != 0 ? x[1] : x[2]) : std::nullopt; });
}

std::optional<Integers> ConstantEvaluator::range(const Node& node) const {
  const auto type = input(node, 0);
  const auto start = values(node, 0), limit = values(node, 1), step = values(node, 2);
  if (!start || !limit || !step || start->size() != 1 || limit->size() != 1 || step->size() != 1) return std::nullopt;
  const std::int64_t first = (*start)[0], delta = (*step)[0];
  std::int64_t span = 0;
  if (delta == 0 || delta == std::numeric_limits<std::int64_t>::min() ||
      __builtin_sub_overflow((*limit)[0], first, &span))
    return std::nullopt;
  const std::int64_t pace = delta < 0 ? -delta : delta, way = delta < 0 ? 0 - span : span;
  const std::int64_t count = way <= 0 ? 0 : (way - 1) / pace + 1;
  if (count > kLargest) return std::nullopt;
  Integers out{type->dtype, {count}, {}};
  for (std::int64_t i = 0; i < count; ++i) out.elements.emplace_back(first + i * delta);
  return out;
}

std::optional<Shape> ConstantEvaluator::filled_shape(const Node& node) const {
  const auto shape = values(node, 0);
  if (!shape || std::any_of(shape->begin(), shape->end(), [](std::int64_t d) { return d < 0 || d > kLargest; }))
    return std::nullopt;
  std::int64_t count = 1;
  for (const std::int64_t dim : *shape) {
    count *= dim;
    if (count > kLargest) return std::nullopt;
  }
  return Shape(*shape);
}

std::optional<Integers> ConstantEvaluator::constant_of_shape(const Node& node) const {
  const auto value = fill_value(node);
  const auto shape = filled_shape(node);
  if (!value || !shape || !is_plain(value->dtype)) return std::nullopt;
  const std::int64_t element = integer_elements(*value, "value")[0];
  return Integers{value->dtype, *shape,
                  std::vector<Element>(static_cast<std::size_t>(ir::element_count(*shape)), element)};
}

std::optional<TensorData> ConstantEvaluator::fill_with_floats(const Node& node) const {
  const auto value = fill_value(node);
  const auto shape = filled_shape(node);
  if (!value || !shape) return std::nullopt;
  const std::size_t size = value->constant.size_bytes;
  std::vector<std::byte> bytes(static_cast<std::size_t>(ir::element_count(*shape)) * size);
  for (std::size_t at = 0; at < bytes.size(); at += size)
    std::memcpy(bytes.data() + at, value->constant.data.get(), size);
  return TensorData{value->dtype, *shape, make_constant(std::move(bytes))};
}

std::optional<TensorData> ConstantEvaluator::cast_to_float(const Node& node) const {
  const auto x = input(node, 0);
  const auto integers = values(node, 0);
  const auto to = ir::from_onnx(static_cast<int>(attribute(node, "to", std::int64_t{0})));
  if (!integers || to != DType::f32) return std::nullopt;
  std::vector<std::byte> bytes(integers->size() * sizeof(float));
  for (std::size_t i = 0; i < integers->size(); ++i) {
    const auto real = static_cast<float>((*integers)[i]);
    std::memcpy(bytes.data() + i * sizeof(float), &real, sizeof(float));
  }
  return TensorData{DType::f32, x->shape, make_constant(std::move(bytes))};
}

}  // namespace vaip::frontend
