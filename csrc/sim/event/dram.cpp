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
  DramShare::Speeds left{};
  std::array<double, 2> needed{};
  for (std::size_t i = 0; i < flows_.size(); ++i) {
    if (flows_[i] == nullptr) continue;
    left[i] = flows_[i]->remaining;
    if (i < needed.size()) needed[i] = flows_[i]->needed;
  }
  const DramShare::Speeds speeds = share_.speeds(left, needed);
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
