#include "custom_ops/custom_op.h"

#include <algorithm>
#include <vector>

#include "ort/handles.h"

namespace vaip::custom_ops {

using ort::api;
using ort::check;

size_t Tensor::count() const {
  size_t product = 1;
  for (const int64_t dim : shape) product *= static_cast<size_t>(dim);
  return product;
}

Tensor input(const OrtKernelContext& context, size_t index) {
  const OrtValue* value = nullptr;
  check(api().KernelContext_GetInput(&context, index, &value));
  Tensor tensor;
  const int64_t* dims = nullptr;
  size_t rank = 0;
  check(api().GetTensorElementTypeAndShapeDataReference(value, &tensor.type, &dims, &rank));
  tensor.shape = {dims, rank};
  check(api().GetTensorData(value, &tensor.data));
  return tensor;
}

void* output(OrtKernelContext& context, Span<const int64_t> shape) {
  OrtValue* value = nullptr;
  check(api().KernelContext_GetOutput(&context, 0, shape.data(), shape.size(), &value));
  void* data = nullptr;
  check(api().GetTensorMutableData(value, &data));
  return data;
}

int64_t attribute(const OrtKernelInfo& info, const char* name, int64_t fallback) {
  int64_t value = 0;
  const ort::Status absent(api().KernelInfoGetAttribute_int64(&info, name, &value));
  return absent == nullptr ? value : fallback;
}

float attribute(const OrtKernelInfo& info, const char* name, float fallback) {
  float value = 0;
  const ort::Status absent(api().KernelInfoGetAttribute_float(&info, name, &value));
  return absent == nullptr ? value : fallback;
}

void infer_output(const OrtShapeInferContext& context, ONNXTensorElementDataType type, size_t last_input) {
  OrtTensorTypeAndShapeInfo *first = nullptr, *last = nullptr;  // the context's
  check(api().ShapeInferContext_GetInputTypeShape(&context, 0, &first));
  size_t rank = 0;
  check(api().GetDimensionsCount(first, &rank));
  if (rank == 0) return;  // a scalar, or of a shape that is not known: onnxruntime does not tell them apart
  std::vector<int64_t> dims(rank);
  std::vector<const char*> names(rank);
  check(api().GetDimensions(first, dims.data(), rank));
  check(api().GetSymbolicDimensions(first, names.data(), rank));
  for (size_t i = 0; i < rank; ++i) {
    if (dims[i] < 0 && *names[i] == '\0') return;  // it would take the -1 for a size
  }
  check(api().ShapeInferContext_GetInputTypeShape(&context, last_input, &last));
  if (type == kAnyType) check(api().GetTensorElementType(last, &type));
  check(api().SetTensorElementType(first, type));
  check(api().ShapeInferContext_SetOutputTypeShape(&context, 0, first));
}

}  // namespace vaip::custom_ops
