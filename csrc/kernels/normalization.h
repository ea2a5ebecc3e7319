// What the kernels of normalizations share.
#pragma once

#include <memory>
#include <vector>

#include "kernels/kernel.h"

namespace vaip::kernels {

// Constants of one element each, and how they repeat over the tensor.
struct NormalizationParameter {
  std::vector<double> values;
  ir::Shape strides;  // per dimension of the tensor
};

// The input of that number: `otherwise` where it is absent.
NormalizationParameter normalization_parameter(const ir::NormalizationAttrs& attrs, const LayerOperands& operands,
                                               std::size_t input, double otherwise);

// LayerNormalization and RMSNormalization of dense rows, where float_is_enough(); else null.
std::unique_ptr<Kernel> make_float_normalization(const ir::NormalizationAttrs& attrs, const LayerOperands& operands);

}  // namespace vaip::kernels
