// The steady state: a layer's loop nest is periodic, so the busiest of its overlapped resources sets the pace. What
// nothing hides is added: each resource starts once its first data has come through those before it, and the last data
// that it is done with goes through those after it. The layer takes the longest of these ways.
#include <algorithm>
#include <array>
#include <cmath>

#include "sim/resources.h"
#include "sim/simulate.h"
#include "sim/steady/far_side.h"
#include "sim/steady/first_blocks.h"

namespace vaip::sim {
namespace {

using steady::end_by_first_blocks;
using steady::FarSide;
using steady::Path;
using steady::Shares;

constexpr double kRounding = 1e-9;  // of sums that are formed in another order

class Steady {
 public:
  Steady(const LayerProgram& layer, const KernelCycles& kernel, const Target& target)
      : layer_(layer),
        far_(layer, target),
        runs_(far_.runs()),
        calls_(far_.calls()),
        blocks_(calls_ / static_cast<double>(std::max<std::int64_t>(1, layer.steps))) {
    if (layer.kernel.kind == KernelKind::copy) return;
    call_ = call_cycles(layer, kernel, target);
    block_ = block_cycles(layer, kernel, target);
    compute_ = calls_ * call_ + blocks_ * block_;
    core_ = compute_;
    // A core waits for each tile of a single buffer to come, or to leave before the next block begins.
    for (const std::size_t i : {0, 1, 2})
      if (far_.path(i).operand->buffers == 1) core_ += far_.path(i).near - far_.path(i).near_tile;
    pace_ = std::max({core_, far_.path(0).near, far_.path(1).near, far_.path(2).near}) / calls_;
  }

  LayerCost cost() const {
    LayerCost result;
    CostBreakdown& busy = result.breakdown;
    busy.compute_cycles = runs_ * compute_;
    busy.l1_cycles = runs_ * std::max({far_.path(0).near, far_.path(1).near, c().near});
    busy.l2_cycles =
        std::max({far_.works()[0].busy_cycles(), far_.works()[1].busy_cycles(), far_.works()[2].busy_cycles()});
    busy.ddr_cycles = far_.dram().busy_cycles({1, 1, 1});
    if (layer_.kernel.kind == KernelKind::copy)
      result.cycles = copy();
    else
      result.cycles = run(true) + (runs_ > 1 ? (runs_ - 1) * run(false) : 0);
    busy.exposed_cycles =
        result.cycles - std::max({busy.compute_cycles, busy.l1_cycles, busy.l2_cycles, busy.ddr_cycles});
    return result;
  }

  // Of what cost() takes the longest of: the cores' work, each stream's, and each shim channel's as if it had DRAM to
  // itself; and what DRAM needs for both inputs.
  double least() const {
    if (layer_.kernel.kind == KernelKind::copy) return 0;
    const auto last_call = static_cast<std::int64_t>(calls_) - 1;
    double longest = std::max(core_ + c().near_tile, c().near);
    Shares fetched{};
    for (const std::size_t i : {0, 1}) {
      const Path& path = far_.path(i);
      if (path.tiles == 0) continue;
      longest = std::max(longest, path.near);
      if (path.far.tasks == 0) continue;
      fetched[i] = FarSide::fetched_by(path, last_call);
      longest = std::max(longest, far_.alone(i, fetched[i]));
    }
    longest = std::max({longest, far_.dram().busy_cycles(fetched) / runs_, c().far.tasks > 0 ? far_.alone(2, 1) : 0});
    return runs_ * longest * (1 - kRounding);
  }

 private:
  const Path& c() const { return far_.path(2); }

  double fetch(double a, double b) const {
    const Shares finish = far_.transfer({a, b, 0});
    return std::max(finish[0], finish[1]);
  }
  double drain(double share) const { return far_.transfer({0, 0, share})[2]; }
  // The last of so many parts; a task of its own is started once there is something to write.
  double drain_last(double parts) const {
    const bool own_task = parts > 1 && static_cast<double>(c().far.tasks) / runs_ >= parts;
    return drain(1 / parts) + (own_task ? c().far.task_cycles : 0);
  }

