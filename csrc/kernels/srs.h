// The device's numerics: how a layer is computed where integers leave the accumulators through AIE-ML's
// shift-round-saturate.
//
//   out = saturate(round(accumulator * m / 2^s) + zero_point)
//
// The kernels need not know: m / 2^s is a real number, products with it are exact in double, and a layer whose scales
// are such numbers, relative to a step of its output, is computed like that by the kernel that ONNX's numerics use.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernel.h"
#include "kernels/rounding.h"

namespace vaip::kernels {

// The nearest m / 2^s with 2^15 <= m < 2^16, half to even: powers of two are themselves.
double srs_factor(double real);

// The operand with numbers counted in its own steps.
Operand in_steps(Operand operand);

// mean = sum * scale / divisor.
struct MeanFactor {
  double scale, divisor;
};
// Of `count` elements whose steps are worth `scale`. On the device a mean in units of a power of two is sum * k / 2^n
// with a small k; else 1 / count is part of the multiplier.
// square_side: of a window that is an image of so many rows and columns, for which the device has constants; or 0.
MeanFactor mean_factor(double scale, std::int64_t count, std::int64_t square_side, const LastStep& last_step);
std::int64_t square_side(const ir::Shape& window);

// A layer as the device computes it: constants rounded as it stores them, scales as multipliers and shifts.
class DeviceLayer {
 public:
  DeviceLayer(const LayerOperands& given, Rounding rounding);
  DeviceLayer(const DeviceLayer&) = delete;
  DeviceLayer& operator=(const DeviceLayer&) = delete;

  const LayerOperands& operands() const { return operands_; }

 private:
  ir::Layer layer_;
  LayerOperands operands_;  // of layer_
};

}  // namespace vaip::kernels
