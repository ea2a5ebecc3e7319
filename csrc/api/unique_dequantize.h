// onnxruntime gives each reader of a DequantizeLinear a copy of its own before an execution provider sees the graph, so
// that a quantized layer and its Q/DQ nodes form a unit. The same for graphs that come straight from a model file: the
// nodes and the partition are then those that a session has.
#pragma once

#include "frontend/onnx_graph.h"

namespace vaip {

void give_each_reader_its_dequantize(frontend::OnnxGraph& graph);

}  // namespace vaip
