#include "sim/event/nest_units.h"

namespace vaip::sim::event {
namespace {

bool have_room(const Fifos& fifos) {
  return std::all_of(fifos.begin(), fifos.end(), [](const ObjectFifo* fifo) { return fifo->has_room(); });
}

}  // namespace

Fetch::Fetch(Track track, const Operand& operand, const ShimWork& work, const TileSchedule& schedule,
             std::vector<Fifos> waves, const Drained& drained, Timeline& timeline)
    : ShimChannel(track, operand.far, work, schedule.unique_tiles() * static_cast<std::int64_t>(waves.size()),
                  timeline),
      schedule_(schedule),
      waves_(std::move(waves)),
      drained_(drained) {}

void Fetch::try_start(double now) {
  if (done() || !have_room(waves_[wave_])) return;
  const std::int64_t tile = schedule_.first_tile_of_unit(unit_), block = schedule_.block_of_tile(tile);
  if (!drained_.allows(block)) return;
  for (ObjectFifo* fifo : waves_[wave_]) fifo->acquire();
  flow_.needed = static_cast<double>(schedule_.call_of_tile(tile));
  start_parts(now, schedule_.tiles_in_unit(unit_), block > block_ ? drained_.gap_cycles : 0);
  block_ = block;
}

void Fetch::parts_done(double) {
  for (ObjectFifo* fifo : waves_[wave_]) fifo->publish();
  if (++wave_ < waves_.size()) return;
  wave_ = 0;
  ++unit_;
}

void Stream::try_start(double now) {
  if (!done() && acquire(tile_)) run_for(cycles_, now);
}

void Stream::finish(double now) {
  end_ = kNever;
  timeline_.record(track_, start_, now, "tile", tile_);
  release(tile_);
  ++tile_;
}

bool Send::acquire(std::int64_t tile) {
  if (!have_room(to_)) return false;
  if (from_ != nullptr && !from_->holds(schedule_.unit_of_tile(tile))) return false;
  for (ObjectFifo* fifo : to_) fifo->acquire();
  return true;
}

void Send::release(std::int64_t tile) {
  for (ObjectFifo* fifo : to_) fifo->publish();
  if (from_ != nullptr && schedule_.releases_unit(tile)) from_->release();
}

bool Collect::acquire(std::int64_t tile) {
  if (!from_.holds(tile) || (to_ != nullptr && !to_->has_room())) return false;
  if (to_ != nullptr) to_->acquire();
  return true;
}

void Collect::release(std::int64_t tile) {
  from_.release();
  if (to_ != nullptr)
    to_->publish();
  else
    drained_ = tile + 1;
}

Core::Core(Track track, const LayerProgram& layer, double call_cycles, double block_cycles, std::vector<Input> inputs,
           ObjectFifo* output, const Drained& drained, Timeline& timeline)
    : Activity(track),
      blocks_(layer.blocks),
      steps_(layer.steps),
      call_cycles_(call_cycles),
      block_cycles_(block_cycles),
      inputs_(std::move(inputs)),
      output_(output),
      drained_(drained),
      timeline_(timeline) {}

void Core::try_start(double now) {
  if (done()) return;
  for (const Input& input : inputs_)
    if (!input.fifo->holds(input.tile)) return;
  if (step_ == 0) {
    if (!drained_.allows(block_)) return;
    if (output_ != nullptr) {
      if (!output_->has_room()) return;
      output_->acquire();
    }
  }
  run_for(call_cycles_ + (step_ + 1 == steps_ ? block_cycles_ : 0), now);
}

void Core::finish(double now) {
  end_ = kNever;
  timeline_.record(track_, start_, now, "kernel", call_);
  ++call_;
  if (++step_ == steps_) {
    step_ = 0;
    ++block_;
    if (output_ != nullptr) output_->publish();
  }
  for (Input& input : inputs_) {
    const std::int64_t next = done() ? input.schedule->tiles() : input.schedule->tile_of_call(call_);
    for (; input.tile < next; ++input.tile) input.fifo->release();
  }
}

Drain::Drain(Track track, const Operand& operand, const ShimWork& work, std::vector<std::vector<Part>> waves,
             Timeline& timeline)
    : ShimChannel(track, operand.far, work, operand.tiles * static_cast<std::int64_t>(waves.size()), timeline),
      waves_(std::move(waves)) {}

void Drain::try_start(double now) {
  if (done()) return;
  for (const Part& part : waves_[wave_])
    if (!part.fifo->holds(block_)) return;
  start_parts(now, 1);
}

void Drain::parts_done(double) {
  for (const Part& part : waves_[wave_]) {
    part.fifo->release();
    *part.drained = block_ + 1;
  }
  if (++wave_ < waves_.size()) return;
  wave_ = 0;
  ++block_;
}

}  // namespace vaip::sim::event
