#include "kernels/real_block.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/half.h"
#include "kernels/multiversion.h"
#include "kernels/rounding.h"

namespace vaip::kernels {
namespace {

using ir::DType;

template <typename T>
VAIP_MULTIVERSION void load_dense(const T* __restrict in, std::int64_t count, double scale, double zero_point,
                                  double* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = (static_cast<double>(in[i]) - zero_point) * scale;
}

template <typename T>
void load(const void* data, std::int64_t offset, std::int64_t stride, std::int64_t count, const Affine& affine,
          double* out) {
  const T* in = static_cast<const T*>(data) + offset;
  if (stride == 1) return load_dense(in, count, affine.scale, affine.zero_point, out);
  if (stride == 0) {
    std::fill_n(out, count, (static_cast<double>(*in) - affine.zero_point) * affine.scale);
    return;
  }
  for (std::int64_t i = 0; i < count; ++i)
    out[i] = (static_cast<double>(in[i * stride]) - affine.zero_point) * affine.scale;
}

// Types of up to 32 bits: after the clamp the sum in round_half_even cannot leave its range.
template <typename T, typename Round>
VAIP_MULTIVERSION void quantize_multiplying(const double* __restrict in, std::int64_t count, double reciprocal,
                                            double zero_point, double low, double high, Round round,
                                            T* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i)
    out[i] = static_cast<T>(static_cast<std::int32_t>(round(clamp(in[i] * reciprocal, low, high)) + zero_point));
}
template <typename T, typename Round>
VAIP_MULTIVERSION void quantize_dividing(const double* __restrict in, std::int64_t count, double scale,
                                         double zero_point, double low, double high, Round round, T* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i)
    out[i] = static_cast<T>(static_cast<std::int32_t>(round(clamp(in[i] / scale, low, high)) + zero_point));
}

template <typename T>
void store_integers(const Quantizer& q, const double* in, T* out, std::int64_t count) {
  with_rounder(q.rounding, [&](auto round) {
    if (q.reciprocal != 0.0)
      quantize_multiplying(in, count, q.reciprocal, q.affine.zero_point, q.lowest, q.highest, round, out);
    else
      quantize_dividing(in, count, q.affine.scale, q.affine.zero_point, q.lowest, q.highest, round, out);
  });
}

// Integers whose range a std::int32_t does not cover.
template <typename T>
void store_wide(const Quantizer& q, const double* in, T* out, std::int64_t stride, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) out[i * stride] = static_cast<T>(quantize(q, in[i]));
}

template <typename T>
void store(const Quantizer& q, const double* in, void* data, std::int64_t offset, std::int64_t stride,
           std::int64_t count) {
  T* out = static_cast<T*>(data) + offset;
  if (stride == 1) return store_integers(q, in, out, count);
  T block[kBlock];
  for (std::int64_t begin = 0; begin < count; begin += kBlock) {
    const std::int64_t n = std::min(kBlock, count - begin);
    store_integers(q, in + begin, block, n);
    for (std::int64_t i = 0; i < n; ++i) out[(begin + i) * stride] = block[i];
  }
}

template <typename T>
VAIP_MULTIVERSION void store_dense(const double* __restrict in, std::int64_t count, T* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<T>(in[i]);
}

template <typename T>
void store_float(const double* in, void* data, std::int64_t offset, std::int64_t stride, std::int64_t count) {
  T* out = static_cast<T*>(data) + offset;
  if (stride == 1) return store_dense(in, count, out);
  for (std::int64_t i = 0; i < count; ++i) out[i * stride] = static_cast<T>(in[i]);
}

VAIP_MULTIVERSION void apply_relu(double* x, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) x[i] = x[i] < 0.0 ? 0.0 : x[i];
}
VAIP_MULTIVERSION void apply_clip(double* x, std::int64_t count, double low, double high) {
  for (std::int64_t i = 0; i < count; ++i) {
    const double raised = x[i] < low ? low : x[i];
    x[i] = raised > high ? high : raised;
  }
}
VAIP_MULTIVERSION void apply_leaky_relu(double* x, std::int64_t count, double alpha) {
  for (std::int64_t i = 0; i < count; ++i) x[i] = x[i] < 0.0 ? alpha * x[i] : x[i];
}
VAIP_MULTIVERSION void apply_linear(double* x, std::int64_t count, double alpha, double beta) {
  for (std::int64_t i = 0; i < count; ++i) x[i] = alpha * x[i] + beta;
}
VAIP_MULTIVERSION void apply_hard_sigmoid(double* x, std::int64_t count, double alpha, double beta) {
  for (std::int64_t i = 0; i < count; ++i) {
    const double line = alpha * x[i] + beta;
    const double raised = line < 0.0 ? 0.0 : line;
    x[i] = raised > 1.0 ? 1.0 : raised;
  }
}

}  // namespace

bool is_computable(DType dtype) {
  switch (dtype) {
    case DType::f32:
    case DType::f16:
    case DType::bf16:
    case DType::f64:
    case DType::u8:
    case DType::s8:
    case DType::u16:
    case DType::s16:
    case DType::u32:
    case DType::s32:
    case DType::u64:
    case DType::s64:
    case DType::boolean:
      return true;
    default:
      return false;
  }
}

