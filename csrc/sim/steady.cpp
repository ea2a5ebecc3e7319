// The steady state: a layer's loop nest is periodic, so the busiest of its overlapped resources sets the pace. What
// nothing hides is added: each resource starts once its first data has come through those before it, and the last data
// that it is done with goes through those after it. The layer takes the longest of these ways.
#include <algorithm>
#include <array>

#include "sim/resources.h"
#include "sim/simulate.h"

namespace vaip::sim {
namespace {

using Shares = std::array<double, 3>;  // of A, B, C

// An operand in one run of blocks that fills and drains the array by itself.
struct Path {
  const Operand* operand = nullptr;
  ShimWork far;           // of all runs
  double near = 0;        // cycles of the busiest stream
  double near_tile = 0;   // of these: one tile
  double tiles = 0;       // of each stream
  double unique = 1;      // of these: come from DDR
  double first_unit = 0;  // share of what the run fetches that comes first
  double ahead = 0;       // and that there is room for before the first call
};

class Steady {
 public:
  Steady(const LayerProgram& layer, const KernelCycles& kernel, const Target& target)
      : layer_(layer),
        runs_(serial_blocks(layer, target) ? static_cast<double>(std::max<std::int64_t>(1, layer.blocks)) : 1),
        run_gap_(block_gap_cycles(layer, target)),
        blocks_(static_cast<double>(std::max<std::int64_t>(1, layer.blocks)) / runs_),
        calls_(blocks_ * static_cast<double>(std::max<std::int64_t>(1, layer.steps))),
        works_(shim_works(layer, target.device)),
        share_(works_, target.device),
        paths_{path(layer.a, works_[0], target.device), path(layer.b, works_[1], target.device),
               path(layer.c, works_[2], target.device)} {
    if (layer.kernel.kind == KernelKind::copy) return;
    call_ = call_cycles(layer, kernel, target);
    block_ = block_cycles(layer, kernel, target);
    compute_ = calls_ * call_ + blocks_ * block_;
    core_ = compute_;
    // A core waits for each tile of a single buffer to come, or to leave before the next block begins.
    for (const Path& path : paths_)
      if (path.operand->buffers == 1) core_ += path.near - path.near_tile;
    pace_ = std::max({core_, paths_[0].near, paths_[1].near, paths_[2].near}) / calls_;
  }

  LayerCost cost() const {
    LayerCost result;
    CostBreakdown& busy = result.breakdown;
    busy.compute_cycles = runs_ * compute_;
    busy.l1_cycles = runs_ * std::max({paths_[0].near, paths_[1].near, c().near});
    busy.l2_cycles = std::max({works_[0].busy_cycles(), works_[1].busy_cycles(), works_[2].busy_cycles()});
    busy.ddr_cycles = share_.busy_cycles({1, 1, 1});
    if (layer_.kernel.kind == KernelKind::copy)
      result.cycles = copy();
    else
      result.cycles = run(true) + (runs_ > 1 ? (runs_ - 1) * run(false) : 0);
    busy.exposed_cycles =
        result.cycles - std::max({busy.compute_cycles, busy.l1_cycles, busy.l2_cycles, busy.ddr_cycles});
    return result;
  }

 private:
  Path path(const Operand& operand, const ShimWork& far, const device::Device& device) const {
    Path result;
    result.operand = &operand;
    result.far = far;
    result.near = stream_cycles(operand.near, device) / runs_;
    result.near_tile = near_tile_cycles(operand, device);
    result.tiles = static_cast<double>(operand.tiles) / runs_;
    result.unique = std::max(1.0, static_cast<double>(unique_tiles(operand)) / runs_);
    const Staging& staging = operand.staging;
    const std::int64_t unit = layer_.steps > 0 ? layer_.steps / units(staging) : 1;
    result.first_unit = std::min(1.0, static_cast<double>(unit) / result.unique);
    // The memory tiles' units, and those that the cores' buffers let go.
    const std::int64_t let_go = staging.replays > 1 ? 0 : operand.buffers / unit;
    result.ahead = std::min(1.0, static_cast<double>((staging.units + let_go) * unit) / result.unique);
    return result;
  }
  const Path& c() const { return paths_[2]; }

  // Units of the memory tiles that a block's tiles come in.
  std::int64_t units(const Staging& staging) const {
    return (layer_.steps + staging.unit_tiles - 1) / staging.unit_tiles;
  }

