// The steady state: a layer's loop nest is periodic, so the busiest of its overlapped resources sets the pace. What
// nothing hides is added: each resource starts once its first data has come through those before it, and the last data
// that it is done with goes through those after it. The layer takes the longest of these paths.
#include <algorithm>
#include <array>

#include "sim/resources.h"
#include "sim/simulate.h"

namespace vaip::sim {
namespace {

// An operand's share in one run of blocks that fills and drains the array by itself.
struct Path {
  ShimWork far;
  double near = 0;        // of the busiest stream, all tiles of the run
  double near_tile = 0;   // of one tile
  double tiles = 0;       // of each stream
  double first_unit = 0;  // share of what the run fetches that comes first
};

class Steady {
 public:
  Steady(const LayerProgram& layer, const KernelCycles& kernel, const Target& target)
      : layer_(layer),
        device_(target.device),
        runs_(target.profile.dataflow.pipelined_blocks || layer.kernel.kind == KernelKind::copy
                  ? 1
                  : static_cast<double>(std::max<std::int64_t>(1, layer.blocks))),
        blocks_(static_cast<double>(std::max<std::int64_t>(1, layer.blocks)) / runs_),
        steps_(static_cast<double>(layer.steps)),
        a_(path(layer.a, Direction::read)),
        b_(path(layer.b, Direction::read)),
        c_(path(layer.c, Direction::write)),
        share_(a_.far, b_.far, c_.far, target.device) {
    if (layer.kernel.kind == KernelKind::copy) return;
    call_ = call_cycles(layer, kernel, target);
    block_ = block_cycles(kernel, target);
    compute_ = blocks_ * (steps_ * call_ + block_);
    // A core waits for each tile of a single buffer to come, or to leave before the next block begins.
    if (layer.a.buffers == 1) waiting_ += a_.near - a_.near_tile;
    if (layer.b.buffers == 1) waiting_ += b_.near - b_.near_tile;
    if (layer.c.buffers == 1) waiting_ += c_.near - c_.near_tile;
  }

  LayerCost cost() const {
    LayerCost result;
    CostBreakdown& busy = result.breakdown;
    busy.compute_cycles = runs_ * compute_;
    busy.l1_cycles = runs_ * std::max({a_.near, b_.near, c_.near});
    busy.l2_cycles = std::max({a_.far.busy_cycles(), b_.far.busy_cycles(), c_.far.busy_cycles()});
    busy.ddr_cycles = share_.busy_cycles({1, 1, 1});
    const double start = std::max(a_.far.start_cycles, b_.far.start_cycles);
    result.cycles = start + runs_ * (layer_.kernel.kind == KernelKind::copy ? copy() : nest());
    busy.exposed_cycles =
        result.cycles - std::max({busy.compute_cycles, busy.l1_cycles, busy.l2_cycles, busy.ddr_cycles});
    return result;
  }

 private:
  Path path(const Operand& operand, Direction direction) const {
    Path result;
    result.far = shim_work(operand.far, direction, device_);
    result.near = stream_cycles(operand.near, device_) / runs_;
    result.near_tile = near_tile_cycles(operand, device_);
    result.tiles = static_cast<double>(operand.tiles) / runs_;
    const std::int64_t unit = layer_.steps > 0 ? layer_.steps / units(operand.staging) : 1;
    result.first_unit = std::min(1.0, static_cast<double>(unit) * runs_ / static_cast<double>(unique_tiles(operand)));
    return result;
  }

  // When shares of what a run fetches and writes have crossed the shim channels, if all begin at once. A channel that
  // pauses between two tasks has DRAM's share taken by the others, and meets them again afterwards.
  std::array<double, 3> transfer(double a, double b, double c) const {
    std::array<double, 3> finish = share_.race(
        {a * a_.far.data_cycles / runs_, b * b_.far.data_cycles / runs_, c * c_.far.data_cycles / runs_});
    finish[0] += a * a_.far.gap_cycles() / runs_;
    finish[1] += b * b_.far.gap_cycles() / runs_;
    finish[2] += c * c_.far.gap_cycles() / runs_;
    return finish;
  }
  double fetch(double a, double b) const {
    const std::array<double, 3> finish = transfer(a, b, 0);
    return std::max(finish[0], finish[1]);
  }
  double drain(double c) const { return transfer(0, 0, c)[2]; }

