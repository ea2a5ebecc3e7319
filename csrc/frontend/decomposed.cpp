#include "frontend/decomposed.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "frontend/constants.h"
#include "frontend/node_access.h"
#include "frontend/quantization.h"

namespace vaip::frontend {
namespace {

using Op = ir::NormalizationAttrs::Op;

// One attempt to read an expression from its end, which notes the nodes that it passes.
class Reader {
 public:
  explicit Reader(const GraphIndex& index) : index_(&index) {}

  std::vector<std::size_t> nodes;

  const Node* pass(std::size_t i) {
    if (std::find(nodes.begin(), nodes.end(), i) == nodes.end()) nodes.push_back(i);
    return &index_->node(i);
  }
  // The node that makes the value, if it is of this type.
  const Node* made_by(const std::string& value, const char* op, std::size_t inputs) {
    const auto producer = index_->producer(value);
    if (!producer || !is(index_->node(*producer), op, inputs)) return nullptr;
    return pass(*producer);
  }
  static bool is(const Node& node, const char* op, std::size_t inputs) {
    return node.op_type == op && node.domain.empty() && node.inputs.size() >= inputs && node.outputs.size() == 1;
  }

  std::optional<double> number(const std::string& value) const {
    const TensorData* constant = index_->constant(value);
    if (constant && ir::element_count(constant->shape) != 1) return std::nullopt;
    const auto reals = constant_reals(*index_, value);
    return reals && reals->size() == 1 ? std::optional<double>((*reals)[0]) : std::nullopt;
  }
  // Constants are the nearest float, or a few digits.
  bool is_number(const std::string& value, double expected) const {
    const auto found = number(value);
    return found && std::fabs(*found - expected) <= 1e-5 * std::fabs(expected);
  }
  // The other factor or term of a node that has this number as one.
  std::optional<std::string> beside(const Node& node, double expected) const {
    for (const std::size_t i : {0, 1})
      if (is_number(node.inputs[i], expected)) return node.inputs[1 - i];
    return std::nullopt;
  }

  // x of x^2, written as Pow or Mul.
  std::optional<std::string> square_of(const std::string& value) {
    if (const Node* pow = made_by(value, "Pow", 2)) {
      return is_number(pow->inputs[1], 2.0) ? std::optional(pow->inputs[0]) : std::nullopt;
    }
    const Node* mul = made_by(value, "Mul", 2);
    return mul && same_tensor(*index_, mul->inputs[0], mul->inputs[1]) ? std::optional(mul->inputs[0]) : std::nullopt;
  }
  struct Mean {
    std::string of;
    std::vector<std::int64_t> axes;
  };
  std::optional<Mean> mean(const std::string& value) {
    const Node* node = made_by(value, "ReduceMean", 1);
    if (!node || attribute(*node, "keepdims", std::int64_t{1}) != 1) return std::nullopt;
    std::vector<std::int64_t> axes = attribute(*node, "axes", std::vector<std::int64_t>{});
    if (has_input(*node, 1)) {
      const TensorData* constant = index_->constant(node->inputs[1]);
      if (!constant) return std::nullopt;
      axes = integer_elements(*constant, node->inputs[1]);
    }
    return Mean{node->inputs[0], std::move(axes)};
  }

