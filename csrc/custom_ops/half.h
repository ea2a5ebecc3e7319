// The two 16-bit floating-point formats, as bits; conversions from float round half to even.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace vaip::custom_ops {

inline std::uint32_t bits_of(float x) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

inline float float_of(std::uint32_t bits) {
  float x = 0;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

inline std::uint16_t to_bfloat16(float x) {
  if (std::isnan(x)) return 0x7FC1;
  const std::uint32_t bits = bits_of(x);
  return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}

inline float from_bfloat16(std::uint16_t x) { return float_of(static_cast<std::uint32_t>(x) << 16); }

inline float rounded_to_bfloat16(float x) { return from_bfloat16(to_bfloat16(x)); }

inline std::uint16_t to_float16(float x) {
  const std::uint32_t sign = (bits_of(x) >> 16) & 0x8000U;
  const float magnitude = std::fabs(x);
  std::uint32_t half = 0;
  if (std::isnan(x)) {
    half = 0x7E00;
  } else if (magnitude >= 65520.0F) {  // half a step above the largest number
    half = 0x7C00;
  } else if (magnitude < 0x1p-14F) {  // subnormal: steps of 2^-24
    half = static_cast<std::uint32_t>(std::nearbyint(magnitude * 0x1p24F));
  } else {
    const std::uint32_t bits = bits_of(magnitude);
    half = ((bits + 0xFFFU + ((bits >> 13) & 1U)) >> 13) - (112U << 10);  // the exponents' biases are 127 and 15
  }
  return static_cast<std::uint16_t>(sign | half);
}

inline float from_float16(std::uint16_t x) {
  const std::uint32_t sign = static_cast<std::uint32_t>(x & 0x8000U) << 16;
  const std::uint32_t exponent = (x >> 10) & 0x1FU, fraction = x & 0x3FFU;
  if (exponent == 0) return float_of(sign | bits_of(static_cast<float>(fraction) * 0x1p-24F));
  const std::uint32_t widened = exponent == 0x1FU ? 0xFFU : exponent + 112U;
  return float_of(sign | (widened << 23) | (fraction << 13));
}

}  // namespace vaip::custom_ops