  // Pieces come in and go out at the same time, but for the first and the last.
  double copy() const {
    const double near = std::max(far_.path(0).near, c().near);
    const double begin = far_.works()[0].tasks > 0 ? far_.works()[0].start_cycles : far_.works()[2].start_cycles;
    if (far_.works()[0].tasks == 0 || far_.works()[2].tasks == 0)
      return std::max(near, begin + std::max(fetch(1, 0), drain(1)));
    const double piece = 1 / blocks_;
    const Shares both = far_.transfer({1 - piece, 0, 1 - piece});
    return std::max(near, begin + fetch(piece, 0) + std::max(both[0], both[2]) + drain(piece));
  }

  double run(bool first_run) const {
    // Cores that get their tiles one wave after another also end so: output begins to leave when the first wave is
    // done, and that of the last is left at the end.
    const bool staggered = std::max(waves(layer_.a), waves(layer_.b)) > 1;
    const std::int64_t groups = staggered ? waves(layer_.c) : 1;
    const double parts = static_cast<double>(groups) * blocks_, first = 1 / parts;  // of the output
    const double first_output = computed(first_run, 1 / blocks_, groups, 0) + c().near_tile;

    // Output that leaves while there still are inputs to come.
    const double fetched = fetch(1, 1), drained = drain(1);
    const double begin = std::max(far_.start(far_.path(0), first_run), far_.start(far_.path(1), first_run));
    const double meanwhile = drained > 0 ? std::clamp((begin + fetched - first_output) / drained, 0.0, 1 - first) : 0;

    const double by_cores = computed(first_run, 1, 1, meanwhile) + c().near_tile + drain_last(parts);
    const double by_streams = first_output + c().near - c().near_tile + drain_last(parts);
    if (c().far.tasks == 0) return std::max(by_cores, by_streams);
    // Inputs of further blocks have come by the first output, as far as there were buffers.
    const auto to_come = [&](const Path& path) {
      const Staging& staging = path.operand->staging;
      const auto buffers = static_cast<double>(staging.units * staging.unit_tiles + path.operand->buffers);
      const double room = std::min(1.0, first + (path.tiles > 0 ? buffers / path.tiles : 0));
      return 1 - std::clamp(fetched > 0 ? (first_output - begin) / fetched : 1, first, room);
    };
    const double by_channels = first_output + far_.transfer({to_come(far_.path(0)), to_come(far_.path(1)), 1})[2];
    return std::max({by_cores, by_streams, by_channels});
  }

  // From the start to the end of the last kernel call of a share of the blocks, while a share of the output leaves.
  // groups: of cores that get their tiles and end one after another, of which the first is meant.
  double computed(bool first_run, double share, std::int64_t groups, double written) const {
    const auto last_call = static_cast<std::int64_t>(std::ceil(share * calls_ - 0.5)) - 1;
    Shares first{}, all{};
    for (const std::size_t i : {0, 1}) {
      first[i] = far_.arrival(i, 0, groups, 0);
      all[i] = far_.arrival(i, last_call, groups, written);
      if (share == 1) all[i] = std::max(all[i], far_.last_in_turn(i, written));
    }
    double head = 0;  // until the first call
    for (const std::size_t i : {0, 1})
      head = std::max(head, far_.start(far_.path(i), first_run) + first[i] + far_.path(i).near_tile);
    const double waits = blocks_ > 1 ? (share * blocks_ - 1) / (blocks_ - 1) : 1;  // the first block does not
    double longest = head + share * compute_ + waits * (core_ - compute_);
    for (const std::size_t i : {0, 1}) {
      const Path& path = far_.path(i);
      if (path.tiles == 0) continue;
      const double begin = far_.start(path, first_run);
      longest = std::max(longest, by_stream(path, share, begin + first[i], head));
      if (path.far.tasks == 0) continue;
      longest = std::max(longest, begin + by_channel(path, last_call, all[i]));
      if (share < 1) continue;
      longest = std::max({longest, by_buffers(i, head, written), begin + by_first_pass(i)});
    }
    if (share < 1) return longest;
    return std::max(longest, end_by_first_blocks(layer_, far_, {call_, block_}, first_run, first, all));
  }

