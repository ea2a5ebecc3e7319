// Shapes are ONNX's logical shapes (NCHW for images), whatever layout a kernel keeps the data in.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/span.h"

namespace vaip::ir {

using Shape = std::vector<std::int64_t>;
inline constexpr std::int64_t kDynamic = -1;  // a dimension that is only known when the model runs

bool is_static(const Shape& shape);
std::int64_t element_count(const Shape& shape);  // product; 1 for a scalar. Requires is_static.
Shape row_major_strides(const Shape& shape);     // in elements
std::string to_string(const Shape& shape);       // "1x3x224x224", "?" for a dynamic dimension, "scalar"

// ONNX multidirectional broadcasting. Throws Error(invalid_model) when the shapes do not broadcast.
Shape broadcast(const Shape& a, const Shape& b);

}  // namespace vaip::ir
