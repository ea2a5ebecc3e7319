// Functions of one float that vectorise: no branches, no calls. Relative errors are below 2^-16:
// what rounding the argument does where it is large, and 2^-21 elsewhere.
#pragma once

#include <cmath>
#include <cstdint>

#include "base/half.h"
#include "kernels/rounding.h"

namespace vaip::kernels {

// 2^n for |n| <= 126.
inline float power_of_two(std::int32_t n) { return float_of(static_cast<std::uint32_t>(n + 127) << 23); }

// e^x = 2^n e^r with |r| <= ln(2) / 2; the polynomial is that of Cephes' expf.
inline float fast_exp(float x) {
  constexpr float kLowest = -104.0F, kHighest = 89.0F;  // 0 and infinity beyond
  constexpr float kLog2E = 1.44269504F, kLn2High = 0.693359375F, kLn2Low = -2.12194440e-4F;
  const float raised = x < kLowest ? kLowest : x;  // NaN stays
  const float limited = raised > kHighest ? kHighest : raised;
  const float n = round_half_even(limited * kLog2E);
  const float r = (limited - n * kLn2High) - n * kLn2Low;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  const float fraction = p * (r * r) + r + 1.0F;
  // In two steps, since 2^n alone may be subnormal or too large.
  const auto whole = static_cast<std::int32_t>(n == n ? n : 0.0F);
  const std::int32_t half = whole >> 1;
  return fraction * power_of_two(half) * power_of_two(whole - half);
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

// The complementary error function for x >= 0: W. J. Cody's form with the coefficients of Numerical Recipes' erfcc.
inline float fast_erfc(float x) {
  x = x > 11.0F ? 11.0F : x;  // 0 beyond, and infinity would meet itself below; NaN stays
  const float t = 1.0F / (1.0F + 0.5F * x);
  float p = 0.17087277F;
  p = p * t - 0.82215223F;
  p = p * t + 1.48851587F;
  p = p * t - 1.13520398F;
  p = p * t + 0.27886807F;
  p = p * t - 0.18628806F;
  p = p * t + 0.09678418F;
  p = p * t + 0.37409196F;
  p = p * t + 1.00002368F;
  p = p * t - 1.26551223F;
  // exp(-x^2) of an x^2 that is rounded would be wrong by x^2 2^-24: the square of the upper half of x is exact.
  const float high = float_of(bits_of(x) & 0xFFFFF000U);
  return t * fast_exp(-high * high) * fast_exp((high - x) * (high + x) + p);
}

// x times the normal distribution function, which keeps its precision where it is small.
inline float fast_gelu(float x) {
  const float tail = 0.5F * fast_erfc(std::fabs(x) * 0.707106781F);
  return x * (x < 0.0F ? tail : 1.0F - tail);
}

inline float fast_gelu_tanh(float x) {
  constexpr float kTwiceRootTwoOverPi = 1.59576912F;
  return x * fast_sigmoid(kTwiceRootTwoOverPi * (x + 0.044715F * x * x * x));
}

}  // namespace vaip::kernels
