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
                                                                   {"Equal", rules::comparison},
                                                                   {"Greater", rules::comparison},
                                                                   {"GreaterOrEqual", rules::comparison},
                                                                   {"Less", rules::comparison},
                                                                   {"LessOrEqual", rules::comparison},
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
                                                                   {"ConvInteger", rules::integer_product},
                                                                   {"QuantizeLinear", rules::quantize},
                                                                   {"DequantizeLinear", rules::dequantize}};
  static const std::unordered_map<std::string_view, Rule> contrib = {
      {"DynamicQuantizeMatMul", rules::dynamic_quantize_matmul},
      {"MatMulIntegerToFloat", rules::dynamic_quantize_matmul},
      {"MatMulNBits", rules::matmul_nbits}};
  if (const auto found = contrib.find(node.op_type); node.domain == "com.microsoft" && found != contrib.end())
    return found->second;
  const auto found = table.find(node.op_type);
  const bool quantization =
      found != table.end() && (found->second == rules::quantize || found->second == rules::dequantize);
  if (found != table.end() && (node.domain.empty() || (quantization && node.domain == "com.microsoft")))
    return found->second;
  return is_activation(node) ? rules::activation : nullptr;
}

}  // namespace vaip::frontend
