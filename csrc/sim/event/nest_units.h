// What moves in a layer's loop nest: DMA channels, streams and cores, and the locks between them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "sim/event/object_fifo.h"
#include "sim/event/shim_channel.h"
#include "sim/event/timeline.h"
#include "sim/tile_schedule.h"

namespace vaip::sim::event {

using Fifos = std::vector<ObjectFifo*>;
using Counts = std::vector<std::int64_t>;

// Blocks whose output has left. Where they are not pipelined, a block's inputs are not fetched before.
struct Drained {
  bool allows(std::int64_t block) const { return !serial || *std::min_element(blocks.begin(), blocks.end()) >= block; }

  bool serial = false;
  double gap_cycles = 0;  // before the next block begins
  Counts blocks;          // of each class of cores
};

// DDR -> memory tiles: a unit for each wave of streams in turn.
class Fetch final : public ShimChannel {
 public:
  Fetch(Track track, const Operand& operand, const ShimWork& work, const TileSchedule& schedule,
        std::vector<Fifos> waves, const Drained& drained, Timeline& timeline);
  void try_start(double now) override;

 private:
  void parts_done(double now) override;

  const TileSchedule& schedule_;
  std::vector<Fifos> waves_;
  const Drained& drained_;
  std::size_t wave_ = 0;
  std::int64_t unit_ = 0, block_ = 0;
};

// A stream between a memory tile and cores: tiles, one after another.
class Stream : public Activity {
 public:
  Stream(Track track, std::int64_t tiles, double tile_cycles, Timeline& timeline)
      : Activity(track), count_(tiles), cycles_(tile_cycles), timeline_(timeline) {}

  void try_start(double now) final;
  void finish(double now) final;
  bool done() const final { return tile_ == count_; }
  std::int64_t tiles() const { return tile_; }  // carried so far

 private:
  virtual bool acquire(std::int64_t tile) = 0;  // false: not yet
  virtual void release(std::int64_t tile) = 0;

  std::int64_t count_;
  double cycles_;
  Timeline& timeline_;
  std::int64_t tile_ = 0;
};

// Memory tile -> cores: to one, or broadcast.
class Send final : public Stream {
 public:
  // from: null where the operand is in the memory tiles from the start.
  Send(Track track, const TileSchedule& schedule, double tile_cycles, ObjectFifo* from, Fifos to, Timeline& timeline)
      : Stream(track, schedule.tiles(), tile_cycles, timeline), schedule_(schedule), from_(from), to_(std::move(to)) {}

 private:
  bool acquire(std::int64_t tile) override;
  void release(std::int64_t tile) override;

  const TileSchedule& schedule_;
  ObjectFifo* from_;
  Fifos to_;
};

// Core -> memory tile: the output tiles of a class.
class Collect final : public Stream {
 public:
  // to: null where the output stays in the memory tiles.
  Collect(Track track, std::int64_t tiles, double tile_cycles, ObjectFifo& from, ObjectFifo* to, std::int64_t& drained,
          Timeline& timeline)
      : Stream(track, tiles, tile_cycles, timeline), from_(from), to_(to), drained_(drained) {}

 private:
  bool acquire(std::int64_t tile) override;
  void release(std::int64_t tile) override;

  ObjectFifo& from_;
  ObjectFifo* to_;
  std::int64_t& drained_;
};

// A core: kernel calls, block after block.
class Core final : public Activity {
 public:
  struct Input {
    const TileSchedule* schedule;
    ObjectFifo* fifo;
    std::int64_t tile = 0;
  };
  // output: null where the layer has none.
  Core(Track track, const LayerProgram& layer, double call_cycles, double block_cycles, std::vector<Input> inputs,
       ObjectFifo* output, const Drained& drained, Timeline& timeline);

  void try_start(double now) override;
  void finish(double now) override;
  bool done() const override { return block_ == blocks_; }

 private:
  std::int64_t blocks_, steps_;
  double call_cycles_, block_cycles_;
  std::vector<Input> inputs_;
  ObjectFifo* output_;
  const Drained& drained_;
  Timeline& timeline_;
  std::int64_t block_ = 0, step_ = 0, call_ = 0;
};

// Memory tiles -> DDR: the output tiles of a block, one wave of streams after another.
class Drain final : public ShimChannel {
 public:
  struct Part {
    ObjectFifo* fifo;
    std::int64_t* drained;
  };
  Drain(Track track, const Operand& operand, const ShimWork& work, std::vector<std::vector<Part>> waves,
        Timeline& timeline);
  void try_start(double now) override;

 private:
  void parts_done(double now) override;

  std::vector<std::vector<Part>> waves_;
  std::size_t wave_ = 0;
  std::int64_t block_ = 0;
};

}  // namespace vaip::sim::event
