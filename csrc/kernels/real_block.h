// Blocks of real numbers: the common currency of kernels that are not dominated by multiply-accumulates. A kernel loads
// a block from each operand, whatever its type, computes in double, and stores it, quantized once.
#pragma once

#include <cstdint>

#include "kernels/operand.h"

namespace vaip::kernels {

// Elements that stay in the L1 cache while several blocks are in flight.
inline constexpr std::int64_t kBlock = 512;

// Where real numbers go: q = saturate(round(r / scale) + zero_point), or the number itself for float types.
struct Quantizer {
  ir::DType dtype = ir::DType::undefined;
  Affine affine;
  double reciprocal = 0.0;             // of the scale where it is exact (a power of two), else 0
  double lowest = 0.0, highest = 0.0;  // of the type, relative to the zero point
  Rounding rounding = Rounding::conv_even;

  bool to_float() const {
    return dtype == ir::DType::f32 || dtype == ir::DType::f64 || dtype == ir::DType::bf16 || dtype == ir::DType::f16;
  }
};
Quantizer make_quantizer(const Operand& output);

// The stored value of one real number, as an integer; for integer types only.
double quantize(const Quantizer& quantizer, double real);

// Strides and offsets count elements of the stored type.
void load_real(ir::DType dtype, const void* data, std::int64_t offset, std::int64_t stride, std::int64_t count,
               const Affine& affine, double* out);
void store_real(const Quantizer& quantizer, const double* in, void* data, std::int64_t offset, std::int64_t stride,
                std::int64_t count);

bool has_effect(const ir::Activation& activation);
// Activations that only cut off (none, relu, clip) commute with quantization, which is monotone: they are limits on the
// result. Returns false for the others; else narrows low and high, which start as the quantizer's own.
bool as_limits(const ir::Activation& activation, const Quantizer& quantizer, double& low, double& high);
void apply(const ir::Activation& activation, double* values, std::int64_t count);  // in place

// Types that load_real and store_real know.
bool is_computable(ir::DType dtype);

}  // namespace vaip::kernels
