// Convolutions of bfloat16 in float32, band by band: rows of the image are widened, convolved and narrowed while they
// are in the L2 cache, each band by one thread.
#pragma once

#include <memory>

#include "kernels/conv_problem.h"
#include "kernels/epilogue.h"
#include "kernels/kernel.h"
#include "kernels/linear_weights.h"

namespace vaip::kernels {

// Null where LinearKernel is the better choice or the only one: other types or paths, weights so large that reading
// them again for every band costs more than it saves, fewer bands than threads.
std::unique_ptr<Kernel> make_banded_conv(const ConvProblem& problem, const LinearWeights& weights, const Operand& x,
                                         const Epilogue& epilogue, const KernelOptions& options);

}  // namespace vaip::kernels
