// The parts of the device's numerics that the layers are made of. Whole layers: tests/python/test_xdna.py.
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "check.h"
#include "kernels/srs.h"

namespace {

using namespace vaip;
using kernels::Rounding;

// Numerators of a number of eighths, in integers only.
std::int64_t rounded_eighths(std::int64_t n, Rounding rounding) {
  const std::int64_t below = n >= 0 ? n / 8 : -((-n + 7) / 8), rest = n - 8 * below;
  const bool odd = below % 2 != 0;
  bool up = rest > 4;
  if (rounding == Rounding::floor) up = false;
  if (rounding == Rounding::ceil) up = rest > 0;
  if (rest == 4) {
    if (rounding == Rounding::positive_inf) up = true;
    if (rounding == Rounding::symmetric_inf) up = n > 0;
    if (rounding == Rounding::symmetric_zero) up = n < 0;
    if (rounding == Rounding::conv_even) up = odd;
    if (rounding == Rounding::conv_odd) up = !odd;
  }
  return below + (up ? 1 : 0);
}

TEST(every_rounding_mode) {
  for (int mode = 0; mode < 8; ++mode) {
    const auto rounding = static_cast<Rounding>(mode);
    CHECK(kernels::rounding_from_name(kernels::name(rounding)) == rounding);
    const kernels::Rounder round(rounding);
    for (const std::int64_t around : {std::int64_t{0}, std::int64_t{1} << 43, -(std::int64_t{1} << 43)})
      for (std::int64_t n = around - 200; n <= around + 200; ++n)
        CHECK_EQ(round(static_cast<double>(n) / 8.0), static_cast<double>(rounded_eighths(n, rounding)));
    // The smallest distances from an integer and from a tie.
    const bool floor = rounding == Rounding::floor, ceil = rounding == Rounding::ceil;
    CHECK_EQ(round(1e-300), ceil ? 1.0 : 0.0);
    CHECK_EQ(round(-1e-300), floor ? -1.0 : 0.0);
    CHECK_EQ(round(std::nextafter(0.5, 0.0)), ceil ? 1.0 : 0.0);
    CHECK_EQ(round(std::nextafter(0.5, 1.0)), floor ? 0.0 : 1.0);
    CHECK_EQ(round(std::nextafter(-2.5, 0.0)), floor ? -3.0 : -2.0);
  }
  CHECK_THROWS(kernels::rounding_from_name("nearest"), "unknown rounding mode 'nearest'");
}

TEST(factors_have_16_bits) {
  for (const double power : {1.0, 0.5, 0x1p-31, 0x1p17}) CHECK_EQ(kernels::srs_factor(power), power);
  CHECK_EQ(kernels::srs_factor(0.1), 52429.0 / 524288.0);
  CHECK_EQ(kernels::srs_factor(-0.1), -52429.0 / 524288.0);
  CHECK_EQ(kernels::srs_factor(32768.5), 32768.0);  // a tie, to even
  CHECK_EQ(kernels::srs_factor(32769.5), 32770.0);
  CHECK_EQ(kernels::srs_factor(1.0 - 0x1p-20), 1.0);  // rounded up into the next power of two
}

TEST(means_by_the_multipliers_of_the_device) {
  const auto factor = [](double scale, std::int64_t count, std::int64_t side) {
    const kernels::MeanFactor mean = kernels::mean_factor(scale, count, side, {Rounding::positive_inf, true});
    return mean.scale / mean.divisor;
  };
  CHECK_EQ(factor(1.0, 9, 3), 7.0 / 64.0);
  CHECK_EQ(factor(0.25, 196, 14), 21.0 / 16384.0);
  CHECK_EQ(factor(1.0, 9, 0), 57.0 / 512.0);  // k / 2^n with n < 11
  CHECK_EQ(factor(1.0, 16, 4), 1.0 / 16.0);
  CHECK_EQ(factor(1.0, 256 * 256, 256), 1.0 / 65536.0);
  CHECK_EQ(factor(0.75, 9, 3), kernels::srs_factor(0.75 / 9.0));
  const kernels::MeanFactor exact = kernels::mean_factor(0.3, 9, 3, {});
  CHECK_EQ(exact.scale, 0.3);
  CHECK_EQ(exact.divisor, 9.0);
}

}  // namespace

VAIP_TEST_MAIN()