  // When shares of what a run fetches and writes have crossed the shim channels, if all begin at once. While channels
  // pause between two tasks they do not compete with the others, unless those pause, too.
  Shares transfer(const Shares& shares) const {
    Shares data, pauses;
    for (std::size_t i = 0; i < data.size(); ++i) {
      const ShimWork& work = works_[i];
      data[i] = shares[i] * work.data_cycles / runs_;
      pauses[i] = std::max(0.0, shares[i] * static_cast<double>(work.tasks) / runs_ - 1) * work.task_cycles;
    }
    const Shares together = share_.race(data);
    Shares finish = together;
    for (std::size_t i = 0; i < finish.size(); ++i) {
      finish[i] += pauses[i];
      const bool slowed = together[i] > data[i];
      if (pauses[i] == 0 || !slowed) continue;
      Shares beside = data;
      for (std::size_t other = 0; other < beside.size(); ++other) {
        if (other == i) continue;
        const bool together_in_time = (other < 2) == (i < 2);  // inputs pause at the same time
        const double alone = together_in_time ? std::max(0.0, pauses[i] - pauses[other]) : pauses[i];
        beside[other] *= 1 - alone / finish[i];
      }
      finish[i] = share_.race(beside)[i] + pauses[i];
    }
    return finish;
  }
  double fetch(double a, double b) const {
    const Shares finish = transfer({a, b, 0});
    return std::max(finish[0], finish[1]);
  }
  double drain(double share) const { return transfer({0, 0, share})[2]; }
  // The last of so many parts; a task of its own is started once there is something to write.
  double drain_last(double parts) const {
    const bool own_task = parts > 1 && static_cast<double>(c().far.tasks) / runs_ >= parts;
    return drain(1 / parts) + (own_task ? c().far.task_cycles : 0);
  }

  // Before a channel's first data in a run.
  double start(const Path& path, bool first_run) const {
    if (first_run) return path.far.start_cycles;
    return run_gap_ + (static_cast<double>(path.far.tasks) >= runs_ ? path.far.task_cycles : 0);
  }

  // Pieces come in and go out at the same time, but for the first and the last.
  double copy() const {
    const double near = std::max(paths_[0].near, c().near);
    const double begin = works_[0].tasks > 0 ? works_[0].start_cycles : works_[2].start_cycles;
    if (works_[0].tasks == 0 || works_[2].tasks == 0) return std::max(near, begin + std::max(fetch(1, 0), drain(1)));
    const double piece = 1 / blocks_;
    const Shares both = transfer({1 - piece, 0, 1 - piece});
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
    const double begin = std::max(start(paths_[0], first_run), start(paths_[1], first_run));
    const double meanwhile = drained > 0 ? std::clamp((begin + fetched - first_output) / drained, 0.0, 1 - first) : 0;

    const double by_cores = computed(first_run, 1, 1, meanwhile) + c().near_tile + drain_last(parts);
    const double by_streams = first_output + c().near - c().near_tile + drain_last(parts);
    if (c().far.tasks == 0) return std::max(by_cores, by_streams);
    // Inputs of further blocks have come by the first output, as far as there were buffers.
    const auto to_come = [&](const Path& path) {
      const Staging& staging = path.operand->staging;
      const auto buffers = static_cast<double>(staging.units * staging.unit_tiles + path.operand->buffers);
      const double room = std::min(1.0, first + (path.tiles > 0 ? buffers / path.tiles : 0));
      return 1 - std::clamp(fetched > 0 ? first_output / fetched : 1, first, room);
    };
    const double by_channels = first_output + transfer({to_come(paths_[0]), to_come(paths_[1]), 1})[2];
    return std::max({by_cores, by_streams, by_channels});
  }

  // From the start to the end of the last kernel call of a share of the blocks, while a share of the output leaves.
  // groups: of cores that get their tiles and end one after another, of which the first is meant.
  double computed(bool first_run, double share, std::int64_t groups, double written) const {
    Shares first{}, all{};
    for (const std::size_t i : {0, 1}) {
      const double portion = first_waves(paths_[i], groups);
      const double first_unit = paths_[i].first_unit;
      first[i] = arrival(i, first_unit * portion, 0, 0);
      all[i] = arrival(i, std::max(share, first_unit) * portion, share * first_waves(paths_[1 - i], groups), written);
    }
    double head = 0;  // until the first call
    for (const std::size_t i : {0, 1})
      head = std::max(head, start(paths_[i], first_run) + first[i] + paths_[i].near_tile);
    const double waits = blocks_ > 1 ? (share * blocks_ - 1) / (blocks_ - 1) : 1;  // the first block does not
    double longest = head + share * compute_ + waits * (core_ - compute_);
    for (const std::size_t i : {0, 1}) {
      if (paths_[i].tiles == 0) continue;
      const double begin = start(paths_[i], first_run);
      longest = std::max(longest, by_stream(paths_[i], share, begin + first[i], head));
      if (paths_[i].far.tasks == 0) continue;
      longest = std::max(longest, begin + by_channel(paths_[i], share, all[i]));
      if (share < 1) continue;
      if (paths_[i].operand->staging.replays > 1) longest = std::max(longest, begin + by_first_pass(i));
      const bool in_turns = paths_[i].operand->staging.unit_tiles > 1;
      const bool slower_than_calls = paths_[i].tiles == calls_ && paths_[i].near_tile > call_;
      if (in_turns || slower_than_calls) longest = std::max(longest, begin + by_units(paths_[i], all[i]));
    }
    return longest;
  }

