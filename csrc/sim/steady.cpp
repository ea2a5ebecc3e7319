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
        works_(shim_works(layer, target.device)),
        share_(works_, target.device),
        a_(path(layer.a, works_[0])),
        b_(path(layer.b, works_[1])),
        c_(path(layer.c, works_[2])) {
    if (layer.kernel.kind == KernelKind::copy) return;
    call_ = call_cycles(layer, kernel, target);
    block_ = block_cycles(layer, kernel, target);
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
    if (layer_.kernel.kind == KernelKind::copy)
      result.cycles = copy();
    else
      result.cycles = nest(true) + (runs_ > 1 ? (runs_ - 1) * nest(false) : 0);
    busy.exposed_cycles =
        result.cycles - std::max({busy.compute_cycles, busy.l1_cycles, busy.l2_cycles, busy.ddr_cycles});
    return result;
  }

 private:
  Path path(const Operand& operand, const ShimWork& far) const {
    Path result;
    result.far = far;
    result.near = stream_cycles(operand.near, device_) / runs_;
    result.near_tile = near_tile_cycles(operand, device_);
    result.tiles = static_cast<double>(operand.tiles) / runs_;
    const std::int64_t unit = layer_.steps > 0 ? layer_.steps / units(operand.staging) : 1;
    result.first_unit = std::min(1.0, static_cast<double>(unit) * runs_ / static_cast<double>(unique_tiles(operand)));
    return result;
  }

  // When shares of what a run fetches and writes have crossed the shim channels, if all begin at once. While
  // channels pause between two tasks they do not compete with those of the other direction.
  std::array<double, 3> transfer(double a, double b, double c) const {
    const std::array<double, 3> data = {a * a_.far.data_cycles / runs_, b * b_.far.data_cycles / runs_,
                                        c * c_.far.data_cycles / runs_};
    const auto pause = [&](const Path& path, double share) {
      return std::max(0.0, share * static_cast<double>(path.far.tasks) / runs_ - 1) * path.far.task_cycles;
    };
    const std::array<double, 3> pauses = {pause(a_, a), pause(b_, b), pause(c_, c)};
    const std::array<double, 3> together = share_.race(data);
    std::array<double, 3> finish = together;
    for (std::size_t i = 0; i < finish.size(); ++i) {
      finish[i] += pauses[i];
      if (pauses[i] == 0 || together[i] <= data[i] * 1.001) continue;
      std::array<double, 3> beside = data;
      for (std::size_t other = 0; other < beside.size(); ++other)
        if ((other < 2) != (i < 2)) beside[other] *= together[i] / finish[i];
      finish[i] = share_.race(beside)[i] + pauses[i];
    }
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
    const double start = a_.far.tasks > 0 ? a_.far.start_cycles : c_.far.start_cycles;
    if (a_.far.tasks == 0 || c_.far.tasks == 0) return std::max(near, start + std::max(fetch(1, 0), drain(1)));
    const double piece = 1 / blocks_;
    const std::array<double, 3> both = transfer(1 - piece, 0, 1 - piece);
    return std::max(near, start + fetch(piece, 0) + std::max(both[0], both[2]) + drain(piece));
  }

  double nest(bool first_run) const {
    // Cores that get their tiles one wave after another also end so: the first output leaves, and the last is left, as
    // soon as a wave of them is done.
    const bool staggered = std::max(waves(layer_.a), waves(layer_.b)) > 1;
    const double portion = staggered ? 1 / static_cast<double>(waves(layer_.c)) : 1;
    const double block = 1 / blocks_;
    const double last_c = drain(block * portion);
    const double first_block = computed(first_run, block, portion, 0) + c_.near_tile;
    // Output that leaves while there still are inputs to come.
    const double start = std::max(start_of(a_, first_run), start_of(b_, first_run));
    const double all_of_c = drain(1);
    const double meanwhile =
        all_of_c > 0 ? std::clamp((start + fetch(1, 1) - first_block) / all_of_c, 0.0, 1 - block * portion) : 0;
    double longest =
        std::max(computed(first_run, 1, 1, meanwhile) + c_.near_tile, first_block + c_.near - c_.near_tile) + last_c;
    if (c_.far.tasks > 0) {
      // The inputs of further blocks came in the meantime, as far as there were buffers.
      const double alone = fetch(1, 1);
      const auto ahead = [&](const Path& path, const Operand& operand) {
        const auto buffers = static_cast<double>(operand.staging.units * operand.staging.unit_tiles + operand.buffers);
        const double held = block * portion + (path.tiles > 0 ? buffers / path.tiles : 0);
        return std::clamp(alone > 0 ? first_block / alone : 1, block * portion, std::min(1.0, held));
      };
      longest = std::max(longest, first_block + transfer(1 - ahead(a_, layer_.a), 1 - ahead(b_, layer_.b), 1)[2]);
    }
    return longest;
  }

  // Before a channel's first data in a run.
  double start_of(const Path& path, bool first_run) const {
    if (first_run) return path.far.start_cycles;
    return static_cast<double>(path.far.tasks) >= runs_ ? path.far.task_cycles : 0;
  }

  // From the start to the end of the last kernel call of a share of the blocks, while a share of the output leaves.
  // portion: of the cores that get their tiles one wave after another.
  double computed(bool first_run, double share, double portion, double written) const {
    const double calls = blocks_ * steps_;
    const double core = (compute_ + waiting_) / calls;  // per call
    const double pace = std::max({core, a_.near / calls, b_.near / calls, c_.near / calls});
    const std::array<double, 3> first =
        transfer(std::min(share, a_.first_unit) * portion, std::min(share, b_.first_unit) * portion, 0);
    const std::array<double, 3> far = transfer(share * portion, share * portion, written);
    double head = 0;
    for (const std::size_t i : {0, 1}) {
      const Path& path = i == 0 ? a_ : b_;
      head = std::max(head, start_of(path, first_run) + first[i] + path.near_tile);
    }
    double longest = head + share * calls * core;
    for (const std::size_t i : {0, 1}) {
      const Path& path = i == 0 ? a_ : b_;
      if (path.tiles == 0) continue;
      const Staging& staging = (i == 0 ? layer_.a : layer_.b).staging;
      const double start = start_of(path, first_run);
      const double calls_per_tile = calls / path.tiles;
      const double last_tile = std::min(calls_per_tile, share * calls) * call_ + block_;
      longest = std::max(longest, start + first[i] + share * path.near + last_tile);
      // Until the first call the stream fills the core's buffers, then it waits for it.
      const double buffers = static_cast<double>((i == 0 ? layer_.a : layer_.b).buffers);
      if (share * path.tiles > buffers)
        longest = std::max(longest, head + calls_per_tile * call_ + share * path.near - buffers * path.near_tile + last_tile);
      if (path.far.tasks == 0) continue;
      // Once the last unit has come: its tiles, and all that is sent again.
      const auto last_tiles = static_cast<double>((layer_.steps + units(staging) - 1) / units(staging) +
                                                  (staging.replays - 1) * staging.replayed_units);
      const double last_calls = std::min(share * calls, std::max(1.0, last_tiles * calls_per_tile));
      longest = std::max(longest, start + far[i] + path.near_tile + (last_calls - 1) * pace + call_ + block_);
      if (staging.replays > 1 && share == 1) {
        // The first time, what is sent again later comes at DDR's pace, beside what the same calls need of the other.
        const Path& other = i == 0 ? b_ : a_;
        const Operand& of_other = i == 0 ? layer_.b : layer_.a;
        const auto pass = static_cast<double>(staging.replayed_units);
        const double own = std::min(1.0, pass / static_cast<double>(unique_tiles(i == 0 ? layer_.a : layer_.b)));
        const double ahead = static_cast<double>(of_other.staging.units + of_other.buffers) +
                             pass * calls_per_tile * other.tiles / calls;
        const double beside = std::min(1.0, ahead / static_cast<double>(unique_tiles(of_other)));
        const double loaded = i == 0 ? transfer(own, beside, 0)[0] : transfer(beside, own, 0)[1];
        longest = std::max(longest, start + loaded + path.near_tile + (calls - pass * calls_per_tile + 1) * pace);
      }
      if (staging.unit_tiles > 1 && share == 1)
        longest = std::max(longest, start + in_units(staging, far[i] / calls, path.near_tile, core));
    }
    return longest;
  }

  // Units of the memory tiles that a block's tiles come in.
  std::int64_t units(const Staging& staging) const {
    return (layer_.steps + staging.unit_tiles - 1) / staging.unit_tiles;
  }

  // All blocks, where units of several tiles take turns in the memory tiles: each waits for room, which the one before
  // the last makes once all of it has been sent, which waits for room in the cores. All per tile.
  double in_units(const Staging& staging, double arrival, double near, double core) const {
    constexpr std::int64_t kBlocks = 4, kSettled = 2;  // the others take as long as those after the settled ones
    const auto blocks = static_cast<std::int64_t>(blocks_), played = std::min(blocks, kBlocks);
    const std::int64_t count = units(staging);
    std::array<double, 2> sent{}, computed{};  // the last two units; the last two tiles
    double arrived = 0, settled = 0;
    for (std::int64_t block = 0; block < played; ++block) {
      if (block == kSettled) settled = computed[0];
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t tiles = (i + 1) * layer_.steps / count - i * layer_.steps / count;
        arrived = std::max(arrived, sent[1]) + static_cast<double>(tiles) * arrival;
        double at = std::max(arrived, sent[0]);
        for (std::int64_t t = 0; t < tiles; ++t) {
          at = std::max(at, computed[1]) + near;
          computed = {std::max(computed[0], at) + core, computed[0]};
        }
        sent = {at, sent[0]};
      }
    }
    return computed[0] +
           static_cast<double>(blocks - played) * (computed[0] - settled) / static_cast<double>(kBlocks - kSettled);
  }

  const LayerProgram& layer_;
  const device::Device& device_;
  double runs_;            // of blocks that fill and drain the array by themselves
  double blocks_, steps_;  // of one run
  ShimWorks works_;
  DramShare share_;
  Path a_, b_, c_;
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
