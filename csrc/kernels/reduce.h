// The index space of a reduction.
#pragma once

#include <vector>

#include "ir/graph.h"
#include "kernels/operand.h"

namespace vaip::kernels {

// Split in two: kept dimensions, shared with the output, and reduced ones.
struct ReducedSpace {
  ir::Shape kept, kept_x, kept_y, reduced, reduced_x;  // sizes and strides

  ReducedSpace(const ir::ReduceAttrs& attrs, const Operand& x, const Operand& y);
};

}  // namespace vaip::kernels
