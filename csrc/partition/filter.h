// What the configuration lets the IPU claim, layer by layer.
#pragma once

#include <string>

#include "frontend/onnx_graph.h"
#include "frontend/recognise.h"
#include "partition/config.h"

namespace vaip::partition {

// Why the configuration does not let a unit be claimed, naming file and key; "" when it does.
//
// op_types, dtypes and layouts are those of the layer: its anchor node, its activations (bfloat16, where floats are
// converted to that). include and exclude look at
// the layer's nodes; a QuantizeLinear or DequantizeLinear that is folded into a layer is selected by its exact name
// only, because its name usually derives from the neighbouring layer's.
std::string rejection(const frontend::OnnxGraph& graph, const frontend::Recognition& recognition,
                      const frontend::Unit& unit, const Config& config);

}  // namespace vaip::partition
