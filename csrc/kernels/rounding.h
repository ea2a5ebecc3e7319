// The two scalar steps that every quantized result ends with.
#pragma once

namespace vaip::kernels {

// Rounds half to even, for |x| < 2^51. Beyond 2^52 a double has no fraction bits, so adding 1.5 * 2^52 makes the hardware's
// own rounding (to nearest even) drop them; unlike std::nearbyint it vectorises on every ISA.
inline double round_half_even(double x) {
  constexpr double kMagic = 6755399441055744.0;  // 1.5 * 2^52: the half keeps negative sums in the same binade
  return (x + kMagic) - kMagic;
}

// NaN becomes `low`, as in onnxruntime's QuantizeLinear.
template <typename T>
inline T clamp(T x, T low, T high) {
  const T raised = x > low ? x : low;
  return raised < high ? raised : high;
}

}  // namespace vaip::kernels
