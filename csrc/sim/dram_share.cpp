#include <algorithm>
#include <limits>

#include "sim/resources.h"

namespace vaip::sim {

DramShare::DramShare(const ShimWorks& works, const device::Device& device) {
  const double read = device.clock_ghz / device.dram.read_gbps, write = device.clock_ghz / device.dram.write_gbps;
  const double combined = device.clock_ghz / device.dram.combined_gbps;
  for (std::size_t i = 0; i < works.size(); ++i) {
    const ShimWork& work = works[i];
    if (work.tasks == 0) continue;
    const double miss = work.miss_cycles / work.dram_bytes;
    const bool reads = i < 2;
    asked_[i] = {work.dram_bytes / work.data_cycles,
                 {reads ? read + miss : miss, reads ? miss : write + miss, combined + miss},
                 work.data_cycles};
  }
}

DramShare::Speeds DramShare::speeds(const Speeds& left) const {
  Speeds result{};
  for (std::size_t i = 0; i < left.size(); ++i) result[i] = left[i] > 0 ? 1 : 0;
  if (load(result) <= 1) return result;
  Limits all;
  all.fill(1);
  result.fill(0);
  fill(left, all, result);
  return result;
}

DramShare::Speeds DramShare::speeds(const Speeds& left, const std::array<double, 2>& needed) const {
  Speeds at_work{};
  for (std::size_t i = 0; i < left.size(); ++i) at_work[i] = left[i] > 0 ? asked_[i].cycles : 0;
  Speeds result = speeds(at_work);
  const bool alone = left[0] <= 0 || left[1] <= 0;
  if (alone || (result[0] == 1 && result[1] == 1)) return result;
  Limits reads{};  // what both have of each limit, to be dealt out anew
  for (std::size_t i = 0; i < needed.size(); ++i) {
    for (std::size_t l = 0; l < kLimits; ++l) reads[l] += result[i] * asked_[i].time(l);
    result[i] = 0;
  }
  if (needed[0] == needed[1]) {
    fill({left[0], left[1], 0}, reads, result);
    return result;
  }
  const std::size_t first = needed[0] < needed[1] ? 0 : 1;
  for (const std::size_t i : {first, 1 - first}) {
    Speeds only{};
    only[i] = left[i];
    fill(only, reads, result);
  }
  return result;
}

// The progress of each (share of what is left, per cycle) rises until its channels are at full speed, or one of its
// limits is reached.
void DramShare::fill(const Speeds& left, Limits& limits, Speeds& result) const {
  std::array<bool, 3> rising{};
  for (std::size_t i = 0; i < left.size(); ++i) rising[i] = left[i] > 0;
  double progress = 0;
  while (std::find(rising.begin(), rising.end(), true) != rising.end()) {
    double step = 0;
    Limits per_progress{};
    for (std::size_t i = 0; i < left.size(); ++i) {
      if (!rising[i]) continue;
      const double missing = 1 / left[i] - progress;
      step = step == 0 ? missing : std::min(step, missing);
      for (std::size_t l = 0; l < kLimits; ++l) per_progress[l] += left[i] * asked_[i].time(l);
    }
    std::array<bool, kLimits> reached{};  // the last one that shortens the step
    for (std::size_t l = 0; l < kLimits; ++l) {
      if (per_progress[l] * step <= limits[l]) continue;
      step = limits[l] / per_progress[l];
      reached.fill(false);
      reached[l] = true;
    }
    progress += step;
    for (std::size_t l = 0; l < kLimits; ++l) limits[l] = std::max(0.0, limits[l] - per_progress[l] * step);
    for (std::size_t i = 0; i < left.size(); ++i) {
      if (!rising[i]) continue;
      result[i] = progress * left[i];
      const bool satisfied = result[i] >= 1 - 1e-12;
      if (satisfied) result[i] = 1;
      rising[i] = !satisfied;
      for (std::size_t l = 0; l < kLimits; ++l)
        if (reached[l] && asked_[i].per_byte[l] > 0) rising[i] = false;
    }
  }
}

double DramShare::load(const Speeds& speeds) const {
  double most = 0;
  for (std::size_t l = 0; l < kLimits; ++l) {
    double used = 0;
    for (std::size_t i = 0; i < asked_.size(); ++i) used += speeds[i] * asked_[i].bytes * asked_[i].per_byte[l];
    most = std::max(most, used);
  }
  return most;
}

double DramShare::busy_cycles(const std::array<double, 3>& shares) const {
  Speeds cycles{};
  for (std::size_t i = 0; i < asked_.size(); ++i) cycles[i] = shares[i] * asked_[i].cycles;
  return load(cycles);
}

std::array<double, 3> DramShare::race(const std::array<double, 3>& cycles) const {
  std::array<double, 3> left = cycles, finish{};
  double time = 0;
  while (true) {
    if (*std::max_element(left.begin(), left.end()) <= 0) return finish;
    const Speeds speed = speeds(left, {0, 0});
    double phase = std::numeric_limits<double>::infinity();  // until the first of them is done
    for (std::size_t i = 0; i < left.size(); ++i)
      if (left[i] > 0) phase = std::min(phase, left[i] / speed[i]);
    time += phase;
    for (std::size_t i = 0; i < left.size(); ++i) {
      if (left[i] <= 0) continue;
      const bool ends = left[i] <= phase * speed[i];
      left[i] = ends ? 0 : left[i] - phase * speed[i];
      if (ends) finish[i] = time;
    }
  }
}

}  // namespace vaip::sim
