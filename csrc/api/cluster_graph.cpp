#include "api/cluster_graph.h"

#include <string>
#include <unordered_set>
#include <vector>

namespace vaip {

using frontend::Node;
using frontend::OnnxGraph;

OnnxGraph cut_out(const OnnxGraph& graph, const partition::Cluster& cluster) {
  const std::unordered_set<std::size_t> members(cluster.nodes.begin(), cluster.nodes.end());
  std::unordered_set<std::string> inside, needed_outside(graph.outputs.begin(), graph.outputs.end());
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (members.count(i) != 0) {
      inside.insert(node.outputs.begin(), node.outputs.end());
    } else {
      needed_outside.insert(node.inputs.begin(), node.inputs.end());
      needed_outside.insert(node.implicit_inputs.begin(), node.implicit_inputs.end());
    }
  }
  OnnxGraph out;
  std::unordered_set<std::string> listed;
  for (const std::size_t i : cluster.nodes) {
    const Node& node = graph.nodes[i];
    out.nodes.push_back(node);
    for (const std::vector<std::string>* names : {&node.inputs, &node.outputs}) {
      for (const std::string& name : *names) {
        if (const auto value = graph.values.find(name); value != graph.values.end()) out.values.insert(*value);
        if (const auto constant = graph.constants.find(name); constant != graph.constants.end()) {
          out.constants.insert(*constant);
        }
      }
    }
    for (const std::string& name : node.inputs) {
      const bool from_outside = !name.empty() && inside.count(name) == 0 && graph.constants.count(name) == 0;
      if (from_outside && listed.insert(name).second) out.inputs.push_back(name);
    }
    for (const std::string& name : node.outputs) {
      if (!name.empty() && needed_outside.count(name) != 0) out.outputs.push_back(name);
    }
  }
  return out;
}

}  // namespace vaip
