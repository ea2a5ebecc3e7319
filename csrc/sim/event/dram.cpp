#include "sim/event/dram.h"

#include <algorithm>

namespace vaip::sim::event {

void Dram::start(Flow& flow) {
  changed_ = true;
  if (flow.direction == Direction::write)
    write_ = &flow;
  else
    *std::find(reads_.begin(), reads_.end(), nullptr) = &flow;
}

void Dram::finish(Flow& flow) {
  changed_ = true;
  flow.speed = flow.remaining = 0;
  if (write_ == &flow) write_ = nullptr;
  std::replace(reads_.begin(), reads_.end(), &flow, static_cast<Flow*>(nullptr));
}

void Dram::share() {
  if (!changed_) return;
  changed_ = false;
  const DramLoad a = reads_[0] != nullptr ? reads_[0]->load : DramLoad{};
  const DramLoad b = reads_[1] != nullptr ? reads_[1]->load : DramLoad{};
  const DramLoad c = write_ != nullptr ? write_->load : DramLoad{};
  // A miss stops both directions.
  const ReadSpeeds speeds = share_reads(a, b, c.misses, rates_);
  const double read = speeds.a * a.bytes + speeds.b * b.bytes, misses = speeds.a * a.misses + speeds.b * b.misses;
  double write_speed = 1;
  const auto limit = [&](double used, double asked) {
    const double left = std::max(0.0, 1 - misses - used);
    if (asked * write_speed > left) write_speed = left / asked;
  };
  limit(read / rates_.read, c.misses);
  limit(0, c.bytes / rates_.write + c.misses);
  limit(read / rates_.combined, c.bytes / rates_.combined + c.misses);
  if (reads_[0] != nullptr) reads_[0]->speed = speeds.a;
  if (reads_[1] != nullptr) reads_[1]->speed = speeds.b;
  if (write_ != nullptr) write_->speed = write_speed;
  load_ = std::min(1.0, rates_.cycles(read, write_speed * c.bytes) + misses + write_speed * c.misses);
}

void Dram::advance(double cycles) {
  for (Flow* flow : {reads_[0], reads_[1], write_})
    if (flow != nullptr) flow->remaining -= flow->speed * cycles;
  busy_ += load_ * cycles;
}

}  // namespace vaip::sim::event
