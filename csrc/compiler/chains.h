// Layers that run in one pass: an element-wise layer takes its producer's tiles as they are made, so that it needs no
// dispatch of its own and what lies between the two never leaves the cores' neighbourhood. AMD's CNN compiler merges
// activations, gates (x * sigmoid(x)) and residual additions into the convolution before them in this way.
#pragma once

#include <cstddef>
#include <vector>

#include "ir/graph.h"

namespace vaip::compiler {

struct Chains {
  std::vector<bool> chained;   // per layer: runs in the pass of the layer before it
  std::vector<bool> internal;  // per value: made and used up within one pass
};

Chains find_chains(const ir::Graph& graph);

}  // namespace vaip::compiler
