// A tensor of 8 or 16 bits times and plus constants of its channels: what batch normalization is where it is not folded
// into a convolution.
#pragma once

#include <memory>

#include "kernels/kernel.h"

namespace vaip::kernels {

// x + c, x - c, x * c or x / c, either way round where that is the same. Null where the layer is anything else: other
// types, two tensors, a constant that is not one number per element of the innermost dimension, or one for all.
std::unique_ptr<Kernel> make_channel_arithmetic(const ir::ArithmeticAttrs& attrs, const LayerOperands& operands);

// BatchNormalization; null for other types or where channels are not the innermost dimension.
std::unique_ptr<Kernel> make_channel_normalization(const ir::NormalizationAttrs& attrs, const LayerOperands& operands);

}  // namespace vaip::kernels
