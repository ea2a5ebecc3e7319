// Element types, with ONNX's meaning.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vaip::ir {

enum class DType : std::uint8_t {
  undefined,
  f32,
  f16,
  bf16,
  f64,
  u8,
  s8,
  u16,
  s16,
  u32,
  s32,
  u64,
  s64,
  boolean,
  u4,
  s4,
  string,
  other,
};

std::string_view name(DType dtype);  // ONNX's names in lower case: "float", "uint8", "bfloat16", ...
std::size_t size_of(DType dtype);    // bytes per element; 0 for undefined, string, other and the packed 4-bit types
bool is_integer(DType dtype);        // u8 ... s64, u4, s4 (not boolean)
std::int64_t lowest(DType integer_type);  // smallest and largest value of an integer type
std::int64_t highest(DType integer_type);
DType from_onnx(int tensor_data_type);  // onnx.TensorProto.DataType == ONNXTensorElementDataType

}  // namespace vaip::ir
