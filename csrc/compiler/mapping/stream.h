// Work that streams its operands once: element-wise functions, reductions, softmax, and plain data movement.
#pragma once

#include <optional>

#include "compiler/mapping/region.h"
#include "sim/layer_program.h"

namespace vaip::compiler {

struct ElementStream {
  sim::Kernel kernel;                                  // element; m is the mapping's to choose
  std::int64_t elements = 0;                           // that the kernel works on (outputs, or inputs of a reduction)
  std::int64_t row = 1;                                // elements that one call must see together (softmax)
  std::int64_t a_bytes = 0, b_bytes = 0, c_bytes = 0;  // whole tensors
  std::int64_t a_from_l2 = 0, b_from_l2 = 0;           // of these, already in the memory tiles
  bool c_in_l2 = false;
  std::int64_t tile = 0;  // elements per kernel call; 0: the mapping's choice
};

std::optional<sim::LayerProgram> map_elements(const ElementStream& problem, const Region& region,
                                              const sim::Target& target);

struct Movement {
  std::int64_t read_bytes = 0, written_bytes = 0;
  std::int64_t read_from_l2 = 0;                           // of read_bytes, already in the memory tiles
  std::int64_t read_run_bytes = 0, written_run_bytes = 0;  // contiguous pieces
  bool written_to_l2 = false;
  device::Format format = device::Format::int8;
};

sim::LayerProgram map_movement(const Movement& problem, const Region& region, const sim::Target& target);

}  // namespace vaip::compiler