  // Of an operand's waves, those that the first of so many groups of cores needs.
  static double first_waves(const Path& path, std::int64_t groups) {
    const std::int64_t count = waves(*path.operand);
    return static_cast<double>((count + groups - 1) / groups) / static_cast<double>(count);
  }
  // When a share of an input has come, beside what is needed of the other: that does not wait for the first call, but
  // goes on as far as there is room.
  double arrival(std::size_t input, double share, double other, double written) const {
    Shares shares{};
    shares[input] = share;
    shares[1 - input] = std::max(other, paths_[1 - input].ahead);
    shares[2] = written;
    return transfer(shares)[input];
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
  double by_channel(const Path& path, double share, double arrival) const {
    const Staging& staging = path.operand->staging;
    const std::int64_t count = units(staging);
    const auto tiles =
        static_cast<double>((layer_.steps + count - 1) / count + (staging.replays - 1) * staging.replayed_units);
    const double calls = std::clamp(tiles * calls_ / path.tiles, 1.0, std::max(1.0, share * calls_));
    return arrival + path.near_tile + (calls - 1) * pace_ + call_ + block_;
  }

  // What is sent again later comes at DDR's pace the first time, beside what the same calls need of the other input.
  double by_first_pass(std::size_t input) const {
    const Path &path = paths_[input], &other = paths_[1 - input];
    const auto tiles = static_cast<double>(path.operand->staging.replayed_units);
    const double calls = tiles * calls_ / path.tiles;
    const auto buffers = static_cast<double>(other.operand->staging.units + other.operand->buffers);
    Shares shares{};
    shares[input] = std::min(1.0, tiles / path.unique);
    shares[1 - input] = std::min(1.0, (buffers + calls * other.tiles / calls_) / other.unique);
    return transfer(shares)[input] + path.near_tile + (calls_ - calls + 1) * pace_;
  }

  // Units of several tiles take turns in the memory tiles: each waits for room, which the one before the last makes
  // once all of it has been sent, which waits for room in the cores. While a core works on a block's epilogue, no more
  // tiles come than its buffers hold.
  double by_units(const Path& path, double arrival) const {
    constexpr std::int64_t kBlocks = 4, kSettled = 2;  // the others take as long as those after the settled ones
    const auto blocks = static_cast<std::int64_t>(blocks_), played = std::min(blocks, kBlocks);
    const std::int64_t count = units(path.operand->staging);
    std::array<double, 2> sent{}, called{};  // the last two units; the calls on the last two tiles
    // A single output buffer makes the core wait between two blocks, when the next units catch up.
    const double leaving = c().operand->buffers == 1 && blocks > 1 ? c().near_tile : 0;
    const double waiting = core_ - compute_ - static_cast<double>(blocks - 1) * leaving;  // for single input buffers
    const double per_call = call_ + waiting / calls_;
    double arrived = 0, settled = 0;
    for (std::int64_t block = 0; block < played; ++block) {
      if (block == kSettled) settled = called[0];
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t tiles = (i + 1) * layer_.steps / count - i * layer_.steps / count;
        arrived = std::max(arrived, sent[1]) + static_cast<double>(tiles) * arrival / calls_;
        double at = std::max(arrived, sent[0]);
        for (std::int64_t tile = 0; tile < tiles; ++tile) {
          at = std::max(at, called[1]) + path.near_tile;
          const double free = called[0] + (block > 0 && i == 0 && tile == 0 ? leaving : 0);
          const double epilogue = i + 1 == count && tile + 1 == tiles ? block_ : 0;
          called = {std::max(free, at) + per_call + epilogue, called[0]};
        }
        sent = {at, sent[0]};
      }
    }
    return called[0] +
           static_cast<double>(blocks - played) * (called[0] - settled) / static_cast<double>(kBlocks - kSettled);
  }

  const LayerProgram& layer_;
  double runs_;            // of blocks that fill and drain the array by themselves
  double run_gap_;         // between two of them
  double blocks_, calls_;  // of one run
  ShimWorks works_;
  DramShare share_;
  std::array<Path, 3> paths_;
  double call_ = 0, block_ = 0;    // cycles of one
  double compute_ = 0, core_ = 0;  // of a run's calls; with waiting for single buffers
  double pace_ = 0;                // per call, of cores and streams
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
