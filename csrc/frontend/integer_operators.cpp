#include "frontend/integer_operators.h"

#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "frontend/node_access.h"

namespace vaip::frontend {
namespace {

using Table = std::unordered_map<std::string_view, QLinearInputs>;

const Table& onnx_operators() {
  static const Table table = {{"QLinearConv", {{0, 3}, 6}}, {"QLinearMatMul", {{0, 3}, 6}}};
  return table;
}

const Table& microsoft_operators() {
  static const Table table = {{"QLinearAdd", {{0, 3}, 6}},      {"QLinearMul", {{0, 3}, 6}},
                              {"QLinearSigmoid", {{0}, 3}},     {"QLinearLeakyRelu", {{0}, 3}},
                              {"QLinearAveragePool", {{0}, 3}}, {"QLinearGlobalAveragePool", {{0}, 3}},
                              {"QLinearReduceMean", {{0}, 3}},  {"QLinearSoftmax", {{0}, 3}},
                              {"QLinearWhere", {{1, 4}, 7}},    {"QGemm", {{0, 3}, 7}}};
  return table;
}

}  // namespace

std::optional<QLinearInputs> qlinear_inputs(const Node& node) {
  if (!node.domain.empty() && node.domain != "com.microsoft") return std::nullopt;
  if (node.op_type == "QLinearConcat" && !node.domain.empty()) {  // the output's parameters, then any number of tensors
    QLinearInputs inputs;
    for (std::size_t i = 2; i < node.inputs.size(); i += 3) inputs.tensors.push_back(i);
    return inputs;
  }
  const Table& table = node.domain.empty() ? onnx_operators() : microsoft_operators();
  const auto found = table.find(node.op_type);
  return found == table.end() ? std::nullopt : std::optional<QLinearInputs>(found->second);
}

bool moves_elements(const Node& node) {
  static const std::unordered_set<std::string_view> names = {
      "Concat",   "DepthToSpace", "Expand", "Flatten",   "Gather",    "GatherElements", "GatherND",
      "Identity", "MaxPool",      "Pad",    "ReduceMax", "ReduceMin", "Reshape",        "Resize",
      "Slice",    "SpaceToDepth", "Split",  "Squeeze",   "Tile",      "Transpose",      "Unsqueeze"};
  return node.domain.empty() && names.count(node.op_type) != 0 && has_input(node, 0);
}

}  // namespace vaip::frontend
