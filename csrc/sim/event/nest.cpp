#include "sim/event/nest.h"

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "sim/event/nest_units.h"
#include "sim/resources.h"

namespace vaip::sim::event {
namespace {

class Nest {
 public:
  Nest(const LayerProgram& layer, const KernelCycles& kernel, const Target& target, Observer* observer, double start)
      : layer_(layer),
        target_(target),
        far_(shim_works(layer, target.device)),
        timeline_(DramShare(far_, target.device), observer, start),
        classes_(std::max({waves(layer.a), waves(layer.b), waves(layer.c)})),
        drained_{serial_blocks(layer, target), block_gap_cycles(layer, target),
                 Counts(static_cast<std::size_t>(classes_), 0)} {
    inputs_of_class_.resize(static_cast<std::size_t>(classes_));
    add_input(layer.a, 'a', a_);
    add_input(layer.b, 'b', b_);
    add_cores(call_cycles(layer, kernel, target), block_cycles(layer, kernel, target));
    if (layer.c.tiles == 0) drained_.serial = false;
  }

  Played run() {
    std::vector<Activity*> activities;
    for (const auto& list : {&fetches_, &sends_, &cores_, &collects_, &drains_})
      for (Activity* activity : *list) activities.push_back(activity);
    Played played;
    played.cycles = timeline_.run(activities, layer_.name);
    played.compute_cycles = busiest(cores_);
    played.l1_cycles = std::max(busiest(sends_), busiest(collects_));
    played.l2_cycles = std::max(busiest(fetches_), busiest(drains_));
    played.ddr_cycles = timeline_.dram().busy_cycles();
    played.a = moved(layer_.a, a_);
    played.b = moved(layer_.b, b_);
    played.c = moved(layer_.c, c_);
    for (const Moving* moving : {&a_, &b_, &c_}) {
      std::int64_t l1 = 0;
      for (const ObjectFifo* fifo : moving->l1) l1 = std::max(l1, fifo->peak());
      played.l1_peak_bytes += l1 * moving->tile_bytes;
      double l2 = 0;
      for (const ObjectFifo* fifo : moving->l2) l2 += static_cast<double>(fifo->peak()) * moving->unit_bytes;
      played.l2_peak_bytes += static_cast<std::int64_t>(l2);
    }
    return played;
  }

 private:
  // An operand under way.
  struct Moving {
    std::vector<ObjectFifo*> l1, l2;
    std::vector<const Stream*> near;
    const ShimChannel* far = nullptr;
    std::int64_t tile_bytes = 0;
    double unit_bytes = 0;  // of the streams that a buffer of l2 stands for
  };

  ObjectFifo* add_fifo(std::int64_t buffers) { return &fifos_.emplace_back(buffers); }
  template <typename T, typename... Arguments>
  T* add(std::vector<Activity*>& list, Arguments&&... arguments) {
    auto owned = std::make_unique<T>(std::forward<Arguments>(arguments)...);
    T* activity = owned.get();
    activities_.push_back(std::move(owned));
    list.push_back(activity);
    return activity;
  }
  std::size_t wave_of_class(std::int64_t of_class, const Operand& operand) const {
    return static_cast<std::size_t>(of_class * waves(operand) / classes_);
  }

  void add_input(const Operand& operand, char name, Moving& moving) {
    moving.tile_bytes = operand.tile_bytes;
    if (operand.tiles == 0) return;
    const TileSchedule& schedule = schedules_.emplace_back(layer_, operand);
    const std::int64_t waves_count = waves(operand), stream_count = streams(operand);
    const bool broadcast = stream_count < layer_.rows * layer_.columns;
    const bool from_ddr = operand.far.bytes > 0;
    const std::int64_t simulated = broadcast ? waves_count : classes_;  // streams
    const double cycles = near_tile_cycles(operand, target_.device);
    std::vector<Fifos> staged(static_cast<std::size_t>(waves_count));
    std::vector<Fifos> buffers(static_cast<std::size_t>(simulated));
    for (std::int64_t g = 0; g < classes_; ++g) {
      ObjectFifo* fifo = add_fifo(operand.buffers);
      moving.l1.push_back(fifo);
      inputs_of_class_[static_cast<std::size_t>(g)].push_back({&schedule, fifo});
      buffers[broadcast ? wave_of_class(g, operand) : static_cast<std::size_t>(g)].push_back(fifo);
    }
    for (std::int64_t s = 0; s < simulated; ++s) {
      ObjectFifo* unit = nullptr;
      if (from_ddr) {
        unit = add_fifo(operand.staging.units);
        moving.l2.push_back(unit);
        staged[broadcast ? static_cast<std::size_t>(s) : wave_of_class(s, operand)].push_back(unit);
      }
      moving.near.push_back(add<Send>(sends_, Track{Track::Unit::memory_tile, name, s, share(stream_count, simulated)},
                                      schedule, cycles, unit, buffers[static_cast<std::size_t>(s)], timeline_));
    }
    if (!from_ddr) return;
    // Padding is added on the way to the cores.
    const double of_all =
        std::min(static_cast<double>(operand.tile_bytes * stream_count),
                 static_cast<double>(operand.far.bytes) / static_cast<double>(schedule.unique_tiles()));
    moving.unit_bytes = of_all * static_cast<double>(operand.staging.unit_tiles) / static_cast<double>(simulated);
    moving.far =
        add<Fetch>(fetches_, Track{Track::Unit::shim_read, name, 0, operand.far.channels}, operand,
                   far_[static_cast<std::size_t>(name - 'a')], schedule, std::move(staged), drained_, timeline_);
  }

