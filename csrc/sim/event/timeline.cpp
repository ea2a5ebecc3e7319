#include "sim/event/timeline.h"

#include <algorithm>

#include "base/error.h"

namespace vaip::sim::event {

double Timeline::run(const std::vector<Activity*>& activities, const std::string& layer) {
  // Rounding leaves activities that end together a little apart; a millionth of a cycle does not matter.
  constexpr double kTogether = 1e-6;
  double now = 0;
  while (true) {
    for (Activity* activity : activities)
      if (!activity->busy()) activity->try_start(now);
    dram_.share();
    double next = Activity::kNever;
    for (const Activity* activity : activities) next = std::min(next, activity->ends_at(now));
    if (next == Activity::kNever) break;
    dram_.advance(next - now);
    now = next;
    for (Activity* activity : activities)
      if (activity->ends_at(now) <= now + kTogether) activity->finish(now);
  }
  for (const Activity* activity : activities)
    if (!activity->done()) fail(ErrorKind::internal, "event simulation of layer `", layer, "` is stuck");
  return now;
}

}  // namespace vaip::sim::event
