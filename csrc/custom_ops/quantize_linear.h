// Quark's QuantizeLinear and DequantizeLinear: ONNX's with more element types. Scales and zero points are per tensor or
// per index of `axis`, which is 0 where the node does not say.
//
//   integers (8, 16, 32 bits)  saturate(round_half_even(x / scale) + zero_point), x / scale in float32; 32-bit integers
//                              are exact up to float32's precision. Back: (q - zero_point) * scale in float32
//   bfloat16                   x / scale + zero_point in float32, rounded half to even; back likewise
//   float16                    x itself, saturated to the largest finite number and rounded half to even: scale and
//   zero
//                              point are ignored, in both directions
#pragma once

#include <array>

#include "custom_ops/custom_op.h"

namespace vaip::custom_ops {

class QuantizeLinear {
 public:
  static constexpr std::array<ONNXTensorElementDataType, 3> kInputs = {kFloat, kFloat, kAnyType};
  static constexpr ONNXTensorElementDataType kOutput = kAnyType;  // the zero point's

  explicit QuantizeLinear(const OrtKernelInfo& info) : axis_(attribute(info, "axis", int64_t{0})) {}
  void compute(OrtKernelContext& context) const;

 private:
  int64_t axis_;
};

class DequantizeLinear {
 public:
  static constexpr std::array<ONNXTensorElementDataType, 3> kInputs = {kAnyType, kFloat, kAnyType};
  static constexpr ONNXTensorElementDataType kOutput = kFloat;

  explicit DequantizeLinear(const OrtKernelInfo& info) : axis_(attribute(info, "axis", int64_t{0})) {}
  void compute(OrtKernelContext& context) const;

 private:
  int64_t axis_;
};

}  // namespace vaip::custom_ops
