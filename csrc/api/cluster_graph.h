// A cluster cut out of a model's graph: a graph of its own, with the tensors that cross its edge as inputs and outputs.
#pragma once

#include "frontend/onnx_graph.h"
#include "partition/partition.h"

namespace vaip {

frontend::OnnxGraph cut_out(const frontend::OnnxGraph& graph, const partition::Cluster& cluster);

}  // namespace vaip
