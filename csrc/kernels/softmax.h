// The rows that a softmax normalises.
#pragma once

#include <memory>

#include "kernels/kernel.h"
#include "kernels/loop_nest.h"

namespace vaip::kernels {

struct SoftmaxRows {
  LoopNest rows, row;  // over the rows, and within one; operand 0: y, operand 1: x
};

// For outputs of bfloat16, where float_is_enough().
std::unique_ptr<Kernel> make_float_softmax(const ir::SoftmaxAttrs& attrs, const SoftmaxRows& rows, const Operand& x);

// For bytes in dense rows; null for others.
std::unique_ptr<Kernel> make_byte_softmax(const ir::SoftmaxAttrs& attrs, const SoftmaxRows& rows, const Operand& x,
                                          const Operand& y);

}  // namespace vaip::kernels
