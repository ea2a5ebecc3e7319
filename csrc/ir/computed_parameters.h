// Attributes that a layer may read from an input, where the model computes them from shapes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ir/layer.h"

namespace vaip::ir {

struct ComputedParameter {
  std::size_t input;                  // of the layer
  std::vector<std::int64_t>* values;  // the attribute that it stands for
};

// Those of the layer that are computed: Reshape's target, Expand's shape, Slice's starts and ends, Tile's repeats.
std::vector<ComputedParameter> computed_parameters(Layer& layer);

}  // namespace vaip::ir
