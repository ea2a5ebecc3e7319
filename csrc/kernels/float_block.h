// Blocks of float32: what kernels compute in instead of double where the result is stored as bfloat16. The functions
// here are wrong by less than 2^-16 of their value, a hundredth of what that rounds away.
#pragma once

#include <cstdint>

#include "base/half.h"
#include "kernels/kernel.h"
#include "kernels/real_block.h"

namespace vaip::kernels {

// Whether float32 is enough for a layer: it writes bfloat16, and float32 holds what it reads.
bool float_is_enough(const LayerOperands& operands);

void widen(const BFloat16* in, std::int64_t count, float* out);
void narrow(const float* in, std::int64_t count, BFloat16* out);  // to nearest even

// As load_real and store_real, to which they leave the rarer types. Strides and offsets count elements.
void load_real(ir::DType dtype, const void* data, std::int64_t offset, std::int64_t stride, std::int64_t count,
               const Affine& affine, float* out);
void store_real(const Quantizer& quantizer, const float* in, void* data, std::int64_t offset, std::int64_t stride,
                std::int64_t count);

void apply(const ir::Activation& activation, float* values, std::int64_t count);  // in place

// Over a whole row, in an order that depends on nothing but its length.
float largest(const float* x, std::int64_t count);  // -infinity for none
float sum(const float* x, std::int64_t count);
float sum_of_squares(const float* x, std::int64_t count, float offset);  // of x - offset
float sum_of_exponentials(const float* x, std::int64_t count);
float take_exponentials(float* x, std::int64_t count, float offset);  // of x - offset, in place; their sum
void subtract(float* x, std::int64_t count, float offset);
void scale(float* x, std::int64_t count, float factor);

}  // namespace vaip::kernels
