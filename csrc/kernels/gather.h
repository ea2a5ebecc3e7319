// Moving elements by a table of source positions per axis: nearest Resize and the padding modes that repeat the input.
#pragma once

#include <memory>
#include <vector>

#include "kernels/kernel.h"

namespace vaip::kernels {

// output[i0, i1, ...] = input[positions[0][i0], positions[1][i1], ...]; an empty table stands for the identity.
std::unique_ptr<Kernel> make_axis_gather(const Operand& x, const Operand& y,
                                         std::vector<std::vector<std::int64_t>> positions);

}  // namespace vaip::kernels