  void add_cores(double per_call, double per_block) {
    const Operand& c = layer_.c;
    c_.tile_bytes = c.tile_bytes;
    const bool to_ddr = c.far.bytes > 0;
    std::vector<std::vector<Drain::Part>> staged(static_cast<std::size_t>(waves(c)));
    const double cycles = near_tile_cycles(c, target_.device);
    const std::int64_t stream_count = streams(c);
    for (std::int64_t g = 0; g < classes_; ++g) {
      const auto index = static_cast<std::size_t>(g);
      ObjectFifo* output = nullptr;
      if (c.tiles > 0) {
        output = add_fifo(c.buffers);
        c_.l1.push_back(output);
        ObjectFifo* collected = to_ddr ? add_fifo(c.staging.units) : nullptr;
        c_.near.push_back(add<Collect>(collects_,
                                       Track{Track::Unit::memory_tile, 'c', g, share(stream_count, classes_)}, c.tiles,
                                       cycles, *output, collected, drained_.blocks[index], timeline_));
        if (to_ddr) {
          c_.l2.push_back(collected);
          staged[wave_of_class(g, c)].push_back({collected, &drained_.blocks[index]});
        }
      }
      add<Core>(cores_, Track{Track::Unit::core, 0, g, share(layer_.rows * layer_.columns, classes_)}, layer_, per_call,
                per_block, inputs_of_class_[index], output, drained_, timeline_);
    }
    if (!to_ddr || c.tiles == 0) return;
    c_.unit_bytes = std::min(static_cast<double>(c.tile_bytes * stream_count),
                             static_cast<double>(c.far.bytes) / static_cast<double>(c.tiles)) /
                    static_cast<double>(classes_);
    c_.far = add<Drain>(drains_, Track{Track::Unit::shim_write, 'c', 0, c.far.channels}, c, far_[2], std::move(staged),
                        timeline_);
  }

  static std::int64_t share(std::int64_t count, std::int64_t parts) { return std::max<std::int64_t>(1, count / parts); }
  static double busiest(const std::vector<Activity*>& list) {
    double most = 0;
    for (const Activity* activity : list) most = std::max(most, activity->busy_cycles());
    return most;
  }
  static Played::Bytes moved(const Operand& operand, const Moving& moving) {
    Played::Bytes bytes;
    if (moving.far != nullptr) bytes.far = moving.far->bytes();
    std::int64_t tiles = 0;
    for (const Stream* stream : moving.near) tiles += stream->tiles();
    if (!moving.near.empty())
      bytes.near = tiles * operand.tile_bytes * streams(operand) / static_cast<std::int64_t>(moving.near.size());
    return bytes;
  }

  const LayerProgram& layer_;
  const Target& target_;
  ShimWorks far_;
  Timeline timeline_;
  std::int64_t classes_;
  Drained drained_;
  std::deque<TileSchedule> schedules_;
  std::deque<ObjectFifo> fifos_;
  std::vector<std::vector<Core::Input>> inputs_of_class_;
  std::vector<std::unique_ptr<Activity>> activities_;
  std::vector<Activity*> fetches_, sends_, cores_, collects_, drains_;
  Moving a_, b_, c_;
};

}  // namespace

Played play_nest(const LayerProgram& layer, const KernelCycles& kernel, const Target& target, Observer* observer,
                 double start) {
  return Nest(layer, kernel, target, observer, start).run();
}

}  // namespace vaip::sim::event
