#include "sim/event/dram.h"

#include <algorithm>

namespace vaip::sim::event {

void Dram::start(Flow& flow) {
  flows_.push_back(&flow);
  changed_ = true;
}

void Dram::finish(Flow& flow) {
  flows_.erase(std::remove(flows_.begin(), flows_.end(), &flow), flows_.end());
  flow.speed = flow.remaining = 0;
  changed_ = true;
}

void Dram::share() {
  if (!changed_) return;
  changed_ = false;
  double read = 0, written = 0, read_misses = 0, write_misses = 0;  // at full speed, per cycle
  for (const Flow* flow : flows_) {
    const bool reads = flow->direction == Direction::read;
    (reads ? read : written) += flow->bytes_per_cycle;
    (reads ? read_misses : write_misses) += flow->misses_per_cycle;
  }
  const double of_reads = rates_.cycles(read, 0) + read_misses;
  const double read_speed = of_reads > 1 ? 1 / of_reads : 1;
  // What reads leave of the time in which both directions share the pins, and of the waiting for translations.
  const double shared = written / rates_.combined + write_misses;
  const double own = written / rates_.write + write_misses;
  const double left_shared = std::max(0.0, 1 - read_speed * (read / rates_.combined + read_misses));
  const double left_own = std::max(0.0, 1 - read_speed * read_misses);
  double write_speed = 1;
  if (shared > left_shared) write_speed = left_shared / shared;
  if (own * write_speed > left_own) write_speed = left_own / own;
  for (Flow* flow : flows_) flow->speed = flow->direction == Direction::read ? read_speed : write_speed;
  load_ = std::min(1.0, rates_.cycles(read_speed * read, write_speed * written) + read_speed * read_misses +
                            write_speed * write_misses);
}

void Dram::advance(double cycles) {
  for (Flow* flow : flows_) flow->remaining -= flow->speed * cycles;
  busy_ += load_ * cycles;
}

}  // namespace vaip::sim::event