  // A stream from its first tile on; or, having filled the cores' buffers, from the first call on.
  double by_stream(const Path& path, double share, double first_tile, double first_call) const {
    const double calls_per_tile = calls_ / path.tiles;
    const double last_tile = std::min(calls_per_tile, share * calls_) * call_ + block_;
    const double at_once = first_tile + share * path.near + last_tile;
    const auto buffers = static_cast<double>(path.operand->buffers);
    if (share * path.tiles <= buffers) return at_once;
    return std::max(at_once,
                    first_call + calls_per_tile * call_ + share * path.near - buffers * path.near_tile + last_tile);
  }

  // Until the last unit has come; then its tiles, and all that is sent again.
  double by_channel(const Path& path, std::int64_t last_call, double arrival) const {
    const auto calls = static_cast<double>(last_call - far_.call_of_last_unit(path, last_call));
    return arrival + path.near_tile + calls * pace_ + call_ + block_;
  }

  // An input that has filled all buffers before the first call goes on once that has let the first tile go.
  double by_buffers(std::size_t input, double first_call, double written) const {
    const auto beyond_buffers = [](const Path& of) {
      const Staging& staging = of.operand->staging;
      if (!of.schedule || staging.replays > 1) return 0.0;
      const std::int64_t unit = of.schedule->tiles_in_unit(0);
      const auto ahead = static_cast<double>((staging.units + of.operand->buffers / unit) * unit);
      return std::max(0.0, 1 - ahead / of.unique);
    };
    Shares shares{};
    for (const std::size_t i : {0, 1}) shares[i] = beyond_buffers(far_.path(i));
    shares[2] = written;
    if (shares[input] == 0) return 0;
    const Path& path = far_.path(input);
    const double first_tile = calls_ / path.tiles * call_ + path.near_tile;
    return first_call + first_tile + far_.transfer(shares)[input] + path.near_tile + call_ + block_;
  }

  // What is sent again later comes at DDR's pace the first time, beside what the same calls need of the other input,
  // and what the next one does.
  double by_first_pass(std::size_t input) const {
    const Path& path = far_.path(input);
    if (path.operand->staging.replays == 1) return 0;
    const std::int64_t units = std::min(path.operand->staging.replayed_units, path.schedule->units());
    const std::int64_t call = path.schedule->call_of_unit(units - 1);
    const auto until = [&](std::size_t of, std::int64_t at) {
      const double left = calls_ - static_cast<double>(at);
      return far_.arrival(of, at, 1, 1 - left / calls_) + far_.path(of).near_tile + left * pace_;
    };
    const bool last = static_cast<double>(call + 1) >= calls_ || !far_.path(1 - input).schedule;
    return last ? until(input, call) : std::max(until(input, call), until(1 - input, call + 1));
  }

  const LayerProgram& layer_;
  FarSide far_;
  double runs_;                    // of blocks that fill and drain the array by themselves
  double calls_, blocks_;          // of one run
  double call_ = 0, block_ = 0;    // cycles of one
  double compute_ = 0, core_ = 0;  // of a run's calls; with waiting for single buffers
  double pace_ = 0;                // per call, of cores and streams
};

bool occupies_array(const LayerProgram& layer) {
  return layer.kernel.kind != KernelKind::none && layer.kernel.kind != KernelKind::host;
}

}  // namespace

LayerCost layer_cost(const LayerProgram& layer, const KernelCycles& kernel, const Target& target) {
  const double dispatch = dispatch_cycles(layer, target);
  LayerCost result;
  if (occupies_array(layer)) result = Steady(layer, kernel, target).cost();
  result.breakdown.dispatch_cycles = dispatch;
  result.cycles += dispatch;
  return result;
}

double least_cycles(const LayerProgram& layer, const KernelCycles& kernel, const Target& target, double enough) {
  const double dispatch = dispatch_cycles(layer, target);
  if (!occupies_array(layer)) return dispatch;
  const auto blocks = static_cast<double>(layer.blocks);
  const double cores = layer.kernel.kind == KernelKind::copy
                           ? 0
                           : blocks * (static_cast<double>(layer.steps) * call_cycles(layer, kernel, target) +
                                       block_cycles(layer, kernel, target));
  const double by_cores = dispatch + cores * (1 - kRounding);
  return by_cores > enough ? by_cores : dispatch + Steady(layer, kernel, target).least();
}

}  // namespace vaip::sim
