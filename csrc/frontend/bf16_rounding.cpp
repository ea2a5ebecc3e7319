#include "frontend/bf16_rounding.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_set>

#include "frontend/integer_operators.h"
#include "frontend/node_access.h"
#include "frontend/quantization.h"
#include "frontend/unit_values.h"

namespace vaip::frontend {
namespace {

// A scale of one for the whole tensor. (Anything else would be quantization to bfloat16, which nobody does.)
bool has_unit_scale(const GraphIndex& index, const Node& node) {
  const auto scale = constant_reals(index, node.inputs[1]);
  return scale && !scale->empty() && std::all_of(scale->begin(), scale->end(), [](double s) { return s == 1.0; });
}

bool computes_with_integers(const Node& node) {
  constexpr std::array<std::string_view, 7> names = {
      "DynamicQuantizeLinear", "MatMulInteger", "ConvInteger", "DynamicQuantizeMatMul",
      "MatMulIntegerToFloat",  "MatMulNBits",   "QGemm"};
  return node.op_type.rfind("QLinear", 0) == 0 || qlinear_inputs(node) ||
         std::find(names.begin(), names.end(), node.op_type) != names.end();
}

bool may_have_weights(const Node& node) {
  constexpr std::array<std::string_view, 8> products = {"Conv",      "ConvTranspose", "Gemm",        "MatMul",
                                                        "FusedConv", "FusedGemm",     "FusedMatMul", "Attention"};
  return std::find(products.begin(), products.end(), node.op_type) != products.end() ||
         node.op_type.find("Normalization") != std::string::npos;
}

}  // namespace

bool is_bf16_rounding(const GraphIndex& index, const Node& node) {
  if (!is_quantize(node) && !is_dequantize(node)) return false;
  ir::DType dtype = ir::DType::undefined;
  if (has_input(node, 2)) {
    if (const TensorData* zero = index.constant(node.inputs[2])) dtype = zero->dtype;
  } else {
    const std::string& tensor = is_quantize(node) ? node.outputs[0] : node.inputs[0];
    if (const TensorInfo* info = index.info(tensor)) dtype = info->dtype;
    if (const TensorData* constant = index.constant(tensor)) dtype = constant->dtype;
  }
  return dtype == ir::DType::bf16 && has_unit_scale(index, node);
}

bool is_quantized(const OnnxGraph& graph) {
  const GraphIndex index(graph);
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) {
    if (is_quantize_operator(node) || is_dequantize_operator(node)) return !is_bf16_rounding(index, node);
    return computes_with_integers(node);
  });
}

bool has_float_weights(const OnnxGraph& graph) {
  std::unordered_set<std::string_view> constants, weights;
  for (const auto& [name, tensor] : graph.constants) {
    constants.insert(name);
    if (is_float_type(tensor.dtype) && ir::element_count(tensor.shape) > 1) weights.insert(name);
  }
  for (const Node& node : graph.nodes) {
    const auto is_fixed = [&](const std::string& value) { return value.empty() || constants.count(value) != 0; };
    const auto is_weight = [&](const std::string& value) { return weights.count(value) != 0; };
    const bool weighted = std::any_of(node.inputs.begin(), node.inputs.end(), is_weight);
    if (!std::all_of(node.inputs.begin(), node.inputs.end(), is_fixed)) {
      if (weighted && may_have_weights(node)) return true;
      continue;
    }
    // A constant by way of a Cast, a Transpose, a QuantizeLinear to bfloat16, ...
    constants.insert(node.outputs.begin(), node.outputs.end());
    if (weighted) weights.insert(node.outputs.begin(), node.outputs.end());
  }
  return false;
}

}  // namespace vaip::frontend
