// The 16-bit floating-point formats: every number, and every rounding around it.
#include <cmath>
#include <limits>

#include "base/half.h"
#include "check.h"

namespace {

using namespace vaip;

// Value of a format with so many bits of exponent and fraction, by its definition.
double value_of(unsigned bits, int exponent_bits, int fraction_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = static_cast<int>(bits >> fraction_bits) & ((1 << exponent_bits) - 1);
  const double fraction = bits & ((1U << fraction_bits) - 1U);
  const double sign = (bits >> 15) != 0 ? -1.0 : 1.0;
  if (exponent == (1 << exponent_bits) - 1)
    return fraction != 0 ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - fraction_bits);
  return sign * std::ldexp(fraction + std::ldexp(1.0, fraction_bits), exponent - bias - fraction_bits);
}

template <typename Half>
void check_format(int exponent_bits, int fraction_bits) {
  int shown = 0;
  const auto expect = [&](double x, unsigned bits) {
    const unsigned got = Half(x).bits, from_float = Half(static_cast<float>(x)).bits;
    const bool is_float = static_cast<double>(static_cast<float>(x)) == x;
    if ((got == bits && (!is_float || from_float == bits)) || ++shown > 5) return;
    vaip::test::report(__FILE__, __LINE__, std::to_string(x) + " became " + std::to_string(got));
  };
  const unsigned infinity = ((1U << exponent_bits) - 1U) << fraction_bits;
  for (unsigned sign : {0U, 0x8000U}) {
    for (unsigned magnitude = 0; magnitude < infinity; ++magnitude) {
      const unsigned bits = sign | magnitude;
      Half half;
      half.bits = static_cast<std::uint16_t>(bits);
      const double x = value_of(bits, exponent_bits, fraction_bits);
      CHECK(static_cast<double>(static_cast<float>(half)) == x);
      expect(x, bits);
      // The largest number's upper neighbour would have the bits of infinity.
      const double above = magnitude + 1 < infinity ? value_of(bits + 1, exponent_bits, fraction_bits)
                                                    : 2.0 * x - value_of(bits - 1, exponent_bits, fraction_bits);
      const double tie = (x + above) / 2.0;
      expect(tie, magnitude % 2 == 0 ? bits : bits + 1);
      expect(std::nextafter(tie, x), bits);
      expect(std::nextafter(tie, above), bits + 1);
    }
    const double huge = sign == 0 ? 1e300 : -1e300;
    expect(huge, sign | infinity);
    expect(std::copysign(std::numeric_limits<double>::infinity(), huge), sign | infinity);
    expect(std::copysign(1e-300, huge), sign);
  }
  CHECK(std::isnan(static_cast<float>(Half(std::numeric_limits<double>::quiet_NaN()))));
  CHECK(std::isnan(static_cast<float>(Half(-std::numeric_limits<float>::quiet_NaN()))));
}

TEST(bfloat16) { check_format<BFloat16>(8, 7); }
TEST(float16) { check_format<Float16>(5, 10); }

}  // namespace

VAIP_TEST_MAIN()
