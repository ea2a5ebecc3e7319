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

DramShare::Speeds DramShare::speeds(const std::array<bool, 3>& at_work) const {
  Speeds result{};
  std::array<double, kLimits> used{};
  for (std::size_t i = 0; i < asked_.size(); ++i) {
    result[i] = at_work[i] ? 1 : 0;
    for (std::size_t l = 0; l < kLimits; ++l) used[l] += result[i] * asked_[i].bytes * asked_[i].per_byte[l];
  }
  if (*std::max_element(used.begin(), used.end()) <= 1) return result;

  // The progress of each (share of its leg, per cycle) rises until its channels are at full speed, or one of its limits
  // is reached.
  std::array<bool, 3> rising{};
  for (std::size_t i = 0; i < asked_.size(); ++i) rising[i] = at_work[i] && asked_[i].bytes > 0;
  std::array<double, kLimits> left;
  left.fill(1);
  double progress = 0;
  while (std::find(rising.begin(), rising.end(), true) != rising.end()) {
    double step = 0;
    std::array<double, kLimits> per_progress{};
    for (std::size_t i = 0; i < asked_.size(); ++i) {
      if (!rising[i]) continue;
      const double missing = 1 / asked_[i].cycles - progress;
      step = step == 0 ? missing : std::min(step, missing);
      for (std::size_t l = 0; l < kLimits; ++l)
        per_progress[l] += asked_[i].cycles * asked_[i].bytes * asked_[i].per_byte[l];
    }
    std::array<bool, kLimits> reached{};  // the last one that shortens the step
    for (std::size_t l = 0; l < kLimits; ++l) {
      if (per_progress[l] * step <= left[l]) continue;
      step = left[l] / per_progress[l];
      reached.fill(false);
      reached[l] = true;
    }
    progress += step;
    for (std::size_t l = 0; l < kLimits; ++l) left[l] = std::max(0.0, left[l] - per_progress[l] * step);
    for (std::size_t i = 0; i < asked_.size(); ++i) {
      if (!rising[i]) continue;
      result[i] = progress * asked_[i].cycles;
      const bool satisfied = result[i] >= 1 - 1e-12;
      if (satisfied) result[i] = 1;
      rising[i] = !satisfied;
      for (std::size_t l = 0; l < kLimits; ++l)
        if (reached[l] && asked_[i].per_byte[l] > 0) rising[i] = false;
    }
  }
  return result;
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
    std::array<bool, 3> at_work{};
    for (std::size_t i = 0; i < left.size(); ++i) at_work[i] = left[i] > 0;
    if (std::find(at_work.begin(), at_work.end(), true) == at_work.end()) return finish;
    const Speeds speed = speeds(at_work);
    double phase = std::numeric_limits<double>::infinity();  // until the first of them is done
    for (std::size_t i = 0; i < left.size(); ++i)
      if (at_work[i]) phase = std::min(phase, left[i] / speed[i]);
    time += phase;
    for (std::size_t i = 0; i < left.size(); ++i) {
      if (!at_work[i]) continue;
      const bool ends = left[i] <= phase * speed[i];
      left[i] = ends ? 0 : left[i] - phase * speed[i];
      if (ends) finish[i] = time;
    }
  }
}

}  // namespace vaip::sim
