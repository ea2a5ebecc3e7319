// What the simulator says of a program. Units are in the names: cycles are cycles of the array's clock.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vaip::sim {

enum class Mode : std::uint8_t {
  steady,  // extrapolated from the steady state: microseconds of host time per layer
  event,   // played descriptor by descriptor and lock by lock: milliseconds
};
std::string_view name(Mode mode);            // "steady", "event"
Mode mode_from_name(std::string_view text);  // throws Error(invalid_argument) that lists the names

enum class Bound : std::uint8_t { compute, l1, l2, ddr, dispatch };
std::string_view name(Bound bound);  // "compute", "l1", "l2", "ddr", "dispatch"

// Busy time of each resource of a layer. They overlap: their sum is not the layer's time.
struct CostBreakdown {
  double compute_cycles = 0;   // the slowest core, kernel time incl. prologue, epilogue and bank conflicts
  double l1_cycles = 0;        // memtile <-> core streams
  double l2_cycles = 0;        // shim <-> memtile streams
  double ddr_cycles = 0;       // DRAM, the busier direction or the shared cap
  double dispatch_cycles = 0;  // host dispatch, synchronisation, reconfiguration charged to this layer (not overlapped)
  double exposed_cycles = 0;   // prologue and epilogue that nothing hides (pipeline fill, C drain)
};

struct LayerTiming {
  std::string name, op;
  std::string dtype;  // of its result: "int8", "bfloat16"
  std::vector<std::string> nodes;
  double cycles = 0;
  double start_cycles = 0;  // since the program's start
  CostBreakdown cost;
  Bound bound = Bound::dispatch;
  std::int64_t macs = 0;
  double utilisation = 0;  // macs / (cycles * peak MACs per cycle of the whole array for the layer's operand types)
  std::array<std::int64_t, 3> tile{};   // m, k, n of the kernel's tile (elements; 0 where it has no such dimension)
  std::array<std::int64_t, 2> array{};  // rows, columns in use
  std::int64_t ddr_read_bytes = 0, ddr_write_bytes = 0;
  std::array<std::int64_t, 2> shim_channels{};  // in use: DDR -> array, array -> DDR
  std::int64_t l2_to_l1_bytes = 0, l1_to_l2_bytes = 0;
  std::int64_t l1_bytes = 0, l2_bytes = 0;  // peak occupancy of one core's and one column's memory
  std::int64_t dma_descriptors = 0, lock_operations = 0;
};

struct Timing {
  std::string device, stack;
  Mode mode = Mode::steady;
  double clock_ghz = 0;
  double cycles = 0;       // the whole program, host costs at its edges included
  double host_cycles = 0;  // of these: host Q/DQ, copies and dispatch at the program's edges
  std::int64_t ddr_read_bytes = 0, ddr_write_bytes = 0, macs = 0;
  std::optional<double> energy_mj;  // only where a source gives a figure
  std::vector<LayerTiming> layers;

  double latency_us() const { return clock_ghz > 0 ? cycles / (clock_ghz * 1e3) : 0.0; }
};

}  // namespace vaip::sim
