// DRAM as a server that the shim channels share.
#pragma once

#include <array>

#include "sim/resources.h"

namespace vaip::sim::event {

// A transfer of a set of shim channels, in cycles of them at full speed.
struct Flow {
  Direction direction = Direction::read;
  DramLoad load;  // at full speed
  double remaining = 0;
  double speed = 0;  // of full; set by Dram::share
};

class Dram {
 public:
  explicit Dram(const device::Device& device) : rates_(device) {}

  void start(Flow& flow);
  void finish(Flow& flow);

  // Speeds of the flows at work: as fast as their channels go, while DRAM keeps up. Where it does not, reads share it,
  // and writes get what they leave: a memory controller collects writes and serves reads first.
  void share();
  void advance(double cycles);

  double busy_cycles() const { return busy_; }

 private:
  DramRates rates_;
  std::array<Flow*, 2> reads_{};  // an operand each, or null
  Flow* write_ = nullptr;
  bool changed_ = false;
  double load_ = 0;  // share of DRAM's time in use
  double busy_ = 0;
};

}  // namespace vaip::sim::event
