// What each resource of the array takes to serve a layer: service times without any waiting. The steady-state and the
// event-driven timing are made of the same ones and differ in scheduling only.
#pragma once

#include <cstdint>

#include "sim/kernel_model.h"
#include "sim/layer_program.h"
#include "sim/target.h"

namespace vaip::sim {

enum class Direction : std::uint8_t { read, write };  // of DDR

// A far leg on the shim channels that carry it, all alike.
struct ShimWork {
  double data_cycles = 0;   // of each channel: beats, and the gap after each contiguous run
  double task_cycles = 0;   // of each channel, between one task and the next
  double start_cycles = 0;  // of each channel, from the first task's start to its first data
  std::int64_t tasks = 0;   // of each channel
  double dram_bytes = 0;    // that DRAM moves, over all channels
  double miss_cycles = 0;   // that DRAM waits for address translations, over all channels

  double busy_cycles() const { return data_cycles + static_cast<double>(tasks > 0 ? tasks - 1 : 0) * task_cycles; }
};
ShimWork shim_work(const Leg& far, Direction direction, const device::Device& device);

// DRAM, in bytes per cycle of the array's clock.
struct DramRates {
  explicit DramRates(const device::Device& device);
  double cycles(double read, double written) const;  // for so many bytes at once

  double read, write, combined;
};

// What shim channels at full speed ask of DRAM, per cycle.
struct DramLoad {
  double channels = 0;
  double bytes = 0;   // of all channels
  double misses = 0;  // cycles of waiting for translations
};
DramLoad dram_load(const Leg& far, const ShimWork& work);

// Speeds (of full speed) at which DRAM serves two sets of channels that read at once. Where it cannot keep up it serves
// channel by channel in turn: one that asks for little gets it, the others get the same. other_misses: of writes.
struct ReadSpeeds {
  double a = 1, b = 1;
};
ReadSpeeds share_reads(const DramLoad& a, const DramLoad& b, double other_misses, const DramRates& rates);

// The streams of an operand between the memory tiles and the cores: one per core, or per row or column that a broadcast
// serves.
std::int64_t streams(const Operand& operand);
// A far leg with fewer channels than streams serves them in waves, one stream per channel at a time.
std::int64_t waves(const Operand& operand);
// Tiles of each stream that come from DDR: all but those that the memory tiles send again.
std::int64_t unique_tiles(const Operand& operand);
// Of a leg between memory tiles and cores, or from one memory tile channel to another.
double stream_cycles(const Leg& near, const device::Device& device);
// One tile, from a memory tile to a core's buffer or back.
double near_tile_cycles(const Operand& operand, const device::Device& device);

// A kernel call with its input locks; and what a block adds, the lock of its output tile included.
double call_cycles(const LayerProgram& layer, const KernelCycles& kernel, const Target& target);
double block_cycles(const KernelCycles& kernel, const Target& target);

double dispatch_cycles(const LayerProgram& layer, const Target& target);

}  // namespace vaip::sim
