#include "kernels/resize_coordinates.h"

#include <cmath>
#include <numeric>

#include "base/error.h"

namespace vaip::kernels {
namespace {

using Attrs = ir::ResizeAttrs;

std::int64_t floor_of(std::int64_t numerator, std::int64_t denominator) {
  return numerator / denominator - (numerator % denominator < 0 ? 1 : 0);
}
std::int64_t ceil_of(std::int64_t numerator, std::int64_t denominator) { return -floor_of(-numerator, denominator); }

}  // namespace

ResizeScale scale_of_sizes(std::int64_t in, std::int64_t out) {
  const std::int64_t common = std::gcd(in, out);
  return {out / common, in / common};
}

ResizeScale scale_of(float given) {
  constexpr int kSignificandBits = 24, kMostShift = 38;  // both parts stay below 2^62
  int exponent = 0;
  const float significand = std::frexp(given, &exponent);
  const int shift = exponent - kSignificandBits;
  if (!(given > 0) || !std::isfinite(given) || std::abs(shift) > 62 || shift > kMostShift)
    fail(ErrorKind::invalid_model, "a scale of ", given);
  const auto integer = static_cast<std::int64_t>(std::ldexp(significand, kSignificandBits));
  ResizeScale scale = shift >= 0 ? ResizeScale{integer << shift, 1} : ResizeScale{integer, std::int64_t{1} << -shift};
  const std::int64_t common = std::gcd(scale.numerator, scale.denominator);
  return {scale.numerator / common, scale.denominator / common};
}

// In 64 bits: index * scale.denominator is about input index * scale.numerator, of at most 31 + 24 bits.
ResizeCoordinates resize_coordinates(Attrs::Coordinates mode, const ResizeScale& scale, std::int64_t in,
                                     std::int64_t out) {
  const std::int64_t p = scale.numerator, q = scale.denominator;
  ResizeCoordinates result;
  std::int64_t step = 0, start = 0;
  if (mode == Attrs::Coordinates::align_corners) {  // x (in - 1) / (out - 1)
    step = out > 1 ? in - 1 : 0;
    result.denominator = out > 1 ? out - 1 : 1;
  } else if (mode == Attrs::Coordinates::asymmetric) {  // x / scale
    step = q;
    result.denominator = p;
  } else if (mode != Attrs::Coordinates::pytorch_half_pixel || out > 1) {  // (x + 1/2) / scale - 1/2
    step = 2 * q;
    start = q - p;
    result.denominator = 2 * p;
    // in / 2 (1 - out / (scale in)) more
    if (mode == Attrs::Coordinates::half_pixel_symmetric) start += in * p - out * q;
  }
  std::int64_t common = result.denominator;
  for (std::int64_t x = 0; x < out; ++x) {
    result.numerators.push_back(x * step + start);
    common = std::gcd(common, result.numerators.back());
  }
  for (std::int64_t& numerator : result.numerators) numerator /= common;
  result.denominator /= common;
  return result;
}

std::int64_t round_coordinate(Attrs::Nearest mode, std::int64_t numerator, std::int64_t denominator) {
  switch (mode) {
    case Attrs::Nearest::round_prefer_floor:
      return ceil_of(2 * numerator - denominator, 2 * denominator);
    case Attrs::Nearest::round_prefer_ceil:
      return floor_of(2 * numerator + denominator, 2 * denominator);
    case Attrs::Nearest::ceil:
      return ceil_of(numerator, denominator);
    case Attrs::Nearest::floor:
      break;
  }
  return floor_of(numerator, denominator);
}

}  // namespace vaip::kernels
