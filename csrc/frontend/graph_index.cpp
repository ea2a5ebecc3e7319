#include "frontend/graph_index.h"

#include "frontend/node_access.h"

namespace vaip::frontend {

GraphIndex::GraphIndex(const OnnxGraph& graph) : graph_(graph) {
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    for (const std::string& input : node.inputs) {
      if (!input.empty()) consumers_[input].push_back(i);
    }
    for (const std::string& output : node.outputs) {
      if (output.empty()) continue;
      if (!producers_.emplace(output, i).second) reject(node, "value `", output, "` already has a producer");
    }
    escaping_.insert(node.implicit_inputs.begin(), node.implicit_inputs.end());
  }
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const std::string& input : graph.nodes[i].inputs) {
      const auto made_by = producer(input);
      if (made_by && *made_by >= i) reject(graph.nodes[i], "input `", input, "` is produced by a later node");
    }
  }
  escaping_.insert(graph.outputs.begin(), graph.outputs.end());
}

std::optional<std::size_t> GraphIndex::producer(const std::string& value) const {
  const auto found = producers_.find(value);
  return found == producers_.end() ? std::nullopt : std::optional<std::size_t>(found->second);
}

const std::vector<std::size_t>& GraphIndex::consumers(const std::string& value) const {
  static const std::vector<std::size_t> none;
  const auto found = consumers_.find(value);
  return found == consumers_.end() ? none : found->second;
}

std::optional<std::size_t> GraphIndex::sole_consumer(const std::string& value) const {
  const std::vector<std::size_t>& all = consumers(value);
  if (all.size() != 1 || escapes(value)) return std::nullopt;
  return all[0];
}

const TensorData* GraphIndex::constant(const std::string& value) const {
  const auto found = graph_.constants.find(value);
  return found == graph_.constants.end() ? nullptr : &found->second;
}

const TensorInfo* GraphIndex::info(const std::string& value) const {
  const auto found = graph_.values.find(value);
  return found == graph_.values.end() ? nullptr : &found->second;
}

}  // namespace vaip::frontend
