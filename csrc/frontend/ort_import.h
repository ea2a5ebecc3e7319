// An OrtGraph as an OnnxGraph.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "frontend/onnx_graph.h"
#include "ort/c_api.h"

namespace vaip::frontend {

struct OrtImport {
  // Its constants are views of onnxruntime's own memory, for as long as the OrtGraph lives: onnxruntime frees the
  // initializers of a fused node once it is compiled.
  OnnxGraph graph;
  std::vector<const OrtNode*> nodes;   // nodes[i] is graph.nodes[i]; valid while the OrtGraph is
  std::vector<std::string> providers;  // the execution provider that has the node already; "" where none has
  std::shared_ptr<const void> lender = std::make_shared<char>();  // owns, in name, what is borrowed
};

// Values of an outer graph that a nested one (the body of an If, Loop or Scan) reads become inputs, or constants where
// they are constant initializers. A node that an execution provider has taken already keeps its place, so that clusters
// stay convex, but its domain becomes "<provider>:<domain>": no operator that we know.
OrtImport import_graph(const OrtGraph& graph);

// The values' names, in order; "" for an absent optional one.
std::vector<std::string> input_names(const OrtNode& node);
std::vector<std::string> output_names(const OrtNode& node);

}  // namespace vaip::frontend
