#include "frontend/unit_values.h"

#include <cstddef>
#include <utility>
#include <vector>

#include "frontend/constants.h"

namespace vaip::frontend {

ir::Value tensor_value(const std::string& name, ir::DType dtype, const ir::Shape& shape,
                       std::optional<ir::QuantParams> params) {
  return {name, dtype, shape, std::move(params), std::nullopt};
}

ir::Value constant_value(const std::string& name, const TensorData& tensor, std::optional<ir::QuantParams> params) {
  ir::Value value = tensor_value(name, tensor.dtype, tensor.shape, std::move(params));
  value.constant = tensor.constant;
  return value;
}

ir::Value in_whole_bytes(ir::Value value) {
  if (!value.constant || (value.dtype != ir::DType::u4 && value.dtype != ir::DType::s4)) return value;
  std::vector<std::byte> bytes;
  for (const std::int64_t element : integer_elements({value.dtype, value.shape, *value.constant}, value.name))
    bytes.push_back(static_cast<std::byte>(element));
  value.dtype = value.dtype == ir::DType::u4 ? ir::DType::u8 : ir::DType::s8;
  value.constant = make_constant(std::move(bytes));
  return value;
}

bool is_plain_type(ir::DType dtype) {
  return (ir::is_integer(dtype) && ir::size_of(dtype) > 0) || dtype == ir::DType::boolean;
}

bool is_float_type(ir::DType dtype) {
  return dtype == ir::DType::f32 || dtype == ir::DType::f16 || dtype == ir::DType::bf16;
}

std::string not_float(const GraphIndex& index, const std::string& value) {
  const TensorInfo* info = index.info(value);
  const ir::DType dtype = info ? info->dtype : ir::DType::undefined;
  if (dtype == ir::DType::undefined)
    return "has a type that is not known; run onnx.shape_inference.infer_shapes on the model first";
  const std::string type(ir::name(dtype));
  if (dtype == ir::DType::f64) return "is double; convert the model to float";
  return "is " + type + "; the layer computes with float tensors, or with integers behind a DequantizeLinear";
}

std::string not_quantized(const GraphIndex& index, const std::string& value) {
  const TensorInfo* info = index.info(value);
  const ir::DType dtype = info ? info->dtype : ir::DType::undefined;
  const std::string type(ir::name(dtype));
  switch (dtype) {
    case ir::DType::undefined:
      return "comes from no DequantizeLinear; quantize it";
    case ir::DType::f32:
      return "is float; quantize it (no DequantizeLinear before it), or set enable_f32_to_bf16_conversion";
    case ir::DType::f16:
    case ir::DType::bf16:
    case ir::DType::f64:
      return "is " + type + "; convert the model to float and quantize it";
    default:
      return "is " + type + "; tensors are read through a DequantizeLinear only";
  }
}

}  // namespace vaip::frontend
