// Predicts a single matrix product without a model: the rows of published GEMM tables.
#pragma once

#include <cstdint>
#include <optional>

#include "compiler/mapping/contraction.h"
#include "device/device.h"
#include "sim/simulate.h"

namespace vaip::compiler {

struct GemmQuery {
  std::int64_t M = 0, K = 0, N = 0;
  device::Format a = device::Format::int8, b = device::Format::int8, out = device::Format::int8;
  std::optional<std::int64_t> rows, columns;  // of the array; else what the stack uses
  std::optional<Tile> tile;                   // of a kernel call; else the fastest that fits
  std::optional<std::int64_t> c_buffers;      // 1 or 2; else the stack's
  enum class Layout : std::uint8_t { row, column } b_layout = Layout::row;  // of B in DDR: rows of N, or columns of K
  sim::Mode mode = sim::Mode::steady;
};

// Throws Error(invalid_argument) for sizes that make no sense, Error(unsupported) when the tile (or any) does not fit
// or the device does not multiply these formats.
sim::Timing estimate_gemm(const GemmQuery& query, const device::Device& device, const device::Stack& stack);

}  // namespace vaip::compiler
