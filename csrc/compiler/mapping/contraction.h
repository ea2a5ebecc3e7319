// Matrix products and convolutions on the array.
//
// A convolution is an implicit product: M output positions, K = window * channels, N output channels; its A tile is the
// input patch under the tile's positions, so that a window costs no copies. Groups and batched products are independent
// problems, laid out along M.
#pragma once

#include <cstdint>
#include <optional>

#include "compiler/mapping/region.h"
#include "sim/layer_program.h"

namespace vaip::compiler {

struct WindowAxis {
  std::int64_t input = 1;   // extent of the input along this axis
  std::int64_t output = 1;  // of the output
  std::int64_t stride = 1;
  std::int64_t extent = 1;  // of the window, dilation included
  // Input positions under `count` output positions in a row.
  std::int64_t under(std::int64_t count) const {
    const std::int64_t span = (count - 1) * stride + extent;
    return span < input ? span : input;
  }
};

struct Contraction {
  sim::KernelKind kind = sim::KernelKind::matmul;  // or convolution
  device::Format a = device::Format::int8, b = device::Format::int8, c = device::Format::int8;
  std::int64_t batch = 1;           // independent problems: groups, batched products
  std::int64_t images = 1;          // that share B
  WindowAxis vertical, horizontal;  // M = images * vertical.output * horizontal.output; a plain product is one row of M
  std::int64_t window = 1;          // taps
  std::int64_t channels = 0;        // K = window * channels
  std::int64_t n = 0;
  std::int64_t a_bytes = 0, b_bytes = 0, c_bytes = 0;  // whole tensors
  bool a_in_l2 = false, b_in_l2 = false, c_in_l2 = false;
  bool b_row_major = false;  // B as K rows of N; else packed (adaptive dataflow) or K contiguous (streaming dataflow)
  bool c_column_major = false;  // C as N columns of M in DDR
  bool nonlinear_epilogue = false;

  std::int64_t positions() const { return images * vertical.output * horizontal.output; }
  std::int64_t macs() const { return batch * positions() * window * channels * n; }
};

struct Tile {
  std::int64_t m = 0, k = 0, n = 0;
};

struct TileConstraint {
  std::optional<Tile> tile;               // plain products only
  std::optional<std::int64_t> c_buffers;  // else the stack's
};

// The mapping with the least predicted time that fits the memories; nothing when none does.
// Throws Error(unsupported) when the device cannot multiply these formats.
std::optional<sim::LayerProgram> map_contraction(const Contraction& problem, const Region& region,
                                                 const sim::Target& target, const TileConstraint& constraint = {});

}  // namespace vaip::compiler
