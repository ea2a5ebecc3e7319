// QLinearConv, QLinearMatMul, QGemm: products that list scales and zero points among their inputs.
#include "frontend/rules.h"

namespace vaip::frontend::rules {
namespace {

void check_weight(const UnitBuilder& unit, const ir::Value& weight) {
  if (!weight.constant) unit.decline("weight `", weight.name, "` is not constant");
  if (!allowed(Role::weight, weight.dtype)) {
    unit.decline("weight `", weight.name, "` is ", ir::name(weight.dtype), " (supported: ", allowed_types(Role::weight),
                 ")");
  }
  if (!weight.quant->per_tensor()) {
    const std::int64_t channels = weight.shape[static_cast<std::size_t>(weight.quant->axis)];
    if (channels != static_cast<std::int64_t>(weight.quant->scale.size())) {
      reject(unit.node(), "weight `", weight.name, "` has ", weight.quant->scale.size(), " scales for ", channels,
             " channels");
    }
  }
}

// The bias is in the accumulator's unit: scale x_scale * w_scale, zero point 0.
void add_accumulator_bias(UnitBuilder& unit, std::size_t input, const ir::Value& x, const ir::Value& weight) {
  if (!has_input(unit.node(), input)) return unit.add_absent();
  Quantization bias;
  bias.dtype = ir::DType::s32;
  for (const float scale : weight.quant->scale) bias.params.scale.push_back(x.quant->scale[0] * scale);
  bias.params.zero_point.assign(bias.params.scale.size(), 0);
  const std::string& name = unit.node().inputs[input];
  const TensorData* constant = unit.index().constant(name);
  if (!constant) unit.decline("bias `", name, "` is not constant");
  bias.params.axis = constant->shape.empty() ? 0 : static_cast<int>(constant->shape.size()) - 1;
  unit.add_integer_tensor(input, bias);
}

std::size_t constant_rank(const UnitBuilder& unit, std::size_t input) {
  if (!has_input(unit.node(), input)) reject(unit.node(), "input ", input, " is missing");
  const TensorData* constant = unit.index().constant(unit.node().inputs[input]);
  return constant ? constant->shape.size() : 0;
}

// A factor whose parameters may vary along its columns, if it is a constant.
ir::Value add_columns(UnitBuilder& unit, std::size_t input, bool transposed) {
  const std::size_t rank = constant_rank(unit, input), from_end = transposed ? 2 : 1;
  const ir::Value factor = add_qlinear_tensor(unit, input, rank >= from_end ? rank - from_end : 0);
  if (!factor.constant) return factor;
  if (!factor.quant->per_tensor() && rank < 2) unit.decline("per-channel parameters of the vector `", factor.name, "`");
  check_weight(unit, factor);
  return factor;
}

}  // namespace

void qlinear_conv(UnitBuilder& unit) {
  const ir::Value x = add_qlinear_tensor(unit, 0);
  if (x.constant) unit.decline("input `", x.name, "` is a constant");
  const ir::Value weight = add_qlinear_tensor(unit, 3);
  if (weight.constant && weight.shape.empty()) reject(unit.node(), "weight `", weight.name, "` is a scalar");
  check_weight(unit, weight);
  add_accumulator_bias(unit, 8, x, weight);
  unit.finish_quantized(read_conv(unit, x, weight), qlinear_output(unit));
}

void qlinear_matmul(UnitBuilder& unit) {
  unit.require_per_tensor(add_qlinear_tensor(unit, 0));
  add_columns(unit, 3, false);
  unit.require_activation();
  unit.add_absent();
  unit.finish_quantized(ir::MatMulAttrs{}, qlinear_output(unit));
}

void qgemm(UnitBuilder& unit) {
  const Node& node = unit.node();
  ir::MatMulAttrs attrs;
  attrs.transpose_a = attribute(node, "transA", std::int64_t{0}) != 0;
  attrs.transpose_b = attribute(node, "transB", std::int64_t{0}) != 0;
  attrs.alpha = attrs.beta = attribute(node, "alpha", 1.0F);  // C's unit is that of alpha * A' B'
  const ir::Value a = add_qlinear_tensor(unit, 0);
  unit.require_per_tensor(a);
  const ir::Value b = add_columns(unit, 3, attrs.transpose_b);
  if (a.shape.size() != 2 || b.shape.size() != 2) {
    reject(node, "operands of shapes ", ir::to_string(a.shape), " and ", ir::to_string(b.shape), " are not matrices");
  }
  unit.require_activation();
  add_accumulator_bias(unit, 6, a, b);
  if (has_input(node, 7)) return unit.finish_quantized(attrs, qlinear_output(unit));
  unit.finish_float(attrs);
}

}  // namespace vaip::frontend::rules
