// What AMD's compiler for CNNs leaves on the CPU although it could be offloaded; applied with "compatibility": "amd".
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "frontend/onnx_graph.h"
#include "partition/config.h"

namespace vaip::partition {

// Why the whole model stays on the CPU, naming the threshold; "" where it does not.
std::string below_minimum_num_of_conv(const frontend::OnnxGraph& graph, const Config& config);
std::string above_dpu_subgraph_num(std::size_t clusters, const Config& config);

// Per node: whether it is a Flatten, Reshape or Squeeze that yields an output of the model, or one that leads to such a
// node through no other operators.
std::vector<bool> trailing_reshapes(const frontend::OnnxGraph& graph);
std::string trailing_reshape_reason(const std::string& op_type);

}  // namespace vaip::partition
