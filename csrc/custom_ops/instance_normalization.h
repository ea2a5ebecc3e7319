// Quark's InstanceNormalization: float tensors, computed as the NPU does it, in bfloat16 with float32 sums.
#pragma once

#include <array>

#include "custom_ops/custom_op.h"

namespace vaip::custom_ops {

class InstanceNormalization {
 public:
  static constexpr std::array<ONNXTensorElementDataType, 3> kInputs = {kFloat, kFloat, kFloat};
  static constexpr ONNXTensorElementDataType kOutput = kFloat;

  explicit InstanceNormalization(const OrtKernelInfo& info) : epsilon_(attribute(info, "epsilon", 1e-5F)) {}
  void compute(OrtKernelContext& context) const;

 private:
  float epsilon_;
};

}  // namespace vaip::custom_ops
