// An operator outside ONNX that onnxruntime's CPU provider executes with a kernel of ours.
//
// A kernel is a class with a constructor from OrtKernelInfo, compute(), and what its tensors are: kInputs, the element
// types of its inputs, and kOutput; ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED is any type. All of them have one output,
// of their first input's shape.
#pragma once

#include <limits>
#include <memory>

#include "base/span.h"
#include "ort/api.h"
#include "ort/status.h"

namespace vaip::custom_ops {

inline constexpr ONNXTensorElementDataType kFloat = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
// Of an input: any type; of the output: that of the last input.
inline constexpr ONNXTensorElementDataType kAnyType = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;

struct Tensor {
  ONNXTensorElementDataType type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
  Span<const int64_t> shape;
  const void* data = nullptr;

  template <typename T>
  const T* as() const {
    return static_cast<const T*>(data);
  }
  size_t count() const;
};

Tensor input(const OrtKernelContext& context, size_t index);
void* output(OrtKernelContext& context, Span<const int64_t> shape);  // the only one

int64_t attribute(const OrtKernelInfo& info, const char* name, int64_t fallback);
float attribute(const OrtKernelInfo& info, const char* name, float fallback);

// Tells onnxruntime the output's type, and its shape where that of the first input is known.
void infer_output(const OrtShapeInferContext& context, ONNXTensorElementDataType type, size_t last_input);

template <typename Kernel>
class CustomOp : public OrtCustomOp {
 public:
  explicit CustomOp(const char* name) : OrtCustomOp{}, name_(name) {
    version = ort::kRequiredApiVersion;
    GetName = [](const OrtCustomOp* self) noexcept { return static_cast<const CustomOp*>(self)->name_; };
    GetExecutionProviderType = [](const OrtCustomOp*) noexcept { return "CPUExecutionProvider"; };
    GetStartVersion = [](const OrtCustomOp*) noexcept { return 1; };
    GetEndVersion = [](const OrtCustomOp*) noexcept { return std::numeric_limits<int>::max(); };
    GetInputTypeCount = [](const OrtCustomOp*) noexcept { return Kernel::kInputs.size(); };
    GetInputType = [](const OrtCustomOp*, size_t index) noexcept { return Kernel::kInputs[index]; };
    GetOutputTypeCount = [](const OrtCustomOp*) noexcept { return size_t{1}; };
    GetOutputType = [](const OrtCustomOp*, size_t) noexcept { return Kernel::kOutput; };
    GetInputCharacteristic = [](const OrtCustomOp*, size_t) noexcept { return INPUT_OUTPUT_REQUIRED; };
    GetOutputCharacteristic = [](const OrtCustomOp*, size_t) noexcept { return INPUT_OUTPUT_REQUIRED; };
    GetInputMemoryType = [](const OrtCustomOp*, size_t) noexcept { return OrtMemTypeDefault; };
    InferOutputShapeFn = [](const OrtCustomOp*, OrtShapeInferContext* context) noexcept {
      return ort::guard([&] { infer_output(*context, Kernel::kOutput, Kernel::kInputs.size() - 1); });
    };
    CreateKernelV2 = [](const OrtCustomOp*, const OrtApi*, const OrtKernelInfo* info, void** kernel) noexcept {
      return ort::guard([&] { *kernel = std::make_unique<Kernel>(*info).release(); });
    };
    KernelComputeV2 = [](void* kernel, OrtKernelContext* context) noexcept {
      return ort::guard([&] { static_cast<const Kernel*>(kernel)->compute(*context); });
    };
    KernelDestroy = [](void* kernel) noexcept { delete static_cast<Kernel*>(kernel); };
  }

 private:
  const char* name_;
};

}  // namespace vaip::custom_ops
