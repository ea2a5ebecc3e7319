#include "sim/event/copy.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "sim/event/object_fifo.h"
#include "sim/event/shim_channel.h"

namespace vaip::sim::event {
namespace {

class CopyIn final : public ShimChannel {
 public:
  CopyIn(const Leg& leg, const ShimWork& work, std::int64_t pieces, ObjectFifo* to, Timeline& timeline)
      : ShimChannel({Track::Unit::shim_read, 'a', 0, leg.channels}, leg, work, pieces, timeline), to_(to) {}

  void try_start(double now) override {
    if (done() || (to_ != nullptr && !to_->has_room())) return;
    if (to_ != nullptr) to_->acquire();
    start_parts(now, 1);
  }

 private:
  void parts_done(double) override {
    if (to_ != nullptr) to_->publish();
  }
  ObjectFifo* to_;  // null: what arrives stays
};

class CopyOut final : public ShimChannel {
 public:
  CopyOut(const Leg& leg, const ShimWork& work, std::int64_t pieces, ObjectFifo* from, Timeline& timeline)
      : ShimChannel({Track::Unit::shim_write, 'c', 0, leg.channels}, leg, work, pieces, timeline), from_(from) {}

  void try_start(double now) override {
    if (done() || (from_ != nullptr && !from_->holds(piece_))) return;
    start_parts(now, 1);
  }

 private:
  void parts_done(double) override {
    if (from_ != nullptr) from_->release();
    ++piece_;
  }
  ObjectFifo* from_;  // null: all is there from the start
  std::int64_t piece_ = 0;
};

// Between channels of memory tiles, in one go.
class CopyWithin final : public Activity {
 public:
  CopyWithin(char name, const Leg& leg, const device::Device& device, Timeline& timeline)
      : Activity({Track::Unit::memory_tile, name, 0, leg.channels}),
        cycles_(stream_cycles(leg, device)),
        timeline_(timeline) {}

  void try_start(double now) override {
    if (!done()) run_for(cycles_, now);
  }
  void finish(double now) override {
    end_ = kNever;
    timeline_.record(track_, start_, now, "transfer", 0);
    done_ = true;
  }
  bool done() const override { return done_; }

 private:
  double cycles_;
  Timeline& timeline_;
  bool done_ = false;
};

}  // namespace

Played play_copy(const LayerProgram& layer, const Target& target, Observer* observer, double start) {
  const device::Device& device = target.device;
  const ShimWorks far = shim_works(layer, device);
  Timeline timeline(DramShare(far, device), observer, start);
  const std::int64_t pieces = std::max<std::int64_t>(1, layer.blocks);
  const bool in = layer.a.far.bytes > 0, out = layer.c.far.bytes > 0;
  ObjectFifo held(layer.a.staging.units);
  std::vector<std::unique_ptr<ShimChannel>> shims;
  std::vector<std::unique_ptr<CopyWithin>> streams;
  if (in) shims.push_back(std::make_unique<CopyIn>(layer.a.far, far[0], pieces, out ? &held : nullptr, timeline));
  if (out) shims.push_back(std::make_unique<CopyOut>(layer.c.far, far[2], pieces, in ? &held : nullptr, timeline));
  if (layer.a.near.bytes > 0) streams.push_back(std::make_unique<CopyWithin>('a', layer.a.near, device, timeline));
  if (layer.c.near.bytes > 0) streams.push_back(std::make_unique<CopyWithin>('c', layer.c.near, device, timeline));

  std::vector<Activity*> activities;
  for (const auto& shim : shims) activities.push_back(shim.get());
  for (const auto& stream : streams) activities.push_back(stream.get());

  Played played;
  played.cycles = timeline.run(activities, layer.name);
  for (const auto& stream : streams) played.l1_cycles = std::max(played.l1_cycles, stream->busy_cycles());
  for (const auto& shim : shims) played.l2_cycles = std::max(played.l2_cycles, shim->busy_cycles());
  played.ddr_cycles = timeline.dram().busy_cycles();
  if (in) played.a.far = shims.front()->bytes();
  if (out) played.c.far = shims.back()->bytes();
  played.a.near = layer.a.near.bytes;
  played.c.near = layer.c.near.bytes;
  played.l2_peak_bytes = held.peak() * ((layer.a.far.bytes + pieces - 1) / pieces);
  return played;
}

}  // namespace vaip::sim::event
