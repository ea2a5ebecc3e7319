// The scalar steps that every quantized result ends with, and when float32 is enough for them.
#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>

namespace vaip::kernels {

// Which integer a number between two becomes: the modes of AIE-ML's shift-round-saturate, by AMD's names
// (aie::rounding_mode). The nearest one but for the first two, which differ in ties only: towards +infinity, towards
// -infinity, away from zero, towards zero, to even, to odd.
enum class Rounding : std::uint8_t {
  floor,
  ceil,
  positive_inf,
  negative_inf,
  symmetric_inf,
  symmetric_zero,
  conv_even,
  conv_odd
};
std::string_view name(Rounding rounding);
Rounding rounding_from_name(std::string_view name);  // throws Error(invalid_argument)

// How a layer's result becomes an integer. As it stands: as ONNX has it.
struct LastStep {
  Rounding rounding = Rounding::conv_even;
  bool fixed_point = false;  // the factors before it are integer multipliers and shifts, see srs.h
};

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

struct HalfEvenRounder {
  double operator()(double x) const { return round_half_even(x); }
};

// Any mode, for |x| < 2^51: half to even first, from where the others are a step up or down or none.
class Rounder {
 public:
  explicit Rounder(Rounding rounding);

  double operator()(double x) const {
    const double even = round_half_even(x), rest = x - even;  // exact, from -1/2 to 1/2
    const double up = x < 0.0 ? of_negative_.up : of_positive_.up;
    const double down = x < 0.0 ? of_negative_.down : of_positive_.down;
    return even + (rest >= up ? 1.0 : 0.0) - (rest <= -down ? 1.0 : 0.0);
  }

 private:
  // The least distances of a number above or below the integer from which it goes to the next one.
  struct Distances {
    double up, down;
  };
  Distances of_negative_, of_positive_;
};

// Calls call(rounder) with the rounder of that mode: ONNX's own stays as fast as it is alone.
template <typename Call>
void with_rounder(Rounding rounding, const Call& call) {
  if (rounding == Rounding::conv_even) return call(HalfEvenRounder{});
  call(Rounder(rounding));
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

// Whether acc * scale + bias rounds nowhere in float32, for accumulators of no more than the largest: all of it are
// multiples of a power of two, of at most 24 bits.
bool is_exact_in_float(double largest_accumulator, double scale, double bias);

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

  // The same attempt, which rounds half to even, for results that are rounded otherwise.
  FloatAttempt for_rounding(Rounding rounding) const {
    if (rounding == Rounding::floor || rounding == Rounding::ceil) return {};
    constexpr float kBelowTies = 0.5F - 0x1p-24F;
    return rounding == Rounding::conv_even || limit_ < kBelowTies ? *this : FloatAttempt(kBelowTies);
  }

  bool worthwhile() const { return limit_ > 0.0F; }
  // Results further than this from their rounded value are in doubt.
  float limit() const { return limit_; }

 private:
  explicit FloatAttempt(float limit) : limit_(limit) {}
  float limit_ = 0.0F;
};

}  // namespace vaip::kernels
