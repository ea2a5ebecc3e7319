// One layer computed at once: what ir::bind_shapes does with layers that read nothing but constants.
#pragma once

#include <vector>

#include "ir/graph.h"

namespace vaip::runtime {

// The layer's outputs, in its order, an empty constant for an absent one. graph: has the layer's inputs as constants,
// and the shapes of its outputs. Throws Error naming the layer where there is no kernel for it.
std::vector<ir::Constant> evaluate(const ir::Graph& graph, const ir::Layer& layer);

}  // namespace vaip::runtime
