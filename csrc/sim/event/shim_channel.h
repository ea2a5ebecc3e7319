// The shim channels that carry an operand between DDR and the memory tiles, all alike, as one.
#pragma once

#include <cstdint>

#include "sim/event/timeline.h"
#include "sim/resources.h"

namespace vaip::sim::event {

// Carries `parts` equal parts in order, some at a time; derived classes say when the next may start, and what its end
// means.
class ShimChannel : public Activity {
 public:
  ShimChannel(Track track, const Leg& leg, const ShimWork& work, std::int64_t parts, Timeline& timeline);

  void finish(double now) final;
  bool done() const final { return carried_ == parts_; }
  std::int64_t bytes() const { return bytes_before(carried_); }  // carried so far

 protected:
  void start_parts(double now, std::int64_t count, double wait = 0);
  virtual void parts_done(double now) = 0;

 private:
  void start_data();
  // Each task carries as much as the others: how many have begun once the part before `part` has.
  std::int64_t tasks_before(std::int64_t part) const { return (part * work_.tasks + parts_ - 1) / parts_; }
  std::int64_t bytes_before(std::int64_t part) const;

  Timeline& timeline_;
  ShimWork work_;
  std::int64_t total_bytes_, parts_;
  std::int64_t carried_ = 0, under_way_ = 0;
};

}  // namespace vaip::sim::event
