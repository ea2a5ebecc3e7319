// DRAM as a server that the shim channels share.
#pragma once

#include <vector>

#include "sim/resources.h"

namespace vaip::sim::event {

// A transfer of a set of shim channels, in cycles of them at full speed.
struct Flow {
  Direction direction = Direction::read;
  double bytes_per_cycle = 0;   // of DRAM at full speed
  double misses_per_cycle = 0;  // DRAM's waiting for translations, in cycles, at full speed
  double remaining = 0;
  double speed = 0;  // of full; set by Dram::share
};

class Dram {
 public:
  explicit Dram(const device::Device& device) : rates_(device) {}

  void start(Flow& flow);
  void finish(Flow& flow);

  // Speeds of the flows at work: as fast as their channels go, while DRAM keeps up. Where it does not, reads are slowed
  // alike, and writes get what reads leave: a memory controller collects writes and serves reads first.
  void share();
  void advance(double cycles);

  double busy_cycles() const { return busy_; }

 private:
  DramRates rates_;
  std::vector<Flow*> flows_;
  bool changed_ = false;
  double load_ = 0;  // share of DRAM's time in use
  double busy_ = 0;
};

}  // namespace vaip::sim::event
