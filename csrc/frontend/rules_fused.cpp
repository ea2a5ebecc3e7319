// Operators of com.microsoft that onnxruntime's optimizations make of several: products with a scale, a transposed
// operand or an activation, additions behind a normalization or before a Gelu. Attention has a file of its own.
#include <array>
#include <string_view>
#include <utility>

#include "frontend/rules.h"

namespace vaip::frontend::rules {
namespace {

using Kind = ir::Activation::Kind;

ir::Activation make_activation(const UnitBuilder& unit, const std::string& name, double alpha, double beta) {
  constexpr std::array<std::pair<std::string_view, Kind>, 8> table = {{{"Relu", Kind::relu},
                                                                       {"Tanh", Kind::tanh},
                                                                       {"Sigmoid", Kind::sigmoid},
                                                                       {"LeakyRelu", Kind::leaky_relu},
                                                                       {"Elu", Kind::elu},
                                                                       {"Clip", Kind::clip},
                                                                       {"HardSigmoid", Kind::hard_sigmoid},
                                                                       {"Softplus", Kind::softplus}}};
  if (name.empty()) return {};
  for (const auto& [known, kind] : table) {
    if (name == known) return {kind, alpha, beta};
  }
  unit.decline("the fused activation ", name, " is not supported; optimize the model without that fusion");
}

// Its parameters come as a list, without which the function's own defaults hold.
ir::Activation conv_activation(const UnitBuilder& unit) {
  const std::string name = attribute(unit.node(), "activation", "");
  std::vector<float> parameters = attribute(unit.node(), "activation_params", std::vector<float>{});
  if (parameters.empty() && name == "LeakyRelu") parameters = {0.01F};
  if (parameters.empty() && name == "HardSigmoid") parameters = {0.2F, 0.5F};
  if (parameters.empty() && name == "Elu") parameters = {1.0F};
  if (name == "Clip" && parameters.size() != 2) reject(unit.node(), "Clip has ", parameters.size(), " parameters");
  parameters.resize(2);
  return make_activation(unit, name, parameters[0], parameters[1]);
}

}  // namespace

void fused_matmul(UnitBuilder& unit) {
  const Node& node = unit.node();
  for (const char* name : {"transBatchA", "transBatchB"})
    if (attribute(node, name, std::int64_t{0}) != 0) unit.decline(name, " is not supported; transpose before it");
  ir::MatMulAttrs attrs;
  attrs.transpose_a = attribute(node, "transA", std::int64_t{0}) != 0;
  attrs.transpose_b = attribute(node, "transB", std::int64_t{0}) != 0;
  attrs.alpha = attribute(node, "alpha", 1.0F);
  product(unit, std::move(attrs));
}

void fused_gemm(UnitBuilder& unit) {
  const Node& node = unit.node();
  const std::string name = attribute(node, "activation", "");
  const float alpha = attribute(node, "activation_alpha", name == "HardSigmoid" ? 0.2F : name == "Elu" ? 1.0F : 0.01F);
  const ir::Activation activation = make_activation(unit, name, alpha, attribute(node, "activation_beta", 0.5F));
  gemm(unit, activation);
}

// The fourth input is added before the activation.
void fused_conv(UnitBuilder& unit) {
  const ir::Activation activation = conv_activation(unit);
  if (!has_input(unit.node(), 3)) return conv(unit, activation);
  if (!unit.converts_floats()) unit.decline("an input added to its sum is not supported; optimize without that fusion");
  const ir::Value x = unit.add_activation(0);
  const ir::Value weight = unit.add_weight(1);
  unit.add_bias(2);
  const ir::ValueId sum = unit.step(read_conv(unit, x, weight), "conv")[0];
  unit.add_result(sum);
  unit.add_activation(3);
  ir::ArithmeticAttrs add;
  add.activation = activation;
  unit.finish(std::move(add));
}

void fast_gelu(UnitBuilder& unit) {
  const bool exact = unit.node().op_type == "BiasGelu";
  const ir::Activation gelu = {exact ? Kind::gelu : Kind::gelu_tanh, 0.0, 0.0};
  unit.add_activation(0);
  if (!has_input(unit.node(), 1)) return unit.finish(ir::ElementwiseAttrs{gelu});
  unit.require_per_tensor(unit.add_operand(1));
  ir::ArithmeticAttrs add;
  add.activation = gelu;
  unit.finish(std::move(add));
}

void skip_normalization(UnitBuilder& unit) {
  const Node& node = unit.node();
  if (!unit.converts_floats()) {
    unit.decline(
        "adds its inputs without a QuantizeLinear behind the sum; write it as Add and LayerNormalization (or "
        "RMSNormalization) and quantize both");
  }
  const bool layer = node.op_type == "SkipLayerNormalization";
  const auto is_used = [&](std::size_t output) {
    if (output >= node.outputs.size() || node.outputs[output].empty()) return false;
    return unit.index().escapes(node.outputs[output]) || !unit.index().consumers(node.outputs[output]).empty();
  };
  if (is_used(1) || is_used(2)) unit.decline("its outputs mean and inv_std_var are not supported");
  const std::size_t bias = layer ? 4 : 3;
  unit.add_activation(0);
  unit.add_activation(1);
  if (has_input(node, bias)) unit.add_operand(bias);
  const ir::ValueId sum = is_used(3) ? unit.step_to(ir::ArithmeticAttrs{}, "add", node.outputs[3])
                                     : unit.step(ir::ArithmeticAttrs{}, "add")[0];
  unit.add_result(sum);
  unit.add_bias(2, "gamma");
  if (layer) unit.add_bias(3, "beta");
  ir::NormalizationAttrs attrs;
  attrs.op = layer ? ir::NormalizationAttrs::Op::layer : ir::NormalizationAttrs::Op::rms;
  attrs.epsilon = attribute(node, "epsilon", 1e-12F);
  unit.finish(attrs, 1);
}

}  // namespace vaip::frontend::rules
