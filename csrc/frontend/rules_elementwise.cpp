// Arithmetic, scalar functions, softmax.
#include <algorithm>
#include <array>
#include <utility>

#include "frontend/activations.h"
#include "frontend/rules.h"

namespace vaip::frontend::rules {
namespace {

using Op = ir::ArithmeticAttrs::Op;

Op arithmetic_op(const std::string& op_type) {
  constexpr std::array<std::pair<const char*, Op>, 8> table = {{{"Add", Op::add},
                                                                {"Sum", Op::add},
                                                                {"Sub", Op::sub},
                                                                {"Mul", Op::mul},
                                                                {"Div", Op::div},
                                                                {"Min", Op::min},
                                                                {"Max", Op::max},
                                                                {"Pow", Op::pow}}};
  for (const auto& [name, op] : table) {
    if (op_type == name) return op;
  }
  fail(ErrorKind::internal, "no arithmetic for ", op_type);
}

// The same operators on masks and indices.
void integer_arithmetic(UnitBuilder& unit) {
  using Integer = ir::IntegerArithmeticAttrs::Op;
  constexpr std::array<std::pair<const char*, Integer>, 7> table = {{{"Add", Integer::add},
                                                                     {"Sub", Integer::sub},
                                                                     {"Mul", Integer::mul},
                                                                     {"Div", Integer::div},
                                                                     {"Mod", Integer::modulus},
                                                                     {"Min", Integer::min},
                                                                     {"Max", Integer::max}}};
  const Node& node = unit.node();
  const auto row = std::find_if(table.begin(), table.end(), [&](const auto& r) { return node.op_type == r.first; });
  if (row == table.end()) unit.decline("of plain integers is not supported; quantize its inputs");
  if (node.inputs.size() != 2)
    unit.decline("of ", node.inputs.size(), " tensors of plain integers is not supported; chain pairs of two");
  ir::IntegerArithmeticAttrs attrs{row->second};
  if (attrs.op == Integer::modulus && attribute(node, "fmod", std::int64_t{0}) != 0) attrs.op = Integer::remainder;
  const ir::DType dtype = add_plain_inputs(unit);
  if (!ir::is_integer(dtype)) reject(node, "its inputs are ", ir::name(dtype));
  unit.require_activation();
  unit.finish_plain(attrs, {dtype});
}

}  // namespace

void modulus(UnitBuilder& unit) {
  const Node& node = unit.node();
  if (node.inputs.size() != 2) reject(node, "has ", node.inputs.size(), " inputs");
  if (!unit.is_plain(0))
    unit.decline("of numbers that are no plain integers is not supported; leave it to another provider");
  integer_arithmetic(unit);
}

void arithmetic(UnitBuilder& unit) {
  const Node& node = unit.node();
  if (has_attribute(node, "broadcast") || has_attribute(node, "consumed_inputs")) {
    unit.decline("opset versions before 7 are not supported");
  }
  if (has_input(node, 0) && unit.is_plain(0)) return integer_arithmetic(unit);
  ir::ArithmeticAttrs attrs;
  attrs.op = arithmetic_op(node.op_type);
  const bool variadic = node.op_type == "Sum" || attrs.op == Op::min || attrs.op == Op::max;
  if (variadic ? node.inputs.empty() : node.inputs.size() != 2) reject(node, "has ", node.inputs.size(), " inputs");
  for (std::size_t i = 0; i < node.inputs.size(); ++i) unit.require_per_tensor(unit.add_operand(i));
  unit.require_activation();
  if (node.inputs.size() == 1) return unit.finish(ir::ElementwiseAttrs{{ir::Activation::Kind::identity, 0.0, 0.0}});
  unit.finish(attrs);
}

void activation(UnitBuilder& unit) {
  const ir::Activation function = read_activation(unit.index(), unit.node());
  unit.add_activation(0);
  for (std::size_t i = 1; i < unit.node().inputs.size(); ++i) unit.cover_dequantize(unit.node().inputs[i]);
  unit.finish(ir::ElementwiseAttrs{function});
}

void prelu(UnitBuilder& unit) {
  unit.add_activation(0);
  unit.require_per_tensor(unit.add_operand(1));
  ir::ArithmeticAttrs attrs;
  attrs.op = Op::prelu;
  unit.finish(attrs);
}

void softmax(UnitBuilder& unit) {
  const Node& node = unit.node();
  const bool coerced =
      node.since_version < 13;  // Softmax-13 works along one axis; before, the input was made 2-D there
  ir::SoftmaxAttrs attrs;
  attrs.log = node.op_type == "LogSoftmax";
  attrs.axis = attribute(node, "axis", std::int64_t{coerced ? 1 : -1});
  attrs.flatten_to_2d = coerced;
  unit.add_activation(0);
  unit.finish(attrs);
}

void gate(UnitBuilder& unit, std::size_t sigmoid) {
  const Node& function = unit.index().node(sigmoid);
  unit.add_activation(unit.node().inputs[0] == function.outputs[0] ? 1 : 0);
  unit.cover(sigmoid);
  unit.cover_dequantize(function.inputs[0]);
  unit.finish(ir::ElementwiseAttrs{{ir::Activation::Kind::swish, 1.0, 0.0}});
}

}  // namespace vaip::frontend::rules
