#include "frontend/rules.h"

#include <string_view>
#include <unordered_map>

#include "frontend/activations.h"

namespace vaip::frontend {

Rule find_rule(const Node& node) {
  static const std::unordered_map<std::string_view, Rule> table = {{"Conv", rules::conv},
                                                                   {"Gemm", rules::gemm},
                                                                   {"MatMul", rules::matmul},
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
                                                                   {"Resize", rules::resize},
                                                                   {"Upsample", rules::upsample},
                                                                   {"DynamicQuantizeLinear", rules::dynamic_quantize},
                                                                   {"MatMulInteger", rules::integer_product},
                                                                   {"ConvInteger", rules::integer_product}};
  static const std::unordered_map<std::string_view, Rule> contrib = {
      {"DynamicQuantizeMatMul", rules::dynamic_quantize_matmul},
      {"MatMulIntegerToFloat", rules::dynamic_quantize_matmul},
      {"MatMulNBits", rules::matmul_nbits},
      {"QGemm", rules::qgemm},
      {"QLinearAdd", rules::qlinear_arithmetic},
      {"QLinearMul", rules::qlinear_arithmetic},
      {"QLinearSigmoid", rules::qlinear_activation},
      {"QLinearLeakyRelu", rules::qlinear_activation},
      {"QLinearAveragePool", rules::qlinear_average_pool},
      {"QLinearGlobalAveragePool", rules::qlinear_global_average_pool},
      {"QLinearReduceMean", rules::qlinear_reduce_mean},
      {"QLinearSoftmax", rules::qlinear_softmax},
      {"QLinearConcat", rules::qlinear_concat}};
  if (is_quantize_operator(node)) return rules::quantize;
  if (is_dequantize_operator(node)) return rules::dequantize;
  if (node.domain.empty() || node.domain == "com.microsoft") {
    const auto& operators = node.domain.empty() ? table : contrib;
    const auto found = operators.find(node.op_type);
    if (found != operators.end()) return found->second;
  }
  return is_activation(node) ? rules::activation : nullptr;
}

}  // namespace vaip::frontend
