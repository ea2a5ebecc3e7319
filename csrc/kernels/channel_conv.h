// Convolutions that multiply each channel by a weight of its own, pointwise and depthwise: what quantizers make of a
// batch normalization that has no convolution before it.
#pragma once

#include <memory>

#include "kernels/conv_problem.h"
#include "kernels/epilogue.h"
#include "kernels/kernel.h"
#include "kernels/linear_weights.h"

namespace vaip::kernels {

// Whether make_channel_conv takes it; weights must then be read.
bool is_channel_conv(const ConvProblem& problem, const Operand& x, const Operand& w);

// inputs: x (rows of channels, of 8 or 16 bits), weights (not read again), bias; outputs: y. Exact sums, as the
// other convolutions have, so that results are the same. Null for weights that are no integers of 16 bits.
std::unique_ptr<Kernel> make_channel_conv(const ConvProblem& problem, const LinearWeights& weights, const Operand& x,
                                          Epilogue epilogue);

}  // namespace vaip::kernels
