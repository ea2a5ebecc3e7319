// The values of a layer in the making, and what is said of a tensor that cannot be one.
#pragma once

#include <optional>
#include <string>

#include "frontend/graph_index.h"

namespace vaip::frontend {

ir::Value tensor_value(const std::string& name, ir::DType dtype, const ir::Shape& shape,
                       std::optional<ir::QuantParams> params);
ir::Value constant_value(const std::string& name, const TensorData& tensor, std::optional<ir::QuantParams> params);

// A constant of 4-bit integers as one of 8 bits; any other value as it is. The kernels of convolutions and of products
// with one matrix take packed weights; other constants are small, and all kernels read bytes.
ir::Value in_whole_bytes(ir::Value value);

// Integers of whole bytes and booleans: what may stand for itself (masks, indices).
bool is_plain_type(ir::DType dtype);
// What is converted to bfloat16.
bool is_float_type(ir::DType dtype);

// Why a value that comes from no DequantizeLinear cannot be a layer's input, and what to do about it.
std::string not_quantized(const GraphIndex& index, const std::string& value);
// The same where float tensors can be.
std::string not_float(const GraphIndex& index, const std::string& value);

}  // namespace vaip::frontend
