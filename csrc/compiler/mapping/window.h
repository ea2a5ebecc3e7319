// Kernels that slide a window over each channel by itself: depthwise convolutions and pools.
#pragma once

#include <optional>

#include "compiler/mapping/contraction.h"

namespace vaip::compiler {

struct SlidingWindow {
  sim::Kernel kernel;  // depthwise (k: taps) or element (work_per_element: taps); sizes are the mapping's to choose
  std::int64_t batch = 1, channels = 1;
  WindowAxis vertical, horizontal;
  std::int64_t taps = 1;
  std::int64_t a_bytes = 0, b_bytes = 0, c_bytes = 0;  // whole tensors; b: weights, 0 for a pool
  bool a_in_l2 = false, c_in_l2 = false;

  std::int64_t outputs() const { return batch * channels * vertical.output * horizontal.output; }
};

std::optional<sim::LayerProgram> map_window(const SlidingWindow& problem, const Region& region,
                                            const sim::Target& target);

}  // namespace vaip::compiler
