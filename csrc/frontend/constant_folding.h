// Shapes and sizes that a model computes although they are known before it runs.
#pragma once

#include "frontend/onnx_graph.h"

namespace vaip::frontend {

// Exporters write the target of a Reshape as Shape -> Gather -> Concat, and so on. Where every element of such a result
// is known, it becomes a constant and its node goes, as onnxruntime's own optimizations have it for the graphs that it
// hands over; that includes elements picked from a shape of which other dimensions are dynamic. Integers and booleans
// only; nodes whose results are outputs of the graph, or read by a subgraph, stay.
void fold_constants(OnnxGraph& graph);

}  // namespace vaip::frontend
