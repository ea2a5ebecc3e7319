// Constants: reading their elements, making new ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "frontend/onnx_graph.h"

namespace vaip::frontend {

ir::Constant make_constant(std::vector<std::byte> bytes);

// The elements of a constant, converted; `what` names it in errors. Error(invalid_model) when the bytes do not match
// the shape, Error(unsupported) for element types that do not convert (float: f32, f64; integers: the integer types,
// bool).
std::vector<double> real_elements(const TensorData& tensor, const std::string& what);
std::vector<float> float_elements(const TensorData& tensor, const std::string& what);
std::vector<std::int64_t> integer_elements(const TensorData& tensor, const std::string& what);

}  // namespace vaip::frontend
