#include "sim/event/dram.h"

namespace vaip::sim::event {

void Dram::start(Flow& flow) {
  flows_[flow.operand] = &flow;
  changed_ = true;
}

void Dram::finish(Flow& flow) {
  flows_[flow.operand] = nullptr;
  flow.speed = flow.remaining = 0;
  changed_ = true;
}

void Dram::share() {
  if (!changed_) return;
  changed_ = false;
  const DramShare::Speeds speeds = share_.speeds({flows_[0] != nullptr, flows_[1] != nullptr, flows_[2] != nullptr});
  for (std::size_t i = 0; i < flows_.size(); ++i)
    if (flows_[i] != nullptr) flows_[i]->speed = speeds[i];
  load_ = share_.load(speeds);
}

void Dram::advance(double cycles) {
  for (Flow* flow : flows_)
    if (flow != nullptr) flow->remaining -= flow->speed * cycles;
  busy_ += load_ * cycles;
}

}  // namespace vaip::sim::event
