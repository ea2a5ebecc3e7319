// Tensors as lines along one axis, for layers that work through each line in order.
#pragma once

#include <vector>

#include "base/error.h"
#include "kernels/loop_nest.h"

namespace vaip::kernels {

// The loops over the starts of the lines along `axis` of a tensor of this shape: all of its dimensions but that one.
inline LoopNest lines_along(std::size_t axis, ir::Shape shape, std::vector<ir::Shape> strides) {
  const auto without_axis = [axis](ir::Shape& dims) { dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(axis)); };
  without_axis(shape);
  for (ir::Shape& of_operand : strides) without_axis(of_operand);
  return LoopNest(shape, strides);
}

inline std::size_t axis_from_front(std::int64_t axis, std::size_t rank) {
  const auto signed_rank = static_cast<std::int64_t>(rank);
  if (axis < -signed_rank || axis >= signed_rank)
    fail(ErrorKind::invalid_model, "axis ", axis, " of a tensor of rank ", rank);
  return static_cast<std::size_t>(axis < 0 ? axis + signed_rank : axis);
}

}  // namespace vaip::kernels
