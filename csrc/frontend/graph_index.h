// Who makes and who reads each value of an OnnxGraph.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "frontend/onnx_graph.h"

namespace vaip::frontend {

class GraphIndex {
 public:
  explicit GraphIndex(const OnnxGraph& graph);  // keeps a reference

  const OnnxGraph& graph() const { return graph_; }
  const Node& node(std::size_t i) const { return graph_.nodes[i]; }
  std::size_t size() const { return graph_.nodes.size(); }

  std::optional<std::size_t> producer(const std::string& value) const;
  const std::vector<std::size_t>& consumers(const std::string& value) const;  // one entry per use
  // Needed by more than the graph's nodes: a graph output, or read by a subgraph of a control-flow node.
  bool escapes(const std::string& value) const { return escaping_.count(value) != 0; }
  // The one node that reads the value, where nothing else does.
  std::optional<std::size_t> sole_consumer(const std::string& value) const;

  const TensorData* constant(const std::string& value) const;
  const TensorInfo* info(const std::string& value) const;

 private:
  const OnnxGraph& graph_;
  std::unordered_map<std::string, std::size_t> producers_;
  std::unordered_map<std::string, std::vector<std::size_t>> consumers_;
  std::unordered_set<std::string> escaping_;
};

}  // namespace vaip::frontend
