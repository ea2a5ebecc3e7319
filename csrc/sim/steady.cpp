// The steady state: a layer's loop nest is periodic, so the busiest of its overlapped resources sets the pace. What
// nothing hides is added: each resource starts once its first data has come through those before it, and the last data
// that it is done with goes through those after it. The layer takes the longest of these paths.
#include <algorithm>

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
  double far_cycles = 0;  // of each channel in the run, with the gaps between its tasks
  double first_unit = 0;  // share of what the run fetches that comes first
};

class Steady {
 public:
  Steady(const LayerProgram& layer, const KernelCycles& kernel, const Target& target)
      : layer_(layer),
        device_(target.device),
        dram_(target.device),
        runs_(target.profile.dataflow.pipelined_blocks || layer.kernel.kind == KernelKind::copy
                  ? 1
                  : static_cast<double>(std::max<std::int64_t>(1, layer.blocks))),
        blocks_(static_cast<double>(std::max<std::int64_t>(1, layer.blocks)) / runs_),
        steps_(static_cast<double>(layer.steps)),
        a_(path(layer.a, Direction::read)),
        b_(path(layer.b, Direction::read)),
        c_(path(layer.c, Direction::write)) {
    const DramLoad a = dram_load(layer.a.far, a_.far), b = dram_load(layer.b.far, b_.far);
    both_ = share_reads(a, b, 0, dram_);
    alone_ = {share_reads(a, {}, 0, dram_).a, share_reads({}, b, 0, dram_).b};
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
    busy.ddr_cycles = dram_cycles(1, 1, 1) * runs_;
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
    result.far_cycles = result.far.busy_cycles() / runs_;
    const std::int64_t unit = std::min(operand.staging.unit_tiles, layer_.steps);
    result.first_unit = std::min(1.0, static_cast<double>(unit) * runs_ / static_cast<double>(unique_tiles(operand)));
    return result;
  }

  // Of one run, for shares of what it fetches and writes.
  double dram_cycles(double a, double b, double c) const {
    a /= runs_;
    b /= runs_;
    c /= runs_;
    return dram_.cycles(a * a_.far.dram_bytes + b * b_.far.dram_bytes, c * c_.far.dram_bytes) +
           a * a_.far.miss_cycles + b * b_.far.miss_cycles + c * c_.far.miss_cycles;
  }
  // Shares of both inputs come side by side until one is there; then the other has DRAM for itself.
  double fetch(double a, double b) const {
    const double of_a = a * a_.far.data_cycles / runs_, of_b = b * b_.far.data_cycles / runs_;
    const double first = std::min(of_a / both_.a, of_b / both_.b);
    const double rest = std::max((of_a - first * both_.a) / alone_.a, (of_b - first * both_.b) / alone_.b);
    return std::max({first + rest, a * a_.far_cycles, b * b_.far_cycles});
  }
  double drain(double share) const { return std::max(share * c_.far_cycles, dram_cycles(0, 0, share)); }

  // Pieces come in and go out at the same time, but for the first and the last.
  double copy() const {
    const double near = std::max(a_.near, c_.near);
    const double piece = 1 / blocks_;
    if (a_.far.tasks == 0 || c_.far.tasks == 0) return std::max({near, fetch(1, 0), drain(1)});
    return std::max({near, fetch(1, 0) + drain(piece), fetch(piece, 0) + drain(1),
                     dram_cycles(1, 0, 1 - piece) + drain(piece)});
  }

  double nest() const {
    // The last output tile leaves. Cores that got their tiles one after another also end so: only the last is left.
    const bool staggered = std::max(waves(layer_.a), waves(layer_.b)) > 1;
    const double last_c = drain(1 / blocks_ / (staggered ? static_cast<double>(waves(layer_.c)) : 1));
    const double tail = c_.near_tile + last_c;
    double longest = computed(1) + tail;
    const double after_first_block = computed(1 / blocks_) + c_.near_tile;
    longest = std::max(longest, after_first_block + c_.near - c_.near_tile + last_c);
    longest = std::max(longest, after_first_block + drain(1));
    return longest;
  }

  // From the start to the end of the last kernel call of a share of the blocks.
  double computed(double share) const {
    const double calls = blocks_ * steps_ * share;
    const double first_units = fetch(std::min(share, a_.first_unit), std::min(share, b_.first_unit));
    const double core = share * (compute_ + waiting_);
    const double core_pace = std::max({core, share * a_.near, share * b_.near, share * c_.near}) / calls;
    double longest = first_units + std::max(a_.near_tile, b_.near_tile) + core;
    for (const Path* path : {&a_, &b_}) {
      if (path->tiles == 0) continue;
      const Operand& operand = path == &a_ ? layer_.a : layer_.b;
      const double calls_per_tile = blocks_ * steps_ / path->tiles;
      longest = std::max(longest, first_units + share * path->near + calls_per_tile * call_ + block_);
      if (path->far.tasks == 0) continue;
      // Once the last unit has come: its tiles, and all that is sent again.
      const std::int64_t unit = std::min(operand.staging.unit_tiles, layer_.steps);
      const auto last_tiles = static_cast<double>((layer_.steps - 1) % unit + 1 +
                                                  (operand.staging.replays - 1) * operand.staging.replayed_units);
      const double last_calls = std::min(calls, std::max(1.0, last_tiles * calls_per_tile));
      const double after = path->near_tile + (last_calls - 1) * core_pace + call_ + block_;
      longest = std::max(longest, fetch(share, share) + after);
      if (share == 1) longest = std::max(longest, dram_cycles(1, 1, 1 - 1 / blocks_) + after);
    }
    return longest + share * blocks_ * uneven_units(core_pace, fetch(share, share) / calls);
  }

  // The last unit of a block is shorter: it neither hides the next one's arrival, nor is hidden as long.
  double uneven_units(double use, double arrival) const {
    const Staging& staging = layer_.a.far.bytes > 0 ? layer_.a.staging : layer_.b.staging;
    const std::int64_t unit = staging.unit_tiles, last = (layer_.steps - 1) % unit + 1;
    if (unit >= layer_.steps || last == unit) return 0;
    const auto u = static_cast<double>(unit), r = static_cast<double>(last);
    return std::max(arrival * r, use * u) + std::max(arrival * u, use * r) - (u + r) * std::max(arrival, use);
  }

  const LayerProgram& layer_;
  const device::Device& device_;
  DramRates dram_;
  double runs_;             // of blocks that fill and drain the array by themselves
  double blocks_, steps_;  // of one run
  Path a_, b_, c_;
  ReadSpeeds both_, alone_;
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
