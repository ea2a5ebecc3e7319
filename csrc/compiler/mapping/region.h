// The part of a device that a program may use, and how much memory a mapping may take in it.
#pragma once

#include <cstdint>
#include <optional>

#include "sim/simulate.h"

namespace vaip::compiler {

struct Region {
  std::int64_t rows = 0, columns = 0;
  std::int64_t core_bytes = 0;  // of a core's memory, without the kernels' stack and tables
  std::int64_t l2_bytes = 0;    // of the columns' memory tiles together

  std::int64_t cores() const { return rows * columns; }
};

// The whole region that the stack uses, or rows x columns where given. Throws Error(invalid_argument) when the device
// has fewer, Error(invalid_config) when the stack reserves all of a core's memory.
Region make_region(const sim::Target& target, std::optional<std::int64_t> rows, std::optional<std::int64_t> columns);

}  // namespace vaip::compiler
