// An OnnxGraph as the bytes of an ONNX model file: what import_model() reads, and any other tool.
#pragma once

#include <map>
#include <string>

#include "frontend/onnx_graph.h"

namespace vaip::frontend {

// Constants become initializers. `properties` are the model's metadata_props. Throws Error(unsupported) for a node with
// subgraphs, whose content an OnnxGraph does not have.
std::string export_model(const OnnxGraph& graph, const std::map<std::string, std::string>& properties);

}  // namespace vaip::frontend
