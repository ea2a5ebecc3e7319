#include "frontend/onnx_graph.h"

namespace vaip::frontend {

std::string display_name(const Node& node) {
  if (!node.name.empty()) return node.name;
  return node.op_type + "(" + (node.outputs.empty() ? std::string() : node.outputs[0]) + ")";
}

}  // namespace vaip::frontend
