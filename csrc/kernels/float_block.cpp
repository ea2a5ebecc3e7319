#include "kernels/float_block.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/float_math.h"
#include "kernels/multiversion.h"

namespace vaip::kernels {
namespace {

using ir::DType;
using Kind = ir::Activation::Kind;

template <typename T>
VAIP_MULTIVERSION void to_float(const T* __restrict in, std::int64_t count, float* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(in[i]);
}
VAIP_MULTIVERSION void to_bf16(const float* __restrict in, std::int64_t count, BFloat16* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = BFloat16(in[i]);
}

// Unquantized elements.
template <typename T>
void load(const void* data, std::int64_t offset, std::int64_t stride, std::int64_t count, float* out) {
  const T* in = static_cast<const T*>(data) + offset;
  if (stride == 1) return to_float(in, count, out);
  if (stride == 0) return std::fill_n(out, count, static_cast<float>(*in)), void();
  for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(in[i * stride]);
}

template <typename Function>
VAIP_MULTIVERSION void map(float* __restrict x, std::int64_t count, Function function) {
  for (std::int64_t i = 0; i < count; ++i) x[i] = function(x[i]);
}

// Lanes of a sum that is taken in parallel: a register of AVX-512.
constexpr std::int64_t kLanes = 16;

template <typename Real>
Real total_of(Real* lanes) {
  for (std::int64_t width = kLanes / 2; width > 0; width /= 2)
    for (std::int64_t l = 0; l < width; ++l) lanes[l] += lanes[l + width];
  return lanes[0];
}

template <typename Real, typename Term>
VAIP_MULTIVERSION Real sum_terms(const float* __restrict x, std::int64_t count, Term term) {
  Real lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (std::int64_t l = 0; l < kLanes; ++l) lanes[l] += term(x[i + l]);
  for (std::int64_t l = 0; i < count; ++i, ++l) lanes[l] += term(x[i]);
  return total_of(lanes);
}

VAIP_MULTIVERSION float take_largest(const float* __restrict x, std::int64_t count) {
  float lanes[kLanes];
  std::fill_n(lanes, kLanes, -std::numeric_limits<float>::infinity());
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (std::int64_t l = 0; l < kLanes; ++l) lanes[l] = x[i + l] > lanes[l] ? x[i + l] : lanes[l];
  for (std::int64_t l = 0; i < count; ++i, ++l) lanes[l] = x[i] > lanes[l] ? x[i] : lanes[l];
  return *std::max_element(lanes, lanes + kLanes);
}

// fast_exp(x - offset) in place, and the sum of it.
VAIP_MULTIVERSION float exponentiate(float* __restrict x, std::int64_t count, float offset) {
  float lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (std::int64_t l = 0; l < kLanes; ++l) {
      x[i + l] = fast_exp(x[i + l] - offset);
      lanes[l] += x[i + l];
    }
  for (std::int64_t l = 0; i < count; ++i, ++l) {
    x[i] = fast_exp(x[i] - offset);
    lanes[l] += x[i];
  }
  return total_of(lanes);
}

VAIP_MULTIVERSION void narrow_scaled(const float* __restrict in, std::int64_t count, float factor,
                                     BFloat16* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = BFloat16(in[i] * factor);
}

float clip(float x, float low, float high) {
  const float raised = x < low ? low : x;
  return raised > high ? high : raised;
}

}  // namespace

bool float_is_enough(const LayerOperands& operands) {
  const auto is_narrow = [](const Operand& x) {
    switch (x.dtype) {
      case DType::undefined:
      case DType::boolean:
      case DType::f32:
      case DType::f16:
      case DType::bf16:
        return true;
      default:
        return ir::is_integer(x.dtype) && ir::size_of(x.dtype) <= 2;
    }
  };
  const auto is_bf16 = [](const Operand& y) { return !y.present() || y.dtype == DType::bf16; };
  return std::all_of(operands.inputs.begin(), operands.inputs.end(), is_narrow) &&
         std::all_of(operands.outputs.begin(), operands.outputs.end(), is_bf16);
}

void widen(const BFloat16* in, std::int64_t count, float* out) { to_float(in, count, out); }
void narrow(const float* in, std::int64_t count, BFloat16* out) { to_bf16(in, count, out); }

void load_real(DType dtype, const void* data, std::int64_t offset, std::int64_t stride, std::int64_t count,
               const Affine& affine, float* out) {
  if (dtype == DType::bf16) return load<BFloat16>(data, offset, stride, count, out);
  if (dtype == DType::f32) return load<float>(data, offset, stride, count, out);
  double block[kBlock];
  const auto n = static_cast<std::int64_t>(kBlock);
  for (std::int64_t begin = 0; begin < count; begin += n) {
    const std::int64_t piece = std::min(n, count - begin);
    load_real(dtype, data, offset + begin * stride, stride, piece, affine, block);
    to_float(block, piece, out + begin);
  }
}

void store_real(const Quantizer& quantizer, const float* in, void* data, std::int64_t offset, std::int64_t stride,
                std::int64_t count) {
  if (quantizer.dtype == DType::bf16) {
    BFloat16* out = static_cast<BFloat16*>(data) + offset;
    if (stride == 1) return to_bf16(in, count, out);
    for (std::int64_t i = 0; i < count; ++i) out[i * stride] = BFloat16(in[i]);
    return;
  }
  if (quantizer.dtype == DType::f32 && stride == 1)
    return std::copy_n(in, count, static_cast<float*>(data) + offset), void();
  double block[kBlock];
  for (std::int64_t begin = 0; begin < count; begin += kBlock) {
    const std::int64_t piece = std::min(kBlock, count - begin);
    std::copy_n(in + begin, piece, block);
    store_real(quantizer, block, data, offset + begin * stride, stride, piece);
  }
}

float largest(const float* x, std::int64_t count) { return take_largest(x, count); }
float sum(const float* x, std::int64_t count) {
  return sum_terms<float>(x, count, [](float v) { return v; });
}
float sum_of_squares(const float* x, std::int64_t count, float offset) {
  return sum_terms<float>(x, count, [offset](float v) { return (v - offset) * (v - offset); });
}
double sum_of_exponentials(const float* x, std::int64_t count) {
  return sum_terms<double>(x, count, [](float v) { return fast_exp(v); });
}
void subtract(float* x, std::int64_t count, float offset) {
  map(x, count, [offset](float v) { return v - offset; });
}
void narrow(const float* in, std::int64_t count, float factor, BFloat16* out) { narrow_scaled(in, count, factor, out); }
float take_exponentials(float* x, std::int64_t count, float offset) { return exponentiate(x, count, offset); }

void apply(const ir::Activation& activation, float* values, std::int64_t count) {
  const auto a = static_cast<float>(activation.alpha), b = static_cast<float>(activation.beta);
  switch (activation.kind) {
    case Kind::none:
    case Kind::identity:
      return;
    case Kind::relu:
      return map(values, count, [](float x) { return x < 0.0F ? 0.0F : x; });
    case Kind::clip:
      return map(values, count, [a, b](float x) { return clip(x, a, b); });
    case Kind::leaky_relu:
      return map(values, count, [a](float x) { return x < 0.0F ? a * x : x; });
    case Kind::hard_sigmoid:
      return map(values, count, [a, b](float x) { return clip(a * x + b, 0.0F, 1.0F); });
    case Kind::hard_swish:
      return map(values, count, [](float x) { return x * clip(x / 6.0F + 0.5F, 0.0F, 1.0F); });
    case Kind::linear:
      return map(values, count, [a, b](float x) { return a * x + b; });
    case Kind::sigmoid:
      return map(values, count, [](float x) { return fast_sigmoid(x); });
    case Kind::swish:
      return map(values, count, [a](float x) { return x * fast_sigmoid(a * x); });
    case Kind::tanh:
      return map(values, count, [](float x) { return fast_tanh(x); });
    case Kind::gelu:
      return map(values, count, [](float x) { return fast_gelu(x); });
    case Kind::gelu_tanh:
      return map(values, count, [](float x) { return fast_gelu_tanh(x); });
    case Kind::sqrt:
      return map(values, count, [](float x) { return std::sqrt(x); });
    case Kind::reciprocal:
      return map(values, count, [](float x) { return 1.0F / x; });
    case Kind::neg:
      return map(values, count, [](float x) { return -x; });
    case Kind::abs:
      return map(values, count, [](float x) { return std::fabs(x); });
    default:
      for (std::int64_t i = 0; i < count; ++i)
        values[i] = static_cast<float>(ir::apply(activation, static_cast<double>(values[i])));
  }
}

}  // namespace vaip::kernels
