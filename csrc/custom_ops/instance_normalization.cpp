#include "custom_ops/instance_normalization.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/error.h"
#include "base/half.h"

namespace vaip::custom_ops {
namespace {

float bf16(float x) { return rounded_to_bfloat16(x); }

int biased_exponent(float x) { return static_cast<int>((bits_of(x) >> 23) & 0xFFU); }

// The device's accumulator: the terms of a sum are brought to the exponent of the largest before they are added, so
// bits below its last place are rounded away.
float aligned(float x, int exponent) {
  const float power = float_of((bits_of(x) & 0x80000000U) | (static_cast<std::uint32_t>(exponent) << 23));
  return (x + power) - power;
}

int product_exponent(float a, float b) { return biased_exponent(a) + biased_exponent(b) - 127; }

float multiply_add(float a, float b, float c) {
  const int exponent = std::max(product_exponent(a, b), biased_exponent(c));
  return aligned(c, exponent) + aligned(a * b, exponent);
}

// A float as a sum of three bfloat16 numbers: all of its bits.
struct Parts {
  float high, middle, low;
  explicit Parts(float x) : high(bf16(x)), middle(bf16(x - high)), low(bf16(x - high - middle)) {}
};

// c - a * b with bfloat16 multipliers, the smallest partial products first.
float subtract_product(float c, float a, float b) {
  const Parts x(a), y(-b);
  float sum = x.low * y.low;
  sum = multiply_add(x.low, y.middle, sum);
  sum = multiply_add(x.middle, y.low, sum);
  sum = multiply_add(x.high, y.low, sum);
  sum = multiply_add(x.middle, y.middle, sum);
  sum = multiply_add(x.low, y.high, sum);
  sum = multiply_add(x.middle, y.high, sum);
  sum = multiply_add(x.high, y.middle, sum);
  const int exponent = std::max({product_exponent(x.high, y.high), biased_exponent(sum), biased_exponent(c)});
  return aligned(sum, exponent) + aligned(c, exponent) + aligned(x.high * y.high, exponent);
}

// One channel of one image.
void normalize(const float* x, size_t count, float weight, float bias, float epsilon, float* y) {
  float sum = 0, squares = 0;
  for (size_t i = 0; i < count; ++i) {
    const float value = bf16(x[i]);
    sum += value;
    squares += value * value;
  }
  const auto inverse_count = static_cast<float>(1.0 / static_cast<double>(count));
  const float mean = sum * inverse_count;
  const float variance = subtract_product(squares * inverse_count, mean, mean);
  const float scale = bf16(std::pow(variance + epsilon, -0.5F));
  const float centre = bf16(bf16(mean) * scale);
  for (size_t i = 0; i < count; ++i) y[i] = bf16(weight * bf16(bf16(bf16(x[i]) * scale) - centre) + bias);
}

}  // namespace

void InstanceNormalization::compute(OrtKernelContext& context) const {
  const Tensor x = input(context, 0), weight = input(context, 1), bias = input(context, 2);
  if (x.shape.size() < 2)
    fail(ErrorKind::invalid_argument, "ExtendedInstanceNormalization: an input of rank ", x.shape.size());
  const auto channels = static_cast<size_t>(x.shape[1]);
  if (weight.count() != channels || bias.count() != channels) {
    fail(ErrorKind::invalid_argument, "ExtendedInstanceNormalization: ", weight.count(), " weights and ", bias.count(),
         " biases for ", channels, " channels");
  }
  auto* y = static_cast<float*>(output(context, x.shape));
  const size_t count = x.count();
  if (count == 0) return;
  const size_t planes = static_cast<size_t>(x.shape[0]) * channels, size = count / planes;
  for (size_t plane = 0; plane < planes; ++plane) {
    const size_t channel = plane % channels;
    normalize(x.as<float>() + plane * size, size, bf16(weight.as<float>()[channel]), bf16(bias.as<float>()[channel]),
              epsilon_, y + plane * size);
  }
}

}  // namespace vaip::custom_ops
