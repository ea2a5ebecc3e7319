// The operators that list scales and zero points among their inputs instead of standing between Q and DQ.
#include "frontend/rules.h"

namespace vaip::frontend::rules {
namespace {

void check_inputs(const UnitBuilder& unit) {
  for (std::size_t i = 0; i < 8; ++i) {
    if (!has_input(unit.node(), i)) reject(unit.node(), "input ", i, " is missing");
  }
}

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

ir::Value add_tensor(UnitBuilder& unit, std::size_t input, std::size_t channel_axis) {
  const Quantization quantization = read_parameters(unit.index(), unit.node(), input + 1, input + 2, channel_axis);
  if (!allowed(Role::activation, quantization.dtype)) {
    unit.decline("`", unit.node().inputs[input], "` is ", ir::name(quantization.dtype),
                 " (supported: ", allowed_types(Role::activation), ")");
  }
  return unit.add_integer_tensor(input, quantization);
}

std::size_t constant_rank(const UnitBuilder& unit, std::size_t input) {
  const TensorData* constant = unit.index().constant(unit.node().inputs[input]);
  return constant ? constant->shape.size() : 0;
}

}  // namespace

void qlinear_conv(UnitBuilder& unit) {
  check_inputs(unit);
  const ir::Value x = add_tensor(unit, 0, 0);
  if (x.constant) unit.decline("input `", x.name, "` is a constant");
  const ir::Value weight = add_tensor(unit, 3, 0);
  if (weight.constant && weight.shape.empty()) reject(unit.node(), "weight `", weight.name, "` is a scalar");
  check_weight(unit, weight);
  if (has_input(unit.node(), 8)) {
    // The bias is in the accumulator's unit: scale x_scale * w_scale, zero point 0.
    Quantization bias;
    bias.dtype = ir::DType::s32;
    for (const float scale : weight.quant->scale) bias.params.scale.push_back(x.quant->scale[0] * scale);
    bias.params.zero_point.assign(bias.params.scale.size(), 0);
    if (!unit.index().constant(unit.node().inputs[8]))
      unit.decline("bias `", unit.node().inputs[8], "` is not constant");
    unit.add_integer_tensor(8, bias);
  } else {
    unit.add_absent();
  }
  unit.finish_quantized(read_conv(unit, x, weight), read_parameters(unit.index(), unit.node(), 6, 7, 0));
}

void qlinear_matmul(UnitBuilder& unit) {
  check_inputs(unit);
  const ir::Value a = add_tensor(unit, 0, 0);
  unit.require_per_tensor(a);
  const std::size_t rank = constant_rank(unit, 3);
  const ir::Value b = add_tensor(unit, 3, rank > 0 ? rank - 1 : 0);
  if (b.constant && !b.quant->per_tensor() && rank < 2)
    unit.decline("per-channel parameters of the vector `", b.name, "`");
  if (b.constant) check_weight(unit, b);
  unit.require_activation();
  unit.add_absent();
  unit.finish_quantized(ir::MatMulAttrs{}, read_parameters(unit.index(), unit.node(), 6, 7, 0));
}

}  // namespace vaip::frontend::rules
