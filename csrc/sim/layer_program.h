// What the simulator times: one layer mapped on the array. It knows kernels, tiles, loops and bytes, not what is
// computed.
//
// A layer is a nest: each core in use computes `blocks` output tiles one after another, each in `steps` kernel calls.
// Operands A (activations), B (weights or a second input) and C (the output) travel in two legs, DDR <-> memory tile
// and memory tile <-> core; each leg says how much, over how many channels, in what pieces.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "device/format.h"

namespace vaip::sim {

enum class KernelKind : std::uint8_t {
  none,         // nothing to do: a view of data that is already there, or an empty tensor
  matmul,       // m x k times k x n
  convolution,  // the same on m output pixels, with k = window * channels
  depthwise,    // m output elements of k multiply-accumulates each
  element,      // m elements of a per-element function
  copy,         // DMA only: data changes place, no core is involved
  host,         // work of the host CPU at the program's edge
};

enum class Function : std::uint8_t {  // of an `element` kernel: a row of the kernel library
  add,
  multiply,
  divide,
  relu,
  gelu,
  silu,
  silu_multiply,
  nonlinear,  // any other: a table for 8 bits, a polynomial for 16
  max_pool,
  average_pool,
  reduce,
  softmax,
  rms_norm,
  layer_norm,
  group_norm,
  rope,
  resize,
  requantize,
  matvec,  // a matrix's elements times a vector that stays in the core
};
std::string_view name(Function function);                      // "add", "silu_multiply", ...
std::optional<Function> function_from_name(std::string_view);  // nothing for an unknown name

struct Kernel {
  KernelKind kind = KernelKind::none;
  Function function = Function::add;
  device::Format a = device::Format::int8, b = device::Format::int8, c = device::Format::int8;
  std::int64_t m = 0, k = 0, n = 0;    // elements per call
  std::int64_t work_per_element = 1;   // `element`: window elements of a pool
  std::int64_t rows = 0;               // `element`: rows per call of a function that works row by row
  std::int64_t partial_sum_bytes = 0;  // read and written back per output element and call; 0: one call finishes a tile
  bool nonlinear_epilogue = false;     // the output tile goes through a nonlinear function once it is complete
};

struct Leg {
  std::int64_t bytes = 0;        // in all; a broadcast counts once
  std::int64_t channels = 1;     // that carry it side by side
  std::int64_t run_bytes = 0;    // contiguous in memory; 0: as long as the transfer
  std::int64_t descriptors = 0;  // tasks given to the DMA engines, over all channels
  // Address translation of a far leg: pages entered, each time one is, and how many lie between two visits of the same
  // page. 0 visits: the transfer is sequential.
  std::int64_t page_visits = 0, page_set = 0;
  std::int64_t abreast = 1;  // channels whose runs lie next to each other in memory, and move at the same time
};

// How the memory tiles pass an operand on. They hold units of tiles, of each stream; a unit arrives as a whole (it is
// read in runs that span its tiles) and makes room once its last tile has been sent for the last time.
struct Staging {
  std::int64_t unit_tiles = 1;      // at most: a block's tiles are dealt out evenly to as few units as that allows
  std::int64_t units = 2;           // held at a time
  std::int64_t replayed_units = 1;  // sent one after another,
  std::int64_t replays = 1;         // and again, so many times in all, before the next ones
};

struct Operand {
  device::Format format = device::Format::int8;
  std::int64_t tile_bytes = 0;  // of one tile in a core's memory
  std::int64_t tiles = 0;       // that the busiest core receives or sends
  int buffers = 2;              // tiles in a core's memory: 2 overlaps transfer and work, 1 does not
  Leg near;                     // memory tile <-> core
  Leg far;  // DDR <-> memory tile; 0 bytes where the data stays in, or is already in, the memory tiles
  Staging staging;
};

struct LayerProgram {
  std::string name, op;
  std::string dtype;  // of its result: "int8", "bfloat16"
  std::vector<std::string> nodes;

  Kernel kernel;
  std::int64_t blocks = 0, steps = 0;  // of the busiest core
  std::int64_t rows = 0, columns = 0;  // of the array in use
  Operand a, b, c;
  std::int64_t macs = 0;                    // without padding
  std::int64_t l1_bytes = 0, l2_bytes = 0;  // occupancy of one core's and of one column's memory
  bool chained = false;                     // runs in the pass of the layer before it: no dispatch of its own
  std::int64_t host_elements = 0;           // `host`: elements that are quantized or dequantized
};

}  // namespace vaip::sim
