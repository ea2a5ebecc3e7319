// Float layers in the IPU's arithmetic: an FP32 or FP16 model runs in bfloat16.
#pragma once

#include "ir/graph.h"

namespace vaip::frontend {

// The graph with every float layer computing in bfloat16: its tensors and constants are rounded to it (but a product's
// bias, where a float32 accumulator starts), and a Cast stands where a float tensor of the model enters or leaves.
// Integers and booleans stay as they are, and so do layers with quantized tensors, but for what they leave to a float
// layer, or read of one.
ir::Graph convert_to_bf16(const ir::Graph& graph);

}  // namespace vaip::frontend
