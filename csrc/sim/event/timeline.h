// The clock of an event-driven simulation: activities start when their locks allow, and end one after another.
#pragma once

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "sim/event/dram.h"
#include "sim/event/observer.h"

namespace vaip::sim::event {

// A DMA channel, a stream or a core: does one thing at a time.
class Activity {
 public:
  explicit Activity(Track track) : track_(track) {}
  Activity(const Activity&) = delete;
  Activity& operator=(const Activity&) = delete;
  virtual ~Activity() = default;

  virtual void try_start(double now) = 0;  // what comes next, if its buffers and data are there
  virtual void finish(double now) = 0;     // what it does now
  virtual bool done() const = 0;           // all of its work

  bool busy() const { return end_ != kNever || flow_.remaining > 0; }
  double busy_cycles() const { return busy_cycles_; }  // without waiting, also not for DRAM

 protected:
  friend class Timeline;
  static constexpr double kNever = std::numeric_limits<double>::infinity();

  void run_for(double cycles, double now) {
    start_ = now;
    end_ = now + cycles;
    busy_cycles_ += cycles;
  }
  double ends_at(double now) const {
    if (end_ != kNever) return end_;
    if (flow_.speed > 0) return now + std::max(0.0, flow_.remaining) / flow_.speed;
    return kNever;
  }

  Track track_;
  double start_ = 0, end_ = kNever;  // of what it does now; a flow's end depends on the others
  Flow flow_;
  double busy_cycles_ = 0;
};

class Timeline {
 public:
  // start: of the layer, for the observer (may be null).
  Timeline(DramShare dram, Observer* observer, double start) : dram_(dram), observer_(observer), start_(start) {}

  Dram& dram() { return dram_; }

  // Plays until nothing moves any more; returns the time that has passed. Throws Error(internal) naming the layer when
  // an activity has work left then.
  double run(const std::vector<Activity*>& activities, const std::string& layer);

  void record(const Track& track, double start, double end, std::string_view name, std::int64_t object) const {
    if (observer_ != nullptr) observer_->on_span({track, start_ + start, start_ + end, name, object});
  }

 private:
  Dram dram_;
  Observer* observer_;
  double start_;
};

}  // namespace vaip::sim::event
