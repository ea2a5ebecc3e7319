#include "api/unique_dequantize.h"

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "frontend/quantization.h"

namespace vaip {

using frontend::Node;
using frontend::OnnxGraph;

void give_each_reader_its_dequantize(OnnxGraph& graph) {
  std::unordered_map<std::string, std::size_t> dequantize;  // output -> node
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (frontend::is_dequantize(node) && node.outputs.size() == 1) dequantize.emplace(node.outputs[0], i);
  }
  // Graph outputs and subgraphs know a value by its name: they keep the original.
  std::unordered_set<std::string> taken(graph.outputs.begin(), graph.outputs.end());
  for (const Node& node : graph.nodes) taken.insert(node.implicit_inputs.begin(), node.implicit_inputs.end());

  std::vector<std::vector<Node>> copies(graph.nodes.size());  // per DequantizeLinear
  for (Node& reader : graph.nodes) {
    for (std::string& input : reader.inputs) {
      const auto found = dequantize.find(input);
      if (found == dequantize.end() || taken.insert(input).second) continue;
      Node copy = graph.nodes[found->second];
      const std::string suffix = "/duplicated_" + std::to_string(copies[found->second].size() + 1);
      if (!copy.name.empty()) copy.name += suffix;
      copy.outputs[0] += suffix;
      if (const auto info = graph.values.find(input); info != graph.values.end()) {
        const frontend::TensorInfo same = info->second;  // inserting may move what the iterator points to
        graph.values.insert_or_assign(copy.outputs[0], same);
      }
      input = copy.outputs[0];
      copies[found->second].push_back(std::move(copy));
    }
  }
  std::vector<Node> nodes;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    nodes.push_back(std::move(graph.nodes[i]));
    for (Node& copy : copies[i]) nodes.push_back(std::move(copy));
  }
  for (std::size_t i = 0; i < nodes.size(); ++i) nodes[i].id = i;
  graph.nodes = std::move(nodes);
}

}  // namespace vaip
