// Layers whose results are elements of their inputs, moved or selected: they keep type and quantization.
#pragma once

#include <cstddef>

#include "ir/attributes.h"

namespace vaip::frontend {

// The inputs, of `count`, whose elements (or zeros) are the layer's results; the others only say which. None where the
// layer computes new numbers.
struct MovedInputs {
  std::size_t first = 0, last = 0;  // one behind the last; equal where there are none
};
MovedInputs moved_inputs(const ir::LayerAttrs& attrs, std::size_t count);

}  // namespace vaip::frontend
