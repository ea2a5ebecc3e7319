#include "runtime/host_profile.h"

#include <algorithm>

namespace vaip::runtime {

void HostProfile::add_run(Span<const double> us) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (std::size_t i = 0; i < us_.size(); ++i) {
    if (us_[i].size() < kRuns)
      us_[i].push_back(us[i]);
    else
      us_[i][runs_ % kRuns] = us[i];
  }
  ++runs_;
}

std::size_t HostProfile::runs() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return runs_;
}

std::vector<StepProfile> HostProfile::steps() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<StepProfile> all = steps_;
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::vector<double> us = us_[i];
    if (us.empty()) continue;
    std::sort(us.begin(), us.end());
    all[i].us = us[us.size() / 2];
    all[i].least_us = us.front();
  }
  return all;
}

}  // namespace vaip::runtime
