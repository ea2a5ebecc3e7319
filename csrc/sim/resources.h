// What each resource of the array takes to serve a layer: service times without any waiting. The steady-state and the
// event-driven timing are made of the same ones and differ in scheduling only.
#pragma once

#include <array>
#include <cstdint>

#include "sim/kernel_model.h"
#include "sim/layer_program.h"
#include "sim/target.h"

namespace vaip::sim {

// A far leg on the shim channels that carry it, all alike.
struct ShimWork {
  double data_cycles = 0;   // of each channel: beats, and the gap after each contiguous run
  double task_cycles = 0;   // of each channel, between one task and the next
  double start_cycles = 0;  // of each channel, from the first task's start to its first data
  std::int64_t tasks = 0;   // of each channel
  double dram_bytes = 0;    // that DRAM moves, over all channels
  double miss_cycles = 0;   // that DRAM waits for address translations, over all channels

  double gap_cycles() const { return static_cast<double>(tasks > 0 ? tasks - 1 : 0) * task_cycles; }
  double busy_cycles() const { return data_cycles + gap_cycles(); }
};
using ShimWorks = std::array<ShimWork, 3>;  // of A, B (reads) and C (writes)
ShimWorks shim_works(const LayerProgram& layer, const device::Device& device);

// What the shim channels ask of DRAM, and what they get.
class DramShare {
 public:
  DramShare(const ShimWorks& works, const device::Device& device);

  // Speeds, of full speed, of those that have something left to move (cycles at full speed). As fast as the channels go
  // while DRAM keeps up; where it does not, in proportion to what is left, as far as its direction and both together
  // allow: all are done together, but for those that their channels hold back. A wait for an address translation stops
  // both directions.
  using Speeds = std::array<double, 3>;
  Speeds speeds(const Speeds& left) const;
  // The same while each has a part under way of which so much is left. DRAM's time is dealt out in proportion to the
  // whole legs: published products run at the bandwidth of all their operands together, so none runs ahead at the
  // others' expense. Of what A and B get, the one goes first whose part an earlier kernel call needs: the other soon
  // has its buffers full and waits.
  Speeds speeds(const Speeds& left, const std::array<double, 2>& needed) const;

  // Of DRAM's time, what the channels use at given speeds.
  double load(const Speeds& speeds) const;
  // Of DRAM's time, in cycles, for so much of the work of each.
  double busy_cycles(const std::array<double, 3>& shares) const;
  // When each has done so many cycles (at full speed), if all begin at once and A and B are needed at the same time.
  std::array<double, 3> race(const std::array<double, 3>& cycles) const;

 private:
  static constexpr std::size_t kLimits = 3;  // DRAM's time: of the direction that reads, that writes, of both together
  using Limits = std::array<double, kLimits>;
  struct Asked {
    double bytes = 0;   // per cycle at full speed, of all channels
    Limits per_byte{};  // of DRAM's time
    double cycles = 0;  // of the whole leg, at full speed
    double time(std::size_t limit) const { return bytes * per_byte[limit]; }  // of DRAM's, at full speed
  };
  // Adds speeds within what is left of the limits, which it takes from them.
  void fill(const Speeds& left, Limits& limits, Speeds& result) const;
  std::array<Asked, 3> asked_;
};

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
double block_cycles(const LayerProgram& layer, const KernelCycles& kernel, const Target& target);

// Whether each block of output tiles fills and drains the array by itself, and how long after the one before it starts.
bool serial_blocks(const LayerProgram& layer, const Target& target);
double block_gap_cycles(const LayerProgram& layer, const Target& target);

double dispatch_cycles(const LayerProgram& layer, const Target& target);

}  // namespace vaip::sim
