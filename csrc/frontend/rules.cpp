#include "frontend/rules.h"

#include <map>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "frontend/activations.h"

namespace vaip::frontend {
namespace {

using CustomName = std::pair<std::string_view, std::string_view>;  // domain, operator

// Operators of other domains than ai.onnx.
const std::map<CustomName, Rule>& custom_rules() {
  static const std::map<CustomName, Rule> table = {
      {{"com.microsoft", "DynamicQuantizeMatMul"}, rules::dynamic_quantize_matmul},
      {{"com.microsoft", "MatMulIntegerToFloat"}, rules::dynamic_quantize_matmul},
      {{"com.microsoft", "MatMulNBits"}, rules::matmul_nbits},
      {{"com.microsoft", "QGemm"}, rules::qgemm},
      {{"com.microsoft", "QLinearAdd"}, rules::qlinear_arithmetic},
      {{"com.microsoft", "QLinearMul"}, rules::qlinear_arithmetic},
      {{"com.microsoft", "QLinearSigmoid"}, rules::qlinear_activation},
      {{"com.microsoft", "QLinearLeakyRelu"}, rules::qlinear_activation},
      {{"com.microsoft", "QLinearAveragePool"}, rules::qlinear_average_pool},
      {{"com.microsoft", "QLinearGlobalAveragePool"}, rules::qlinear_global_average_pool},
      {{"com.microsoft", "QLinearReduceMean"}, rules::qlinear_reduce_mean},
      {{"com.microsoft", "QLinearSoftmax"}, rules::qlinear_softmax},
      {{"com.microsoft", "QLinearWhere"}, rules::qlinear_where},
      {{"com.microsoft", "QLinearConcat"}, rules::qlinear_concat},
      {{"com.microsoft", "FusedMatMul"}, rules::fused_matmul},
      {{"com.microsoft", "FusedGemm"}, rules::fused_gemm},
      {{"com.microsoft", "FusedConv"}, rules::fused_conv},
      {{"com.microsoft", "BiasGelu"}, rules::fast_gelu},
      {{"com.microsoft", "FastGelu"}, rules::fast_gelu},
      {{"com.microsoft", "Attention"}, rules::attention},
      {{"com.microsoft", "MultiHeadAttention"}, rules::multi_head_attention},
      {{"com.microsoft", "EmbedLayerNormalization"}, rules::embed_layer_normalization},
      {{"com.microsoft", "SkipLayerNormalization"}, rules::skip_normalization},
      {{"com.microsoft", "SkipSimplifiedLayerNormalization"}, rules::skip_normalization},
      {{"com.amd.quark", "ExtendedInstanceNormalization"}, rules::instance_normalization},
      {{"com.vai.quantize", "VitisInstanceNormalization"}, rules::instance_normalization}};
  return table;
}

const std::unordered_map<std::string_view, Rule>& onnx_rules() {
  static const std::unordered_map<std::string_view, Rule> table = {
      {"Conv", rules::conv},
      {"Gemm", rules::gemm},
      {"MatMul", rules::matmul},
      {"ConvTranspose", rules::conv_transpose},
      {"QLinearConv", rules::qlinear_conv},
      {"QLinearMatMul", rules::qlinear_matmul},
      {"Add", rules::arithmetic},
      {"Sub", rules::arithmetic},
      {"Mul", rules::arithmetic},
      {"Div", rules::arithmetic},
      {"Min", rules::arithmetic},
      {"Max", rules::arithmetic},
      {"Sum", rules::arithmetic},
      {"Pow", rules::arithmetic},
      {"Mod", rules::modulus},
      {"PRelu", rules::prelu},
      {"Softmax", rules::softmax},
      {"LogSoftmax", rules::softmax},
      {"MaxPool", rules::pool},
      {"AveragePool", rules::pool},
      {"GlobalAveragePool", rules::global_pool},
      {"GlobalMaxPool", rules::global_pool},
      {"ReduceMean", rules::reduce},
      {"ReduceSum", rules::reduce},
      {"ReduceMax", rules::reduce},
      {"ReduceMin", rules::reduce},
      {"ReduceProd", rules::reduce},
      {"ReduceL1", rules::reduce},
      {"ReduceL2", rules::reduce},
      {"ReduceSumSquare", rules::reduce},
      {"ReduceLogSum", rules::reduce},
      {"ReduceLogSumExp", rules::reduce},
      {"LayerNormalization", rules::layer_normalization},
      {"RMSNormalization", rules::layer_normalization},
      {"SimplifiedLayerNormalization", rules::layer_normalization},
      {"InstanceNormalization", rules::instance_normalization},
      {"GroupNormalization", rules::group_normalization},
      {"BatchNormalization", rules::batch_normalization},
      {"LpNormalization", rules::lp_normalization},
      {"LRN", rules::local_response_normalization},
      {"Concat", rules::concat},
      {"Pad", rules::pad},
      {"Reshape", rules::reshape},
      {"Flatten", rules::flatten},
      {"Squeeze", rules::squeeze},
      {"Unsqueeze", rules::squeeze},
      {"Identity", rules::identity},
      {"Dropout", rules::dropout},
      {"Transpose", rules::transpose},
      {"Slice", rules::slice},
      {"Split", rules::split},
      {"Expand", rules::expand},
      {"Tile", rules::tile},
      {"DepthToSpace", rules::depth_to_space},
      {"SpaceToDepth", rules::depth_to_space},
      {"Gather", rules::gather},
      {"GatherElements", rules::gather},
      {"GatherND", rules::gather},
      {"ArgMax", rules::arg},
      {"ArgMin", rules::arg},
      {"TopK", rules::top_k},
      {"CumSum", rules::cum_sum},
      {"Shape", rules::shape},
      {"Size", rules::shape},
      {"Range", rules::range},
      {"ConstantOfShape", rules::constant_of_shape},
      {"Equal", rules::comparison},
      {"Greater", rules::comparison},
      {"GreaterOrEqual", rules::comparison},
      {"Less", rules::comparison},
      {"LessOrEqual", rules::comparison},
      {"IsNaN", rules::is_nan},
      {"And", rules::logic},
      {"Or", rules::logic},
      {"Xor", rules::logic},
      {"Not", rules::logic},
      {"BitwiseAnd", rules::logic},
      {"BitwiseOr", rules::logic},
      {"BitwiseXor", rules::logic},
      {"BitwiseNot", rules::logic},
      {"BitShift", rules::logic},
      {"Where", rules::where},
      {"Cast", rules::cast},
      {"Resize", rules::resize},
      {"Upsample", rules::upsample},
      {"DynamicQuantizeLinear", rules::dynamic_quantize},
      {"MatMulInteger", rules::integer_product},
      {"ConvInteger", rules::integer_product}};
  return table;
}

}  // namespace

Rule find_rule(const Node& node) {
  if (is_quantize_operator(node)) return rules::quantize;
  if (is_dequantize_operator(node)) return rules::dequantize;
  const auto custom = custom_rules().find({node.domain, node.op_type});
  if (custom != custom_rules().end()) return custom->second;
  const auto found = onnx_rules().find(node.op_type);
  if (found != onnx_rules().end() && node.domain.empty()) return found->second;
  return is_activation(node) ? rules::activation : nullptr;
}

std::set<std::string> recognised_operators() {
  std::set<std::string> names = quantization_operators();
  for (const auto& [name, rule] : onnx_rules()) names.emplace(name);
  for (const auto& [name, rule] : custom_rules()) names.emplace(name.second);
  for (const std::string_view name : activation_operators()) names.emplace(name);
  return names;
}

}  // namespace vaip::frontend
