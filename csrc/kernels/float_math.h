// Functions of one float that vectorise: no branches, no calls. Relative errors are below 2^-14:
// what rounding the argument does where it is large, and 2^-21 elsewhere.
#pragma once

#include <cmath>

#include "base/half.h"

namespace vaip::kernels {

// e^x = 2^n 2^f with |f| <= 1/2; the polynomial is the best of its degree. What would be subnormal is 0.
inline float fast_exp(float x) {
  constexpr float kLowest = -88.0F, kHighest = 89.0F;          // 0 and infinity beyond
  constexpr float kLog2E = 1.44269504F, kMagic = 12582912.0F;  // 1.5 * 2^23: see round_half_even
  const float raised = x < kLowest ? kLowest : x;              // NaN stays
  const float limited = raised > kHighest ? kHighest : raised;
  const float y = limited * kLog2E, shifted = y + kMagic, f = y - (shifted - kMagic);
  float p = 1.3276466634e-3F;
  p = p * f + 9.6755418926e-3F;
  p = p * f + 5.5507134646e-2F;
  p = p * f + 2.4022120237e-1F;
  p = p * f + 6.9314694405e-1F;
  p = p * f + 1.0F;
  // The last bits of the shifted number are n: they become the exponent, from 0 for -127 to that of infinity for 128.
  return p * float_of((bits_of(shifted) + 127U) << 23);
}

inline float fast_sigmoid(float x) { return 1.0F / (1.0F + fast_exp(-x)); }

inline float fast_tanh(float x) {
  // Near 0 the quotient would cancel: there its series.
  const float e = fast_exp(-2.0F * std::fabs(x)), magnitude = (1.0F - e) / (1.0F + e);
  const float s = x * x;
  const float series = x + x * s * (-1.0F / 3.0F + s * (2.0F / 15.0F + s * (-17.0F / 315.0F + s * (62.0F / 2835.0F))));
  const float quotient = x < 0.0F ? -magnitude : magnitude;
  return std::fabs(x) < 0.3F ? series : quotient;
}

// x times the normal distribution function, which keeps its precision where it is small: there it is half of
// erfc(t) = e^(-t^2) P(1 / (1 + t / 2)) with P fitted to that for t up to 9.4, where it is 0 in float.
inline float fast_gelu(float x) {
  const float magnitude = std::fabs(x) * 0.707106781F;
  const float t = magnitude > 9.4F ? 9.4F : magnitude;  // NaN stays
  const float k = 1.0F / (1.0F + 0.5F * t);
  float p = 0.0893121436F;
  p = p * k - 0.360646039F;
  p = p * k + 0.394708306F;
  p = p * k + 0.0339964256F;
  p = p * k + 0.28297025F;
  p = p * k + 0.277306199F;
  p = p * k + 0.282351583F;
  p *= k;
  const float tail = 0.5F * p * fast_exp(-t * t);
  return x * (x < 0.0F ? tail : 1.0F - tail);
}

inline float fast_gelu_tanh(float x) {
  constexpr float kTwiceRootTwoOverPi = 1.59576912F;
  return x * fast_sigmoid(kTwiceRootTwoOverPi * (x + 0.044715F * x * x * x));
}

}  // namespace vaip::kernels
