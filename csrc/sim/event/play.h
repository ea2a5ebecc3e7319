// The event-driven timing of one layer: the same program and the same service times as in the steady state, but what
// waits for what is played, descriptor by descriptor and lock by lock, instead of computed.
#pragma once

#include <cstdint>

#include "sim/event/observer.h"
#include "sim/kernel_model.h"
#include "sim/layer_program.h"
#include "sim/target.h"

namespace vaip::sim::event {

struct Played {
  double cycles = 0;  // from the layer's first descriptor to its last, without dispatch
  // Of the busiest core, stream, shim channel, and of DRAM, without waiting.
  double compute_cycles = 0, l1_cycles = 0, l2_cycles = 0, ddr_cycles = 0;
  // What crossed each leg.
  struct Bytes {
    std::int64_t far = 0, near = 0;
  } a, b, c;
  // The most in use at a time: of a core's buffers, and of the memory tiles' together.
  std::int64_t l1_peak_bytes = 0, l2_peak_bytes = 0;
};

// A layer of the array (not `none`, not `host`). start: in the program, for the observer, which may be null.
// Throws Error(unsupported) for a layer of more than 2^26 kernel calls per core.
Played play(const LayerProgram& layer, const KernelCycles& kernel, const Target& target, Observer* observer = nullptr,
            double start = 0);

}  // namespace vaip::sim::event