Quantizer make_quantizer(const Operand& output) {
  Quantizer q;
  q.dtype = output.dtype;
  q.affine = output.affine();
  q.rounding = output.last_step.rounding;
  int exponent = 0;
  if (std::frexp(q.affine.scale, &exponent) == 0.5) q.reciprocal = 1.0 / q.affine.scale;
  if (q.to_float()) {
    q.lowest = -std::numeric_limits<double>::infinity();
    q.highest = std::numeric_limits<double>::infinity();
  } else if (output.dtype == DType::boolean) {
    q.highest = 1.0;
  } else {
    q.lowest = static_cast<double>(ir::lowest(output.dtype)) - q.affine.zero_point;
    // The largest 64-bit integers are no doubles; the nearest double below is as far as saturation can go.
    const std::int64_t highest = ir::highest(output.dtype);
    const double nearest = static_cast<double>(highest);
    q.highest = (nearest >= 0x1p63 ? 0x1p63 - 1024.0 : nearest) - q.affine.zero_point;
  }
  return q;
}

double quantize(const Quantizer& q, double real) {
  const double steps = q.reciprocal != 0.0 ? real * q.reciprocal : real / q.affine.scale;
  const double limited = clamp(steps, q.lowest, q.highest);
  double rounded = std::nearbyint(limited);
  if (std::fabs(limited) < 0x1p51) with_rounder(q.rounding, [&](auto round) { rounded = round(limited); });
  return rounded + q.affine.zero_point;
}

void load_real(DType dtype, const void* data, std::int64_t offset, std::int64_t stride, std::int64_t count,
               const Affine& affine, double* out) {
  switch (dtype) {
    case DType::f32:
      return load<float>(data, offset, stride, count, affine, out);
    case DType::f64:
      return load<double>(data, offset, stride, count, affine, out);
    case DType::bf16:
      return load<BFloat16>(data, offset, stride, count, affine, out);
    case DType::f16:
      return load<Float16>(data, offset, stride, count, affine, out);
    case DType::u8:
    case DType::boolean:
      return load<std::uint8_t>(data, offset, stride, count, affine, out);
    case DType::s8:
      return load<std::int8_t>(data, offset, stride, count, affine, out);
    case DType::u16:
      return load<std::uint16_t>(data, offset, stride, count, affine, out);
    case DType::s16:
      return load<std::int16_t>(data, offset, stride, count, affine, out);
    case DType::u32:
      return load<std::uint32_t>(data, offset, stride, count, affine, out);
    case DType::s32:
      return load<std::int32_t>(data, offset, stride, count, affine, out);
    case DType::u64:
      return load<std::uint64_t>(data, offset, stride, count, affine, out);
    case DType::s64:
      return load<std::int64_t>(data, offset, stride, count, affine, out);
    default:
      fail(ErrorKind::internal, "a kernel reads elements of type ", ir::name(dtype));
  }
}

void store_real(const Quantizer& q, const double* in, void* data, std::int64_t offset, std::int64_t stride,
                std::int64_t count) {
  switch (q.dtype) {
    case DType::f32:
      return store_float<float>(in, data, offset, stride, count);
    case DType::f64:
      return store_float<double>(in, data, offset, stride, count);
    case DType::bf16:
      return store_float<BFloat16>(in, data, offset, stride, count);
    case DType::f16:
      return store_float<Float16>(in, data, offset, stride, count);
    case DType::u8:
    case DType::boolean:
      return store<std::uint8_t>(q, in, data, offset, stride, count);
    case DType::s8:
      return store<std::int8_t>(q, in, data, offset, stride, count);
    case DType::u16:
      return store<std::uint16_t>(q, in, data, offset, stride, count);
    case DType::s16:
      return store<std::int16_t>(q, in, data, offset, stride, count);
    case DType::s32:
      return store<std::int32_t>(q, in, data, offset, stride, count);
    case DType::u32:
      return store_wide(q, in, static_cast<std::uint32_t*>(data) + offset, stride, count);
    case DType::u64:
      return store_wide(q, in, static_cast<std::uint64_t*>(data) + offset, stride, count);
    case DType::s64:
      return store_wide(q, in, static_cast<std::int64_t*>(data) + offset, stride, count);
    default:
      fail(ErrorKind::internal, "a kernel writes elements of type ", ir::name(q.dtype));
  }
}

bool has_effect(const ir::Activation& activation) {
  return activation.kind != ir::Activation::Kind::none && activation.kind != ir::Activation::Kind::identity;
}

bool as_limits(const ir::Activation& activation, const Quantizer& quantizer, double& low, double& high) {
  const auto limit = [&](double real) {
    return quantizer.to_float() ? real : quantize(quantizer, real) - quantizer.affine.zero_point;
  };
  low = quantizer.lowest;
  high = quantizer.highest;
  if (!has_effect(activation)) return true;
  if (activation.kind == ir::Activation::Kind::relu) {
    low = limit(0.0);
    return true;
  }
  if (activation.kind != ir::Activation::Kind::clip) return false;
  low = limit(activation.alpha);
  high = limit(activation.beta);
  return true;
}

void apply(const ir::Activation& activation, double* values, std::int64_t count) {
  using Kind = ir::Activation::Kind;
  switch (activation.kind) {
    case Kind::none:
    case Kind::identity:
      return;
    case Kind::relu:
      return apply_relu(values, count);
    case Kind::clip:
      return apply_clip(values, count, activation.alpha, activation.beta);
    case Kind::leaky_relu:
      return apply_leaky_relu(values, count, activation.alpha);
    case Kind::linear:
      return apply_linear(values, count, activation.alpha, activation.beta);
    case Kind::hard_sigmoid:
      return apply_hard_sigmoid(values, count, activation.alpha, activation.beta);
    default:
      for (std::int64_t i = 0; i < count; ++i) values[i] = ir::apply(activation, values[i]);
  }
}

}  // namespace vaip::kernels
