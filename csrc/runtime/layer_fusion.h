// Layers of a float model that one kernel computes.
#pragma once

#include "ir/graph.h"

namespace vaip::runtime {

// What lies between layers that a device computes in one pass is in its cores' registers: it is not rounded to
// bfloat16, and here it does not pass through memory where one kernel computes them. Fused are, where nothing else
// reads what is between them and it is no output of the graph:
//
//   a product and the tensor that is added to it (a residual, an attention mask), and the function behind either
//   numbers that multiply an operand or the result of a MatMul: its alpha
//   a Softmax and the zeros in place of rows that are no numbers
//
// and float32 stay, on their way to a normalization or Softmax of rows, the results of products and arithmetic, and on
// their way to arithmetic, those of arithmetic and reductions.
//
// graph: shapes static. Values keep their ids; graphs without bfloat16 are unchanged.
ir::Graph fuse_layers(const ir::Graph& graph);

}  // namespace vaip::runtime
