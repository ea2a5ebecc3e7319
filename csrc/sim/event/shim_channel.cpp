#include "sim/event/shim_channel.h"

#include <algorithm>

namespace vaip::sim::event {

ShimChannel::ShimChannel(Track track, const Leg& leg, const ShimWork& work, std::int64_t parts, Timeline& timeline)
    : Activity(track), timeline_(timeline), work_(work), total_bytes_(leg.bytes), parts_(parts) {
  flow_.operand = static_cast<std::size_t>(track.operand - 'a');
}

std::int64_t ShimChannel::bytes_before(std::int64_t part) const {
  return total_bytes_ / parts_ * part + std::min(part, total_bytes_ % parts_);
}

void ShimChannel::start_parts(double now, std::int64_t count, double wait) {
  start_ = now;
  under_way_ = count;
  const std::int64_t first_task = carried_ == 0 ? 1 : tasks_before(carried_);
  const double gaps = static_cast<double>(tasks_before(carried_ + count) - first_task) * work_.task_cycles;
  busy_cycles_ += gaps;
  // The first task is given to the channel as the layer starts; its start-up may have passed while the data was made.
  const double ready = (carried_ == 0 ? std::max(now, work_.start_cycles) : now) + wait + gaps;
  if (ready > now)
    end_ = ready;
  else
    start_data();
}

void ShimChannel::start_data() {
  flow_.remaining = work_.data_cycles * static_cast<double>(under_way_) / static_cast<double>(parts_);
  busy_cycles_ += flow_.remaining;
  timeline_.dram().start(flow_);
}

void ShimChannel::finish(double now) {
  if (end_ != kNever) {
    end_ = kNever;
    start_data();
    return;
  }
  timeline_.dram().finish(flow_);
  carried_ += under_way_;
  timeline_.record(track_, start_, now, "transfer", carried_ - under_way_);
  parts_done(now);
}

}  // namespace vaip::sim::event
