// Operators that list scales and zero points among their inputs instead of standing between Q and DQ: all but the
// products. com.microsoft's are those that onnxruntime's quantizer writes in its QOperator format.
#include "frontend/integer_operators.h"
#include "frontend/rules.h"

namespace vaip::frontend::rules {

ir::Value add_qlinear_tensor(UnitBuilder& unit, std::size_t input, std::size_t channel_axis) {
  if (!has_input(unit.node(), input)) reject(unit.node(), "input ", input, " is missing");
  const std::string& name = unit.node().inputs[input];
  const Quantization quantization = read_parameters(unit.index(), unit.node(), name, input + 1, channel_axis);
  if (!allowed(Role::activation, quantization.dtype)) {
    unit.decline("`", name, "` is ", ir::name(quantization.dtype), " (supported: ", allowed_types(Role::activation),
                 ")");
  }
  return unit.add_integer_tensor(input, quantization);
}

Quantization qlinear_output(const UnitBuilder& unit) {
  const Node& node = unit.node();
  return read_parameters(unit.index(), node, node.outputs[0], qlinear_inputs(node)->output_scale, 0);
}

namespace {

// One computed tensor in, one out.
ir::Value add_only_tensor(UnitBuilder& unit) {
  const ir::Value x = add_qlinear_tensor(unit, 0);
  unit.require_activation();
  return x;
}

bool channels_last(const UnitBuilder& unit) { return attribute(unit.node(), "channels_last", std::int64_t{0}) != 0; }

}  // namespace

void qlinear_arithmetic(UnitBuilder& unit) {
  unit.require_per_tensor(add_qlinear_tensor(unit, 0));
  unit.require_per_tensor(add_qlinear_tensor(unit, 3));
  unit.require_activation();
  ir::ArithmeticAttrs attrs;
  attrs.op = unit.node().op_type == "QLinearMul" ? ir::ArithmeticAttrs::Op::mul : ir::ArithmeticAttrs::Op::add;
  unit.finish_quantized(attrs, qlinear_output(unit));
}

void qlinear_activation(UnitBuilder& unit) {
  add_only_tensor(unit);
  ir::Activation function;
  if (unit.node().op_type == "QLinearLeakyRelu") {
    function = {ir::Activation::Kind::leaky_relu, attribute(unit.node(), "alpha", 0.01F), 0.0};
  } else {
    function.kind = ir::Activation::Kind::sigmoid;
  }
  unit.finish_quantized(ir::ElementwiseAttrs{function}, qlinear_output(unit));
}

void qlinear_average_pool(UnitBuilder& unit) {
  if (channels_last(unit))
    unit.decline(
        "channels_last pools are not supported (onnxruntime's NHWC optimization makes them); give it the model in "
        "NCHW");
  check_pool_rank(unit, add_only_tensor(unit));
  unit.finish_quantized(read_pool(unit.node(), ir::PoolAttrs::Op::average), qlinear_output(unit));
}

void qlinear_global_average_pool(UnitBuilder& unit) {
  const ir::Value x = add_only_tensor(unit);
  ir::ReduceAttrs attrs;
  attrs.all_from_axis2 = !channels_last(unit);
  if (channels_last(unit)) {
    if (x.shape.size() < 3) reject(unit.node(), "an input of rank ", x.shape.size(), " has no spatial dimension");
    for (std::size_t axis = 1; axis + 1 < x.shape.size(); ++axis) attrs.axes.push_back(static_cast<std::int64_t>(axis));
  }
  unit.finish_quantized(std::move(attrs), qlinear_output(unit));
}

void qlinear_reduce_mean(UnitBuilder& unit) {
  add_only_tensor(unit);
  ir::ReduceAttrs attrs;
  attrs.axes = attribute(unit.node(), "axes", std::vector<std::int64_t>{});
  attrs.keepdims = attribute(unit.node(), "keepdims", std::int64_t{1}) != 0;
  unit.finish_quantized(std::move(attrs), qlinear_output(unit));
}

void qlinear_softmax(UnitBuilder& unit) {
  add_only_tensor(unit);
  ir::SoftmaxAttrs attrs;
  attrs.axis = attribute(unit.node(), "axis", std::int64_t{-1});
  attrs.flatten_to_2d = attribute(unit.node(), "opset", std::int64_t{13}) < 13;  // of the Softmax that it came from
  unit.finish_quantized(attrs, qlinear_output(unit));
}

void qlinear_where(UnitBuilder& unit) {
  if (!unit.is_plain(0)) unit.decline("the type of the condition `", unit.node().inputs[0], "` is not known");
  const ir::DType type = unit.add_plain(0).dtype;
  if (type != ir::DType::boolean) reject(unit.node(), "the condition is ", ir::name(type));
  unit.require_per_tensor(add_qlinear_tensor(unit, 1));
  unit.require_per_tensor(add_qlinear_tensor(unit, 4));
  unit.require_activation();
  unit.finish_quantized(ir::WhereAttrs{}, qlinear_output(unit));
}

void qlinear_concat(UnitBuilder& unit) {
  const Node& node = unit.node();
  if (!has_attribute(node, "axis")) reject(node, "has no axis");
  if (node.inputs.size() < 5 || node.inputs.size() % 3 != 2) {
    reject(node, "has ", node.inputs.size(),
           " inputs; a scale and a zero point belong to the output and to each tensor");
  }
  for (std::size_t input = 2; input < node.inputs.size(); input += 3)
    unit.require_per_tensor(add_qlinear_tensor(unit, input));
  unit.require_activation();
  unit.finish_quantized(ir::ConcatAttrs{attribute(node, "axis", std::int64_t{0})}, qlinear_output(unit));
}

}  // namespace vaip::frontend::rules
