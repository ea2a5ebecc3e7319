// Predicts element-wise functions, normalisations and copies without a model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "device/device.h"
#include "sim/layer_program.h"
#include "sim/timing.h"

namespace vaip::compiler {

struct ElementOp {
  std::string_view name;
  sim::Function function;    // the row of the kernel library that it runs as
  std::int64_t streams = 1;  // operands of the size of the result that come from DDR; 0: nothing but a copy by DMA
  bool row_wise = false;     // needs whole rows together; the weights of one row stay in the core
};

const std::vector<ElementOp>& element_ops();
const ElementOp& find_element_op(const std::string& name);  // throws Error(invalid_argument) that lists the names

struct ElementQuery {
  std::string op;
  std::int64_t elements = 0;  // of the result
  std::int64_t row = 0;       // elements that belong together (normalisations, softmax, rope); 0: all
  device::Format a = device::Format::bf16, b = device::Format::bf16, out = device::Format::bf16;
  std::optional<std::int64_t> rows, columns;  // of the array; else what the stack uses for element-wise kernels
  std::optional<std::int64_t> tile;           // elements per kernel call; else the fastest
  bool host_call = true;                      // as in GemmQuery
  sim::Mode mode = sim::Mode::steady;
};

// Throws Error(invalid_argument) for an unknown op or sizes that make no sense, Error(unsupported) when no tile fits.
sim::Timing estimate_elements(const ElementQuery& query, const device::Device& device, const device::Stack& stack);

}  // namespace vaip::compiler
