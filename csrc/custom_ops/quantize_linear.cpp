#include "custom_ops/quantize_linear.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "base/error.h"
#include "base/half.h"

namespace vaip::custom_ops {
namespace {

// A tensor as runs of `inner` elements that share a scale and a zero point.
struct Runs {
  size_t count = 1, channels = 1, inner = 1;
};

template <typename... Parts>
[[noreturn]] void reject(const char* op, Parts&&... parts) {
  fail(ErrorKind::invalid_argument, op, ": ", std::forward<Parts>(parts)...);
}

Runs runs_of(const char* op, const Tensor& x, const Tensor& scale, const Tensor& zero_point, int64_t axis) {
  if (zero_point.count() != scale.count())
    reject(op, scale.count(), " scales, but ", zero_point.count(), " zero points");
  if (scale.shape.size() == 0 || (scale.shape.size() == 1 && scale.count() == 1)) return {1, 1, x.count()};
  const auto rank = static_cast<int64_t>(x.shape.size());
  if (axis < -rank || axis >= rank) reject(op, "axis ", axis, " is outside a tensor of rank ", rank);
  const auto at = static_cast<size_t>(axis < 0 ? axis + rank : axis);
  if (scale.shape.size() != 1 || scale.shape[0] != x.shape[at])
    reject(op, scale.count(), " scales for ", x.shape[at], " channels along axis ", axis);
  Runs runs;
  runs.channels = scale.count();
  for (size_t i = 0; i <= at; ++i) runs.count *= static_cast<size_t>(x.shape[i]);
  for (size_t i = at + 1; i < x.shape.size(); ++i) runs.inner *= static_cast<size_t>(x.shape[i]);
  return runs;
}

template <typename T>
T quantized(float x, float scale, T zero_point) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    return BFloat16(x / scale + from_bfloat16(zero_point.bits));
  } else if constexpr (std::is_same_v<T, Float16>) {
    return Float16(std::isnan(x) ? x : std::clamp(x, -65504.0F, 65504.0F));
  } else {
    // Wide enough to be exact: what exceeds 2^53 saturates.
    const double q = static_cast<double>(std::nearbyint(x / scale)) + static_cast<double>(zero_point);
    constexpr auto low = static_cast<double>(std::numeric_limits<T>::lowest());
    constexpr auto high = static_cast<double>(std::numeric_limits<T>::max());
    return std::isnan(q) ? std::numeric_limits<T>::lowest() : static_cast<T>(std::clamp(q, low, high));
  }
}

template <typename T>
float dequantized(T q, float scale, T zero_point) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    return (from_bfloat16(q.bits) - from_bfloat16(zero_point.bits)) * scale;
  } else if constexpr (std::is_same_v<T, Float16>) {
    return from_float16(q.bits);
  } else {
    return static_cast<float>(static_cast<std::int64_t>(q) - static_cast<std::int64_t>(zero_point)) * scale;
  }
}

// Calls function(T{}) for the type of a zero point.
template <typename Function>
void with_type(const char* op, ONNXTensorElementDataType type, const Function& function) {
  switch (type) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8:
      return function(std::uint8_t{});
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8:
      return function(std::int8_t{});
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16:
      return function(std::uint16_t{});
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16:
      return function(std::int16_t{});
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32:
      return function(std::uint32_t{});
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32:
      return function(std::int32_t{});
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16:
      return function(Float16{});
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16:
      return function(BFloat16{});
    default:
      reject(op, "zero points of ONNX element type ", static_cast<int>(type),
             " (supported: 8-, 16- and 32-bit integers, float16, bfloat16)");
  }
}

// y[i] = function(x[i], scale, zero_point) with the scale and zero point of i's channel.
template <typename X, typename Y, typename Z, typename Function>
void for_each_run(const Runs& runs, const X* x, const float* scale, const Z* zero_point, Y* y,
                  const Function& function) {
  for (size_t run = 0; run < runs.count; ++run) {
    const float s = scale[run % runs.channels];
    const Z z = zero_point[run % runs.channels];
    for (size_t i = run * runs.inner; i < (run + 1) * runs.inner; ++i) y[i] = function(x[i], s, z);
  }
}

}  // namespace

void QuantizeLinear::compute(OrtKernelContext& context) const {
  constexpr const char* kOp = "ExtendedQuantizeLinear";
  const Tensor x = input(context, 0), scale = input(context, 1), zero_point = input(context, 2);
  const Runs runs = runs_of(kOp, x, scale, zero_point, axis_);
  void* y = output(context, x.shape);
  with_type(kOp, zero_point.type, [&](auto element) {
    using T = decltype(element);
    for_each_run(runs, x.as<float>(), scale.as<float>(), zero_point.as<T>(), static_cast<T*>(y), quantized<T>);
  });
}

void DequantizeLinear::compute(OrtKernelContext& context) const {
  constexpr const char* kOp = "ExtendedDequantizeLinear";
  const Tensor x = input(context, 0), scale = input(context, 1), zero_point = input(context, 2);
  const Runs runs = runs_of(kOp, x, scale, zero_point, axis_);
  if (x.type != zero_point.type) {
    reject(kOp, "the tensor is of ONNX element type ", static_cast<int>(x.type), ", its zero point of ",
           static_cast<int>(zero_point.type));
  }
  auto* y = static_cast<float*>(output(context, x.shape));
  with_type(kOp, x.type, [&](auto element) {
    using T = decltype(element);
    for_each_run(runs, x.as<T>(), scale.as<float>(), zero_point.as<T>(), y, dequantized<T>);
  });
}

}  // namespace vaip::custom_ops
