// The steady state's far side: when shares of a layer's operands have crossed the shim channels, which compete for
// DRAM.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "sim/resources.h"
#include "sim/tile_schedule.h"

namespace vaip::sim::steady {

using Shares = std::array<double, 3>;  // of A, B, C

// An operand in one run of blocks that fills and drains the array by itself.
struct Path {
  const Operand* operand = nullptr;
  ShimWork far;                          // of all runs
  std::optional<TileSchedule> schedule;  // where there are tiles
  double near = 0;                       // cycles of the busiest stream
  double near_tile = 0;                  // of these: one tile
  double tiles = 0;                      // of each stream
  double unique = 1;                     // of these: come from DDR
};

// Cycles of one run, from the start of its channels. Inputs are 0 (A) and 1 (B).
class FarSide {
 public:
  FarSide(const LayerProgram& layer, const Target& target);

  double runs() const { return runs_; }    // of blocks that fill and drain the array by themselves
  double calls() const { return calls_; }  // of one run
  const Path& path(std::size_t operand) const { return paths_[operand]; }
  const ShimWorks& works() const { return works_; }
  const DramShare& dram() const { return share_; }

  // Before a channel's first data in a run.
  double start(const Path& path, bool first_run) const;
  // When shares of what a run fetches and writes have crossed the shim channels, if all begin at once.
  Shares transfer(const Shares& shares) const;
  // When that of one operand has, if the others leave DRAM to it.
  double alone(std::size_t operand, double share) const;
  // Of what a run fetches of an input, what a call and those before it need.
  static double fetched_by(const Path& path, std::int64_t call);
  // When the units of an input that a call and those before it need have come, and what is needed first of the other.
  // groups: of cores that are served one after another, of which the first is meant. written: share of the output that
  // leaves meanwhile.
  double arrival(std::size_t input, std::int64_t call, std::int64_t groups, double written) const;
  // When the whole of an input has come whose tiles last longer than the other's (else 0): the other's next tile is
  // always needed first, so this one has what is left in the part of the time in which the other moves, or the output.
  double last_in_turn(std::size_t input, double written) const;
  // Of the units that a call and those before it need, the last comes for this one.
  static std::int64_t call_of_last_unit(const Path& path, std::int64_t call);

 private:
  double pauses(std::size_t operand, double share) const;  // of its channels, between tasks
  Path make_path(const Operand& operand, const ShimWork& far, const Target& target) const;

  const LayerProgram& layer_;
  double runs_, run_gap_, calls_;
  ShimWorks works_;
  DramShare share_;
  std::array<Path, 3> paths_;
};

}  // namespace vaip::sim::steady