  // Pieces come in and go out at the same time, but for the first and the last.
  double copy() const {
    const double near = std::max(a_.near, c_.near);
    if (a_.far.tasks == 0 || c_.far.tasks == 0) return std::max({near, fetch(1, 0), drain(1)});
    const double piece = 1 / blocks_;
    const std::array<double, 3> both = transfer(1 - piece, 0, 1 - piece);
    return std::max(near, fetch(piece, 0) + std::max(both[0], both[2]) + drain(piece));
  }

  double nest() const {
    // The last output tile leaves. Cores that got their tiles one after another also end so: only the last is left.
    const bool staggered = std::max(waves(layer_.a), waves(layer_.b)) > 1;
    const double block = 1 / blocks_;
    const double last_c = drain(staggered ? block / static_cast<double>(waves(layer_.c)) : block);
    const double first_block = computed(block) + c_.near_tile;
    double longest = std::max(computed(1) + c_.near_tile, first_block + c_.near - c_.near_tile) + last_c;
    if (c_.far.tasks > 0) longest = std::max(longest, first_block + transfer(1 - block, 1 - block, 1)[2]);
    return longest;
  }

  // From the start to the end of the last kernel call of a share of the blocks.
  double computed(double share) const {
    const double calls = blocks_ * steps_;
    const double core = (compute_ + waiting_) / calls;  // per call
    const double pace = std::max({core, a_.near / calls, b_.near / calls, c_.near / calls});
    const double first_units = fetch(std::min(share, a_.first_unit), std::min(share, b_.first_unit));
    const double first_tiles = first_units + std::max(a_.near_tile, b_.near_tile);
    double longest = first_tiles + share * calls * core;
    const std::array<double, 3> far = transfer(share, share, share - 1 / blocks_);
    const std::array<double, 2> arrival = {far[0] / (share * calls), far[1] / (share * calls)};
    for (const Path* path : {&a_, &b_}) {
      if (path->tiles == 0) continue;
      const Staging& staging = (path == &a_ ? layer_.a : layer_.b).staging;
      const double calls_per_tile = calls / path->tiles;
      longest = std::max(longest, first_units + share * path->near + calls_per_tile * call_ + block_);
      if (path->far.tasks == 0) continue;
      // Once the last unit has come: its tiles, and all that is sent again.
      const auto last_tiles = static_cast<double>((layer_.steps + units(staging) - 1) / units(staging) +
                                                  (staging.replays - 1) * staging.replayed_units);
      const double last_calls = std::min(share * calls, std::max(1.0, last_tiles * calls_per_tile));
      const double after = path->near_tile + (last_calls - 1) * pace + call_ + block_;
      longest = std::max(longest, far[path == &a_ ? 0 : 1] + after);
      longest = std::max(longest, first_tiles + share * blocks_ * alternating(staging, arrival[path == &a_ ? 0 : 1],
                                                                              path->near_tile, core));
    }
    return longest;
  }

  // Units of the memory tiles that a block's tiles come in.
  std::int64_t units(const Staging& staging) const {
    return (layer_.steps + staging.unit_tiles - 1) / staging.unit_tiles;
  }

  // A block's time when two units take turns: each must have been sent before it is fetched anew. All per tile.
  double alternating(const Staging& staging, double arrival, double near, double core) const {
    if (staging.unit_tiles == 1) return 0;
    const std::int64_t count = units(staging);
    std::array<double, 2> turns{};
    for (std::int64_t i = 0; i < count; ++i) {
      const auto tiles = static_cast<double>((i + 1) * layer_.steps / count - i * layer_.steps / count);
      // The core's own buffers take the last two tiles off its hands.
      turns[static_cast<std::size_t>(i % 2)] +=
          tiles * arrival + std::max(tiles * near, near + core * std::max(0.0, tiles - 2));
    }
    return count % 2 == 0 ? std::max(turns[0], turns[1]) : (turns[0] + turns[1]) / 2;
  }

  const LayerProgram& layer_;
  const device::Device& device_;
  double runs_;             // of blocks that fill and drain the array by themselves
  double blocks_, steps_;  // of one run
  Path a_, b_, c_;
  DramShare share_;
  double call_ = 0, block_ = 0, compute_ = 0, waiting_ = 0;
};

}  // namespace

LayerCost layer_cost(const LayerProgram& layer, const KernelCycles& kernel, const Target& target) {
  const double dispatch = dispatch_cycles(layer, target);
  LayerCost result;
  if (layer.kernel.kind != KernelKind::none && layer.kernel.kind != KernelKind::host)
    result = Steady(layer, kernel, target).cost();
  result.breakdown.dispatch_cycles = dispatch;
  result.cycles += dispatch;
  return result;
}

}  // namespace vaip::sim
