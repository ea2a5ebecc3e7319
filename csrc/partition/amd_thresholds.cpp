#include "partition/amd_thresholds.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "base/error.h"

namespace vaip::partition {
namespace {

using frontend::Node;

constexpr const char* kHowToClaim = "; \"compatibility\": \"none\" claims it";

bool is_reshape(const Node& node) {
  return node.domain.empty() && (node.op_type == "Flatten" || node.op_type == "Reshape" || node.op_type == "Squeeze");
}

bool rank_is_known(const frontend::OnnxGraph& graph, const std::string& value) {
  const auto found = graph.values.find(value);
  return found != graph.values.end() && found->second.has_shape;
}

}  // namespace

// AMD counts the operator Conv alone: not QLinearConv, not ConvTranspose.
std::string below_minimum_num_of_conv(const frontend::OnnxGraph& graph, const Config& config) {
  if (!config.minimum_num_of_conv) return "";
  const auto convolutions = std::count_if(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
    return node.op_type == "Conv" && node.domain.empty();
  });
  if (convolutions >= *config.minimum_num_of_conv) return "";
  return detail::concat("AMD's threshold minimum_num_of_conv = ", *config.minimum_num_of_conv, " (", config.source,
                        ") leaves a model with ", convolutions, " Conv nodes on the CPU", kHowToClaim);
}

std::string above_dpu_subgraph_num(std::size_t clusters, const Config& config) {
  if (!config.dpu_subgraph_num || static_cast<std::int64_t>(clusters) <= *config.dpu_subgraph_num) return "";
  return detail::concat("AMD's threshold dpu_subgraph_num = ", *config.dpu_subgraph_num, " (", config.source,
                        ") leaves a model that needs ", clusters, " subgraphs on the CPU", kHowToClaim);
}

std::vector<bool> trailing_reshapes(const frontend::OnnxGraph& graph) {
  std::unordered_set<std::string_view> wanted(graph.outputs.begin(), graph.outputs.end());
  std::vector<bool> trailing(graph.nodes.size(), false);
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    const Node& node = graph.nodes[i];
    if (!is_reshape(node) || node.outputs.empty() || wanted.count(node.outputs[0]) == 0) continue;
    wanted.insert(node.inputs.begin(), node.inputs.end());
    trailing[i] = rank_is_known(graph, node.outputs[0]);  // AMD's pass passes over others
  }
  return trailing;
}

std::string trailing_reshape_reason(const std::string& op_type) {
  return "AMD's pass convert_ending_blacklist_ops_to_unknown_op leaves a " + op_type +
         " at the end of a model on the CPU" + kHowToClaim;
}

}  // namespace vaip::partition
