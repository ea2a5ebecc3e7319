// What layers that only rearrange elements move, for those who would rather not move it.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/kernel.h"
#include "kernels/move.h"

namespace vaip::kernels {

// A part of an input that is a part of an output, too.
struct MoveBox {
  std::size_t input, output;
  ir::Shape dims;
  StridedMove::End from, to;
};

// All that Concat, Split, Slice and Transpose do; nothing for other layers. Throws Error(invalid_model) where the
// shapes do not fit together.
std::vector<MoveBox> boxes_of(const LayerOperands& operands);

}  // namespace vaip::kernels
