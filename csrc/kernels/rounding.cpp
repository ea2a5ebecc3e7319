#include "kernels/rounding.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include "base/error.h"

namespace vaip::kernels {
namespace {

constexpr std::array<std::pair<Rounding, std::string_view>, 8> kNames = {{
    {Rounding::floor, "floor"},
    {Rounding::ceil, "ceil"},
    {Rounding::positive_inf, "positive_inf"},
    {Rounding::negative_inf, "negative_inf"},
    {Rounding::symmetric_inf, "symmetric_inf"},
    {Rounding::symmetric_zero, "symmetric_zero"},
    {Rounding::conv_even, "conv_even"},
    {Rounding::conv_odd, "conv_odd"},
}};

// The largest power of two that x is a multiple of: its least binary digit.
double unit_of(double x) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &x, sizeof bits);
  constexpr std::uint64_t kFraction = (std::uint64_t{1} << (std::numeric_limits<double>::digits - 1)) - 1;
  if ((bits & kFraction) == 0) return std::fabs(x);
  bits &= bits - 1;
  double others = 0.0;
  std::memcpy(&others, &bits, sizeof others);
  return std::fabs(x - others);
}

}  // namespace

std::string_view name(Rounding rounding) {
  return std::find_if(kNames.begin(), kNames.end(), [&](const auto& entry) { return entry.first == rounding; })->second;
}

Rounding rounding_from_name(std::string_view name) {
  const auto found =
      std::find_if(kNames.begin(), kNames.end(), [&](const auto& entry) { return entry.second == name; });
  if (found == kNames.end()) fail(ErrorKind::invalid_argument, "unknown rounding mode '", name, "'");
  return found->first;
}

bool is_exact_in_float(double largest_accumulator, double scale, double bias) {
  const double largest = largest_accumulator * std::fabs(scale) + std::fabs(bias);
  if (scale == 0.0 || !std::isfinite(largest)) return false;
  const double unit = bias == 0.0 ? unit_of(scale) : std::min(unit_of(scale), unit_of(bias));
  return largest <= 0x1p24 * unit;
}

Rounder::Rounder(Rounding rounding) {
  constexpr double kAny = std::numeric_limits<double>::denorm_min(), kTie = 0.5, kNever = 1.0;
  constexpr Distances kStays = {kNever, kNever}, kTieUp = {kTie, kNever}, kTieDown = {kNever, kTie};
  const auto [negative, positive] = [&]() -> std::pair<Distances, Distances> {
    switch (rounding) {
      case Rounding::floor:
        return {{kNever, kAny}, {kNever, kAny}};
      case Rounding::ceil:
        return {{kAny, kNever}, {kAny, kNever}};
      case Rounding::positive_inf:
        return {kTieUp, kTieUp};
      case Rounding::negative_inf:
        return {kTieDown, kTieDown};
      case Rounding::symmetric_inf:
        return {kTieDown, kTieUp};
      case Rounding::symmetric_zero:
        return {kTieUp, kTieDown};
      case Rounding::conv_odd:
        return {{kTie, kTie}, {kTie, kTie}};
      case Rounding::conv_even:
        break;
    }
    return {kStays, kStays};
  }();
  of_negative_ = negative;
  of_positive_ = positive;
}

}  // namespace vaip::kernels
