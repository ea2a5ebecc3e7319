// Comparisons, logic, selection by a condition, and changes of the element type.
#include <string_view>
#include <unordered_map>

#include "frontend/rules.h"
#include "frontend/unit_values.h"

namespace vaip::frontend::rules {
namespace {

const std::unordered_map<std::string_view, ir::ComparisonAttrs::Op>& comparisons() {
  using Op = ir::ComparisonAttrs::Op;
  static const std::unordered_map<std::string_view, Op> table = {{"Equal", Op::equal},
                                                                 {"Greater", Op::greater},
                                                                 {"GreaterOrEqual", Op::greater_or_equal},
                                                                 {"Less", Op::less},
                                                                 {"LessOrEqual", Op::less_or_equal}};
  return table;
}

const std::unordered_map<std::string_view, ir::LogicAttrs::Op>& logic_functions() {
  using Op = ir::LogicAttrs::Op;
  static const std::unordered_map<std::string_view, Op> table = {
      {"And", Op::logical_and},        {"Or", Op::logical_or},          {"Xor", Op::logical_xor},
      {"Not", Op::logical_not},        {"BitwiseAnd", Op::bitwise_and}, {"BitwiseOr", Op::bitwise_or},
      {"BitwiseXor", Op::bitwise_xor}, {"BitwiseNot", Op::bitwise_not}};
  return table;
}

void require_inputs(const UnitBuilder& unit, std::size_t count) {
  const Node& node = unit.node();
  if (node.inputs.size() != count) reject(node, "has ", node.inputs.size(), " inputs");
  if (has_attribute(node, "broadcast")) unit.decline("opset versions before 7 are not supported");
}

// Two tensors of one plain type, or two of numbers.
void add_pair(UnitBuilder& unit, std::size_t first) {
  const ir::DType a = unit.add_elements(first).dtype;
  const ir::DType b = unit.add_elements(first + 1).dtype;
  const bool mixed = unit.is_plain(first) != unit.is_plain(first + 1) || (unit.is_plain(first) && a != b);
  if (mixed) reject(unit.node(), "its inputs are ", ir::name(a), " and ", ir::name(b));
}

}  // namespace

ir::DType add_plain_inputs(UnitBuilder& unit) {
  const Node& node = unit.node();
  ir::DType dtype = ir::DType::undefined;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (!unit.is_plain(i)) unit.decline("the type of `", node.inputs[i], "` is not known, or not bool or integer");
    const ir::DType own = unit.add_plain(i).dtype;
    if (i > 0 && own != dtype) reject(node, "its inputs are ", ir::name(dtype), " and ", ir::name(own));
    dtype = own;
  }
  return dtype;
}

void comparison(UnitBuilder& unit) {
  require_inputs(unit, 2);
  add_pair(unit, 0);
  unit.require_activation();
  unit.finish_plain(ir::ComparisonAttrs{comparisons().at(unit.node().op_type)}, {ir::DType::boolean});
}

// What is not a number differs from itself.
void is_nan(UnitBuilder& unit) {
  require_inputs(unit, 1);
  for (int side = 0; side < 2; ++side) unit.require_per_tensor(unit.add_operand(0));
  unit.require_activation();
  unit.finish_plain(ir::ComparisonAttrs{ir::ComparisonAttrs::Op::unequal}, {ir::DType::boolean});
}

void logic(UnitBuilder& unit) {
  const Node& node = unit.node();
  ir::LogicAttrs attrs;
  if (node.op_type == "BitShift") {
    const std::string direction = attribute(node, "direction", "");
    if (direction != "LEFT" && direction != "RIGHT") reject(node, "direction is '", direction, "'");
    attrs.op = direction == "LEFT" ? ir::LogicAttrs::Op::shift_left : ir::LogicAttrs::Op::shift_right;
  } else {
    attrs.op = logic_functions().at(node.op_type);
  }
  require_inputs(unit, node.op_type == "Not" || node.op_type == "BitwiseNot" ? 1 : 2);
  const ir::DType dtype = add_plain_inputs(unit);
  unit.require_activation();
  unit.finish_plain(attrs, {dtype});
}

void where(UnitBuilder& unit) {
  require_inputs(unit, 3);
  const std::string& condition = unit.node().inputs[0];
  if (!unit.is_plain(0)) unit.decline("the type of the condition `", condition, "` is not known, or not bool");
  const ir::DType type = unit.add_plain(0).dtype;
  if (type != ir::DType::boolean) reject(unit.node(), "the condition `", condition, "` is ", ir::name(type));
  add_pair(unit, 1);
  unit.require_activation();
  unit.finish(ir::WhereAttrs{});
}

void cast(UnitBuilder& unit) {
  const Node& node = unit.node();
  if (node.since_version < 6) unit.decline("opset versions before 6 are not supported");
  const ir::DType to = ir::from_onnx(static_cast<int>(attribute(node, "to", std::int64_t{0})));
  const bool to_plain = (ir::is_integer(to) && ir::size_of(to) > 0) || to == ir::DType::boolean;
  const bool to_float = unit.converts_floats() ? is_float_type(to) : to == ir::DType::f32;
  if (!to_plain && !to_float) {
    unit.decline("a cast to ", ir::name(to), " is not supported (supported: float, bool, integers)");
  }
  const bool from_plain = unit.is_plain(0);
  const ir::Value& x = unit.add_elements(0);
  const bool quantized = x.quant.has_value();
  unit.require_activation();
  if (!from_plain && !to_plain) {  // from float to float
    return unit.finish(ir::ReshapeAttrs{ir::ReshapeAttrs::Op::identity, {}, false});
  }
  if (quantized) unit.decline("a cast of quantized numbers to ", ir::name(to), " is not supported");
  to_plain ? unit.finish_plain(ir::CastAttrs{}, {to}) : unit.finish_float(ir::CastAttrs{});
}

}  // namespace vaip::frontend::rules
