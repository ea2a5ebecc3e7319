// The scalar steps that every quantized result ends with, and when float32 is enough for them.
#pragma once

#include <cmath>

namespace vaip::kernels {

// Rounds half to even, for |x| < 2^51. Beyond 2^52 a double has no fraction bits, so adding 1.5 * 2^52 makes the
// hardware's own rounding (to nearest even) drop them; unlike std::nearbyint it vectorises on every ISA.
inline double round_half_even(double x) {
  constexpr double kMagic = 6755399441055744.0;  // 1.5 * 2^52: the half keeps negative sums in the same binade
  return (x + kMagic) - kMagic;
}
inline float round_half_even(float x) {  // the same for |x| < 2^22
  constexpr float kMagic = 12582912.0F;  // 1.5 * 2^23
  return (x + kMagic) - kMagic;
}

// NaN becomes `low`, as in onnxruntime's QuantizeLinear.
template <typename T>
inline T clamp(T x, T low, T high) {
  const T raised = x > low ? x : low;
  return raised < high ? raised : high;
}

inline bool is_power_of_two(double x) {
  int exponent = 0;
  return std::frexp(x, &exponent) == 0.5;
}

// Results of 8 bits are first computed in float32, at twice the speed of double. That is right wherever the result is
// further from a tie than float32 can be wrong; a block that holds any that is not is computed again in double.
class FloatAttempt {
 public:
  FloatAttempt() = default;  // not worth trying
  // magnitude: the largest |term| that enters a sum of up to three, in steps of the output. A term carries up to three
  // roundings of 2^-24 (factor, operand, product) and the sums two more: 2^-21 covers them all.
  static FloatAttempt within(double magnitude) {
    constexpr double kRoundings = 0x1p-21;
    // With a larger error too many blocks are computed twice.
    constexpr double kWorthwhile = 0x1p-8;
    const double error = magnitude * kRoundings;
    return error <= kWorthwhile ? FloatAttempt(static_cast<float>(0.5 - error)) : FloatAttempt();
  }
  // No operation rounds: ties are met exactly.
  static FloatAttempt exact() { return FloatAttempt(1.0F); }

  bool worthwhile() const { return limit_ > 0.0F; }
  // Results further than this from their rounded value are in doubt.
  float limit() const { return limit_; }

 private:
  explicit FloatAttempt(float limit) : limit_(limit) {}
  float limit_ = 0.0F;
};

}  // namespace vaip::kernels
