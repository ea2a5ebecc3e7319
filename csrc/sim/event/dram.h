// DRAM as a server that the shim channels share.
#pragma once

#include <array>

#include "sim/resources.h"

namespace vaip::sim::event {

// The shim channels of an operand at work, in cycles of them at full speed.
struct Flow {
  std::size_t operand = 0;  // 0: A, 1: B, 2: C
  double remaining = 0;
  double needed = 0;  // by which kernel call, where it is read
  double speed = 0;   // of full; set by Dram::share
};

class Dram {
 public:
  explicit Dram(DramShare share) : share_(share) {}

  void start(Flow& flow);
  void finish(Flow& flow);
  void share();  // sets the speeds of the flows at work
  void advance(double cycles);

  double busy_cycles() const { return busy_; }

 private:
  DramShare share_;
  std::array<Flow*, 3> flows_{};  // by operand; null: not at work
  bool changed_ = false;
  double load_ = 0;  // share of DRAM's time in use
  double busy_ = 0;
};

}  // namespace vaip::sim::event
