// Element-wise layers of several tensors: their operands in the index space of the output.
#pragma once

#include <vector>

#include "kernels/kernel.h"

namespace vaip::kernels {

// The strides of the output, then of each input, along the output's dimensions; 0 where an input is repeated. Throws
// Error(invalid_model) for an input that does not broadcast to the output.
std::vector<ir::Shape> strides_in_output(const LayerOperands& operands);

}  // namespace vaip::kernels
