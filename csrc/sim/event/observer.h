// What happens in an event-driven simulation, as it happens: spans of time on the tracks of a trace.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "sim/layer_program.h"

namespace vaip::sim::event {

// Units that behave alike are simulated once: `copies` of them share a track.
struct Track {
  enum class Unit : std::uint8_t {
    host,         // launch, dispatch, host layers
    shim_read,    // shim channels DDR -> array that carry an operand
    shim_write,   // shim channels array -> DDR
    memory_tile,  // a memory tile's stream to or from cores
    core,
  };
  Unit unit = Unit::host;
  char operand = 0;  // 'a', 'b', 'c' of a channel or stream
  std::int64_t index = 0;
  std::int64_t copies = 1;
};

struct Span {
  Track track;
  double start = 0, end = 0;  // cycles since the program's start
  std::string_view name;      // what is done: "task", "tile", "kernel", ...
  std::int64_t object = 0;    // its number: of the tile, the kernel call, ...
};

class Observer {
 public:
  virtual ~Observer() = default;
  virtual void on_layer(const LayerProgram& layer, double start) = 0;  // the spans that follow are its own
  virtual void on_span(const Span& span) = 0;
};

class Recorder final : public Observer {
 public:
  struct Entry {
    std::int64_t layer = 0;  // in the order of execution
    Span span;
  };
  void on_layer(const LayerProgram& layer, double start) override;
  void on_span(const Span& span) override { entries_.push_back({layer_, span}); }

  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::int64_t layer_ = -1;
  std::vector<Entry> entries_;
};

inline void Recorder::on_layer(const LayerProgram&, double) { ++layer_; }

}  // namespace vaip::sim::event
