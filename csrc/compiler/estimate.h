// Predicts single products and single kernel calls without a model: the rows of published tables.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "compiler/mapping/contraction.h"
#include "device/device.h"
#include "sim/simulate.h"

namespace vaip::compiler {

struct GemmQuery {
  std::int64_t M = 0, K = 0, N = 0;
  std::int64_t batch = 1;  // independent products
  device::Format a = device::Format::int8, b = device::Format::int8, out = device::Format::int8;
  std::optional<device::Format> partial_sums;  // between two steps over K; else the stack's choice
  std::optional<std::int64_t> rows, columns;   // of the array; else what the stack uses
  std::optional<Tile> tile;                    // of a kernel call; else the fastest that fits
  std::optional<std::int64_t> l2_depth;        // elements of K that the memory tiles stage; else what the stack does
  std::optional<std::int64_t> c_buffers;       // 1 or 2; else the stack's
  // In DDR. row: rows of N are contiguous; column: columns of K (of C: of M).
  enum class Layout : std::uint8_t { row, column } b_layout = Layout::row, c_layout = Layout::row;
  std::string kernel;     // a variant of the stack's kernel for these formats; empty: its usual one
  bool host_call = true;  // with the host's work per call; else from the launch on, as device timers see it
  sim::Mode mode = sim::Mode::steady;
};

// Throws Error(invalid_argument) for sizes that make no sense, Error(unsupported) when the tile (or any) does not fit,
// the device does not multiply these formats, or the stack has no such kernel.
sim::Timing estimate_gemm(const GemmQuery& query, const device::Device& device, const device::Stack& stack);

// One call of a kernel on one core, all operands in the core's memory.
struct KernelQuery {
  enum class Kind : std::uint8_t { matmul, convolution, element } kind = Kind::matmul;
  std::int64_t m = 0, k = 1, n = 1;  // convolution: m positions, k = window x channels; element: m elements
  device::Format a = device::Format::int8, b = device::Format::int8, out = device::Format::int8;
  std::string op;                // element: see element_ops()
  std::string kernel;            // as in GemmQuery
  bool accumulates = true;       // into C, which is read and written; else C is written only
  bool c_shares_a_bank = false;  // C lies in a memory bank of A or B
};

// Cycles. Errors as estimate_gemm's.
double estimate_kernel(const KernelQuery& query, const device::Device& device, const device::Stack& stack);

}  // namespace vaip::compiler