 private:
  const GraphIndex* index_;
};

bool is_constant(const GraphIndex& index, const std::string& value) {
  if (index.constant(value)) return true;
  const auto producer = index.producer(value);
  return producer && is_dequantize(index.node(*producer)) && index.constant(index.node(*producer).inputs[0]);
}

// What a constant multiplies (or is added to) `value` with, where nothing else reads it.
std::optional<std::string> parameter_behind(const GraphIndex& index, Reader& reader, std::string& value,
                                            const char* op) {
  const auto next = index.sole_consumer(value);
  if (!next || !Reader::is(index.node(*next), op, 2)) return std::nullopt;
  const Node& node = index.node(*next);
  const std::string& other = node.inputs[node.inputs[0] == value ? 1 : 0];
  if (!is_constant(index, other)) return std::nullopt;
  reader.pass(*next);
  value = node.outputs[0];
  return other;
}

// From x / sqrt(...) or x * (1 / sqrt(...)) on.
std::optional<Decomposed> normalization(const GraphIndex& index, std::size_t quotient) {
  Reader reader(index);
  const Node& node = index.node(quotient);
  std::string numerator, root;
  if (Reader::is(node, "Div", 2)) {
    numerator = node.inputs[0];
    root = node.inputs[1];
  } else if (Reader::is(node, "Mul", 2)) {
    for (const std::size_t i : {0, 1}) {
      const Node* reciprocal = root.empty() ? reader.made_by(node.inputs[i], "Reciprocal", 1) : nullptr;
      if (!reciprocal) continue;
      root = reciprocal->inputs[0];
      numerator = node.inputs[1 - i];
    }
  }
  if (root.empty()) return std::nullopt;
  reader.pass(quotient);
  const Node* sqrt = reader.made_by(root, "Sqrt", 1);
  const Node* sum = sqrt ? reader.made_by(sqrt->inputs[0], "Add", 2) : nullptr;
  if (!sum) return std::nullopt;
  const std::size_t epsilon = reader.number(sum->inputs[1]) ? 1 : 0;
  if (!reader.number(sum->inputs[epsilon])) return std::nullopt;
  const auto spread = reader.mean(sum->inputs[1 - epsilon]);
  const auto squared = spread ? reader.square_of(spread->of) : std::nullopt;
  if (!squared || !same_tensor(index, *squared, numerator)) return std::nullopt;

  Decomposed found;
  ir::NormalizationAttrs attrs;
  attrs.op = Op::rms;
  attrs.epsilon = *reader.number(sum->inputs[epsilon]);
  found.input = numerator;
  found.axes = spread->axes;
  Reader deviation = reader;
  if (const Node* sub = deviation.made_by(numerator, "Sub", 2)) {
    const auto centre = deviation.mean(sub->inputs[1]);
    if (centre && same_tensor(index, centre->of, sub->inputs[0]) && centre->axes == spread->axes) {
      attrs.op = Op::layer;
      found.input = sub->inputs[0];
      reader.nodes = deviation.nodes;
    }
  }
  std::string value = node.outputs[0];
  if (const auto scale = parameter_behind(index, reader, value, "Mul")) found.scale = *scale;
  if (const auto bias = attrs.op == Op::layer ? parameter_behind(index, reader, value, "Add") : std::nullopt)
    found.bias = *bias;
  found.attrs = attrs;
  found.nodes = std::move(reader.nodes);
  return found;
}

// x of 1 + erf(x / sqrt(2)) or 1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)).
std::optional<std::string> gelu_factor(const GraphIndex& index, Reader& reader, const std::string& value,
                                       ir::Activation& function) {
  const Node* sum = reader.made_by(value, "Add", 2);
  const auto term = sum ? reader.beside(*sum, 1.0) : std::nullopt;
  if (!term) return std::nullopt;
  if (const Node* erf = reader.made_by(*term, "Erf", 1)) {
    function.kind = ir::Activation::Kind::gelu;
    if (const Node* div = reader.made_by(erf->inputs[0], "Div", 2))
      return reader.is_number(div->inputs[1], std::sqrt(2.0)) ? std::optional(div->inputs[0]) : std::nullopt;
    const Node* mul = reader.made_by(erf->inputs[0], "Mul", 2);
    return mul ? reader.beside(*mul, std::sqrt(0.5)) : std::nullopt;
  }
  function.kind = ir::Activation::Kind::gelu_tanh;
  const Node* tanh = reader.made_by(*term, "Tanh", 1);
  const Node* scaled = tanh ? reader.made_by(tanh->inputs[0], "Mul", 2) : nullptr;
  const auto inner = scaled ? reader.beside(*scaled, std::sqrt(2.0 / std::acos(-1.0))) : std::nullopt;
  const Node* polynomial = inner ? reader.made_by(*inner, "Add", 2) : nullptr;
  if (!polynomial) return std::nullopt;
  for (const std::size_t i : {0, 1}) {
    Reader attempt = reader;
    const Node* cubic = attempt.made_by(polynomial->inputs[i], "Mul", 2);
    const auto cube = cubic ? attempt.beside(*cubic, 0.044715) : std::nullopt;
    const Node* pow = cube ? attempt.made_by(*cube, "Pow", 2) : nullptr;
    const std::string& x = polynomial->inputs[1 - i];
    if (!pow || !attempt.is_number(pow->inputs[1], 3.0) || !same_tensor(index, pow->inputs[0], x)) continue;
    reader.nodes = attempt.nodes;
    return x;
  }
  return std::nullopt;
}

// 0.5 * x * factor, in the orders that exporters use: (x * factor) * 0.5, (x * 0.5) * factor or x * (0.5 * factor).
std::optional<Decomposed> gelu(const GraphIndex& index, std::size_t last) {
  const Node& node = index.node(last);
  if (!Reader::is(node, "Mul", 2)) return std::nullopt;
  const auto read = [&](Reader& reader, std::string x, const std::string& factor) -> std::optional<Decomposed> {
    ir::Activation function;
    const auto argument = gelu_factor(index, reader, factor, function);
    if (!argument || !same_tensor(index, *argument, x)) return std::nullopt;
    reader.pass(last);
    Decomposed found;
    found.nodes = std::move(reader.nodes);
    found.input = std::move(x);
    found.attrs = ir::ElementwiseAttrs{function};
    return found;
  };
  // What 0.5 multiplies to make the value.
  const auto halved = [](Reader& reader, const std::string& value) -> std::optional<std::string> {
    const Node* mul = reader.made_by(value, "Mul", 2);
    return mul ? reader.beside(*mul, 0.5) : std::nullopt;
  };
  const Reader start(index);
  for (const std::size_t i : {0, 1}) {
    const std::string &one = node.inputs[i], &other = node.inputs[1 - i];
    Reader reader = start;
    if (const auto product = reader.beside(node, 0.5)) {
      const Node* mul = reader.made_by(*product, "Mul", 2);
      if (!mul) return std::nullopt;
      if (auto found = read(reader, mul->inputs[1 - i], mul->inputs[i])) return found;
      continue;
    }
    if (const auto x = halved(reader, other))
      if (auto found = read(reader, *x, one)) return found;
    reader = start;
    if (const auto factor = halved(reader, one))
      if (auto found = read(reader, other, *factor)) return found;
  }
  return std::nullopt;
}

// Nothing else reads what the nodes but the last make.
bool is_closed(const GraphIndex& index, const std::vector<std::size_t>& nodes) {
  return std::all_of(nodes.begin(), nodes.end() - 1, [&](std::size_t i) {
    const std::string& value = index.node(i).outputs[0];
    const std::vector<std::size_t>& readers = index.consumers(value);
    return !index.escapes(value) && std::all_of(readers.begin(), readers.end(), [&](std::size_t r) {
      return std::find(nodes.begin(), nodes.end(), r) != nodes.end();
    });
  });
}

}  // namespace

std::vector<Decomposed> find_decomposed(const GraphIndex& index) {
  std::vector<Decomposed> all;
  for (std::size_t i = 0; i < index.size(); ++i) {
    try {
      auto found = gelu(index, i);
      if (!found) found = normalization(index, i);
      if (!found) continue;
      std::sort(found->nodes.begin(), found->nodes.end());
      if (is_closed(index, found->nodes)) all.push_back(*std::move(found));
    } catch (const Error&) {
      continue;  // of a node that is malformed, which its own rule will report
    }
  }
  return all;
}

}  // namespace vaip::frontend
