#include "sim/steady/far_side.h"

#include <algorithm>

namespace vaip::sim::steady {
namespace {

// Of an operand's waves, those that the first of so many groups of cores needs.
double first_waves(const Path& path, std::int64_t groups) {
  const std::int64_t count = waves(*path.operand);
  return static_cast<double>((count + groups - 1) / groups) / static_cast<double>(count);
}

}  // namespace

FarSide::FarSide(const LayerProgram& layer, const Target& target)
    : layer_(layer),
      runs_(serial_blocks(layer, target) ? static_cast<double>(std::max<std::int64_t>(1, layer.blocks)) : 1),
      run_gap_(block_gap_cycles(layer, target)),
      calls_(static_cast<double>(std::max<std::int64_t>(1, layer.blocks)) / runs_ *
             static_cast<double>(std::max<std::int64_t>(1, layer.steps))),
      works_(shim_works(layer, target.device)),
      share_(works_, target.device),
      paths_{make_path(layer.a, works_[0], target), make_path(layer.b, works_[1], target),
             make_path(layer.c, works_[2], target)} {}

Path FarSide::make_path(const Operand& operand, const ShimWork& far, const Target& target) const {
  Path result;
  result.operand = &operand;
  result.far = far;
  result.near = stream_cycles(operand.near, target.device) / runs_;
  result.near_tile = near_tile_cycles(operand, target.device);
  result.tiles = static_cast<double>(operand.tiles) / runs_;
  result.unique = std::max(1.0, static_cast<double>(unique_tiles(operand)) / runs_);
  if (operand.tiles > 0 && layer_.kernel.kind != KernelKind::copy) result.schedule.emplace(layer_, operand);
  return result;
}

double FarSide::start(const Path& path, bool first_run) const {
  if (first_run) return path.far.start_cycles;
  return run_gap_ + (static_cast<double>(path.far.tasks) >= runs_ ? path.far.task_cycles : 0);
}

double FarSide::fetched_by(const Path& path, std::int64_t call) {
  if (!path.schedule) return 0;
  const TileSchedule& schedule = *path.schedule;
  return std::min(1.0, static_cast<double>(schedule.tiles_in_units(schedule.units_by_call(call))) / path.unique);
}

double FarSide::pauses(std::size_t operand, double share) const {
  const ShimWork& work = works_[operand];
  return std::max(0.0, share * static_cast<double>(work.tasks) / runs_ - 1) * work.task_cycles;
}

double FarSide::alone(std::size_t operand, double share) const {
  return share * works_[operand].data_cycles / runs_ + pauses(operand, share);
}

Shares FarSide::transfer(const Shares& shares) const {
  Shares data, pauses;
  for (std::size_t i = 0; i < data.size(); ++i) {
    data[i] = shares[i] * works_[i].data_cycles / runs_;
    pauses[i] = this->pauses(i, shares[i]);
  }
  const Shares together = share_.race(data);
  Shares finish = together;
  // While channels pause between two tasks they do not compete with the others, unless those pause, too.
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

double FarSide::arrival(std::size_t input, std::int64_t call, std::int64_t groups, double written) const {
  const Path &path = paths_[input], &other = paths_[1 - input];
  Shares shares{};
  shares[input] = fetched_by(path, call) * first_waves(path, groups);
  shares[1 - input] = fetched_by(other, call_of_last_unit(path, call)) * first_waves(other, groups);
  shares[2] = written;
  return transfer(shares)[input];
}

double FarSide::last_in_turn(std::size_t input, double written) const {
  const Path &path = paths_[input], &other = paths_[1 - input];
  const bool yields = path.tiles > 0 && path.tiles < other.tiles && other.far.tasks > 0;
  if (!yields || path.operand->staging.replays > 1 || other.operand->staging.replays > 1) return 0;

  const std::int64_t last_unit = call_of_last_unit(path, static_cast<std::int64_t>(calls_) - 1);
  Shares work{};
  for (std::size_t i = 0; i < work.size(); ++i) work[i] = works_[i].data_cycles / runs_;
  work[1 - input] *= fetched_by(other, last_unit);
  work[2] *= std::min(written, static_cast<double>(last_unit) / calls_);
  std::array<double, 2> needed{};
  needed[input] = 1;                             // later than the other
  std::array<std::array<double, 2>, 2> speed{};  // beside the other, and the output, or not
  for (const std::size_t beside : {0, 1}) {
    for (const std::size_t writes : {0, 1}) {
      Shares left{};
      left[input] = work[input];
      left[1 - input] = beside == 1 ? work[1 - input] : 0;
      left[2] = writes == 1 ? work[2] : 0;
      speed[beside][writes] = share_.speeds(left, needed)[input];
    }
  }
  const auto moved_in = [&](double time) {
    const double beside = std::min(1.0, work[1 - input] / time), writes = std::min(1.0, work[2] / time);
    return time * ((1 - beside) * ((1 - writes) * speed[0][0] + writes * speed[0][1]) +
                   beside * ((1 - writes) * speed[1][0] + writes * speed[1][1]));
  };
  constexpr int kHalvings = 12;  // to a few thousandths of a percent
  double low = work[input], high = work[input] / speed[0][1] + work[1 - input] + work[2];
  for (int halving = 0; halving < kHalvings; ++halving) {
    const double middle = (low + high) / 2;
    (moved_in(middle) < work[input] ? low : high) = middle;
  }
  return high + path.far.gap_cycles() / runs_;
}

std::int64_t FarSide::call_of_last_unit(const Path& path, std::int64_t call) {
  return path.schedule ? path.schedule->call_of_unit(path.schedule->units_by_call(call) - 1) : 0;
}

}  // namespace vaip::sim::steady
