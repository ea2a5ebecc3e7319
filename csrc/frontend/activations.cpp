#include "frontend/activations.h"

#include <limits>
#include <string_view>
#include <unordered_map>

#include "frontend/constants.h"
#include "frontend/node_access.h"
#include "frontend/quantization.h"

namespace vaip::frontend {
namespace {

using Kind = ir::Activation::Kind;

// Operators of ai.onnx that are one scalar function, whatever their attributes. Those of the others are read below.
const std::unordered_map<std::string_view, Kind>& kinds() {
  static const std::unordered_map<std::string_view, Kind> table = {{"Relu", Kind::relu},
                                                                   {"Clip", Kind::clip},
                                                                   {"LeakyRelu", Kind::leaky_relu},
                                                                   {"Elu", Kind::elu},
                                                                   {"Sigmoid", Kind::sigmoid},
                                                                   {"HardSigmoid", Kind::hard_sigmoid},
                                                                   {"HardSwish", Kind::hard_swish},
                                                                   {"Swish", Kind::swish},
                                                                   {"Tanh", Kind::tanh},
                                                                   {"Gelu", Kind::gelu},
                                                                   {"Softplus", Kind::softplus},
                                                                   {"Mish", Kind::mish},
                                                                   {"Exp", Kind::exp},
                                                                   {"Log", Kind::log},
                                                                   {"Sqrt", Kind::sqrt},
                                                                   {"Reciprocal", Kind::reciprocal},
                                                                   {"Neg", Kind::neg},
                                                                   {"Abs", Kind::abs},
                                                                   {"Erf", Kind::erf},
                                                                   {"Floor", Kind::floor},
                                                                   {"Ceil", Kind::ceil},
                                                                   {"Round", Kind::round},
                                                                   {"Sign", Kind::sign},
                                                                   {"Celu", Kind::celu},
                                                                   {"Selu", Kind::selu},
                                                                   {"Softsign", Kind::softsign},
                                                                   {"Shrink", Kind::shrink},
                                                                   {"ThresholdedRelu", Kind::thresholded_relu},
                                                                   {"Sin", Kind::sin},
                                                                   {"Cos", Kind::cos}};
  return table;
}

// A PRelu with one slope for all elements is a LeakyRelu.
bool has_single_slope(const GraphIndex& index, const Node& node, double& slope) {
  if (!has_input(node, 1)) return false;
  const auto slopes = constant_reals(index, node.inputs[1]);
  if (!slopes || slopes->size() != 1) return false;
  slope = (*slopes)[0];
  return true;
}

double bound(const GraphIndex& index, const Node& node, std::size_t input, const char* name, float fallback) {
  if (node.since_version < 11) return attribute(node, name, fallback);
  if (!has_input(node, input)) return fallback;
  const auto value = constant_reals(index, node.inputs[input]);
  if (!value) decline(node, name, " `", node.inputs[input], "` is not a constant; make it one");
  if (value->size() != 1) reject(node, name, " `", node.inputs[input], "` is not a scalar");
  return (*value)[0];
}

bool is_product(const Node& node) {
  return node.op_type == "Mul" && node.domain.empty() && node.inputs.size() == 2 && !node.outputs.empty() &&
         !node.outputs[0].empty();
}

}  // namespace

std::vector<std::string_view> activation_operators() {
  std::vector<std::string_view> names = {"PRelu", "QuickGelu"};
  for (const auto& [name, kind] : kinds()) names.push_back(name);
  return names;
}

bool is_activation(const Node& node) {
  if (node.inputs.empty() || node.outputs.empty() || node.outputs[0].empty()) return false;
  if (node.domain == "com.microsoft") return node.op_type == "Gelu" || node.op_type == "QuickGelu";
  return node.domain.empty() && (node.op_type == "PRelu" || kinds().count(node.op_type) != 0);
}

ir::Activation read_activation(const GraphIndex& index, const Node& node) {
  ir::Activation activation;
  if (node.op_type == "PRelu") {
    activation.kind = Kind::leaky_relu;
    if (!has_single_slope(index, node, activation.alpha)) decline(node, "its slope is not a single constant");
    return activation;
  }
  if (node.op_type == "QuickGelu") return {Kind::swish, attribute(node, "alpha", 1.702F), 0.0};
  activation.kind = kinds().at(node.op_type);
  switch (activation.kind) {
    case Kind::clip:
      activation.alpha = bound(index, node, 1, "min", std::numeric_limits<float>::lowest());
      activation.beta = bound(index, node, 2, "max", std::numeric_limits<float>::max());
      break;
    case Kind::leaky_relu:
      activation.alpha = attribute(node, "alpha", 0.01F);
      break;
    case Kind::elu:
    case Kind::celu:
    case Kind::thresholded_relu:
    case Kind::swish:
      activation.alpha = attribute(node, "alpha", 1.0F);
      break;
    case Kind::hard_sigmoid:
      activation.alpha = attribute(node, "alpha", 0.2F);
      activation.beta = attribute(node, "beta", 0.5F);
      break;
    case Kind::selu:
      activation.alpha = attribute(node, "alpha", 1.67326319217681884765625F);
      activation.beta = attribute(node, "gamma", 1.05070102214813232421875F);
      break;
    case Kind::shrink:
      activation.alpha = attribute(node, "lambd", 0.5F);
      activation.beta = attribute(node, "bias", 0.0F);
      break;
    case Kind::gelu: {
      const std::string approximate = attribute(node, "approximate", "none");
      if (approximate == "tanh") activation.kind = Kind::gelu_tanh;
      if (approximate != "tanh" && approximate != "none") reject(node, "approximate is '", approximate, "'");
      break;
    }
    default:
      break;
  }
  return activation;
}

std::optional<std::size_t> find_gate(const GraphIndex& index, std::size_t sigmoid) {
  const Node& node = index.node(sigmoid);
  if (node.op_type != "Sigmoid" || !is_activation(node)) return std::nullopt;
  const auto product = index.sole_consumer(node.outputs[0]);
  if (!product || !is_product(index.node(*product))) return std::nullopt;
  const Node& mul = index.node(*product);
  const std::string& other = mul.inputs[0] == node.outputs[0] ? mul.inputs[1] : mul.inputs[0];
  return same_tensor(index, other, node.inputs[0]) ? product : std::nullopt;
}

std::optional<Scaling> find_scaling(const GraphIndex& index, const std::string& value) {
  const auto product = index.sole_consumer(value);
  if (!product || !is_product(index.node(*product))) return std::nullopt;
  const Node& mul = index.node(*product);
  const std::string& other = mul.inputs[0] == value ? mul.inputs[1] : mul.inputs[0];
  const TensorData* constant = index.constant(other);
  // A rank of 0 or 1 leaves the shape of the other factor as it is, unless that is a scalar.
  if (!constant || constant->dtype != ir::DType::f32 || constant->shape.size() > 1) return std::nullopt;
  const std::vector<float> factor = float_elements(*constant, other);
  if (factor.size() != 1) return std::nullopt;
  return Scaling{*product, factor[0]};
}

}  // namespace vaip::frontend
