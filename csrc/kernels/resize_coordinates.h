// Where Resize samples its input, as exact fractions: a coordinate that is rounded may fall into the next pixel.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/graph.h"

namespace vaip::kernels {

// output size / input size, or the given scale, in lowest terms.
struct ResizeScale {
  std::int64_t numerator = 1, denominator = 1;
};
ResizeScale scale_of_sizes(std::int64_t in, std::int64_t out);
ResizeScale scale_of(float given);  // exactly, as a float is a fraction; throws Error(invalid_model) unless positive

// The input coordinate of every output index along an axis is numerators[index] / denominator, by ONNX's formulas.
struct ResizeCoordinates {
  std::vector<std::int64_t> numerators;
  std::int64_t denominator = 1;
};
ResizeCoordinates resize_coordinates(ir::ResizeAttrs::Coordinates mode, const ResizeScale& scale, std::int64_t in,
                                     std::int64_t out);

// The integer next to numerator / denominator.
std::int64_t round_coordinate(ir::ResizeAttrs::Nearest mode, std::int64_t numerator, std::int64_t denominator);

}  // namespace vaip::kernels
