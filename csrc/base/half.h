// The two 16-bit floating-point formats. Conversions round half to even, once, from float as from double; loops over
// them vectorise.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace vaip {

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

// x without what float cannot hold, but with the last bit set if that was anything: rounding it to fewer bits is then
// rounding x itself.
inline float rounded_to_odd(double x) {
  const float nearest = static_cast<float>(x);
  const auto back = static_cast<double>(nearest);
  const std::uint32_t towards_zero = bits_of(nearest) - (std::fabs(back) > std::fabs(x) ? 1U : 0U);
  return float_of(towards_zero | (back != x ? 1U : 0U));
}

inline std::uint16_t to_bfloat16(float x) {
  const std::uint32_t bits = bits_of(x);
  const std::uint32_t rounded = (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16;
  return static_cast<std::uint16_t>(x != x ? 0x7FC1U : rounded);
}

inline float from_bfloat16(std::uint16_t x) { return float_of(static_cast<std::uint32_t>(x) << 16); }

inline float rounded_to_bfloat16(float x) { return from_bfloat16(to_bfloat16(x)); }

inline std::uint16_t to_float16(float x) {
  const std::uint32_t sign = (bits_of(x) >> 16) & 0x8000U;
  const float magnitude = std::fabs(x);
  const std::uint32_t bits = bits_of(magnitude);
  // Below 2^-14 the steps are 2^-24, as those of floats around 1/2 are: the sum is rounded to them.
  const std::uint32_t subnormal = bits_of(magnitude + 0.5F) - bits_of(0.5F);
  const std::uint32_t normal = ((bits + 0xFFFU + ((bits >> 13) & 1U)) >> 13) - (112U << 10);  // the biases: 127 and 15
  std::uint32_t half = magnitude < 0x1p-14F ? subnormal : normal;
  half = magnitude >= 65520.0F ? 0x7C00U : half;  // half a step above the largest number
  half = x != x ? 0x7E00U : half;
  return static_cast<std::uint16_t>(sign | half);
}

inline float from_float16(std::uint16_t x) {
  const std::uint32_t sign = static_cast<std::uint32_t>(x & 0x8000U) << 16;
  const std::uint32_t exponent = (x >> 10) & 0x1FU, fraction = x & 0x3FFU;
  const std::uint32_t subnormal = bits_of(static_cast<float>(static_cast<std::int32_t>(fraction)) * 0x1p-24F);
  const std::uint32_t normal = ((exponent == 0x1FU ? 0xFFU : exponent + 112U) << 23) | (fraction << 13);
  return float_of(sign | (exponent == 0 ? subnormal : normal));
}

// One stored element.
struct BFloat16 {
  std::uint16_t bits = 0;

  BFloat16() = default;
  explicit BFloat16(float x) : bits(to_bfloat16(x)) {}
  explicit BFloat16(double x) : bits(to_bfloat16(rounded_to_odd(x))) {}
  operator float() const { return from_bfloat16(bits); }
};

struct Float16 {
  std::uint16_t bits = 0;

  Float16() = default;
  explicit Float16(float x) : bits(to_float16(x)) {}
  explicit Float16(double x) : bits(to_float16(rounded_to_odd(x))) {}
  operator float() const { return from_float16(bits); }
};

template <typename T>
inline constexpr bool is_half = std::is_same_v<T, BFloat16> || std::is_same_v<T, Float16>;
template <typename T>
inline constexpr bool is_real = std::is_floating_point_v<T> || is_half<T>;

}  // namespace vaip
