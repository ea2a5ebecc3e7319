// The timing engine: a program of mapped layers and a description of device and stack in, costs per layer out.
//
// A layer's loop nest is periodic, so its time is extrapolated from the steady state (steady.cpp): the busiest of the
// overlapped resources (cores, core streams, shim channels, DRAM) sets the pace; filling the pipeline, draining it and
// whatever is not double-buffered is added. Timing a layer takes about a microsecond, whatever its size. The reference
// plays every layer from its first descriptor to its last (event/play.h).
#pragma once

#include <limits>

#include "base/span.h"
#include "sim/kernel_model.h"
#include "sim/layer_program.h"
#include "sim/target.h"
#include "sim/timing.h"

namespace vaip::sim {

namespace event {
class Observer;
}

struct LayerCost {
  double cycles = 0;
  CostBreakdown breakdown;
};

// By the steady state. kernel: from KernelModel for layer.kernel; given, so that a search looks its constants up once.
LayerCost layer_cost(const LayerProgram& layer, const KernelCycles& kernel, const Target& target);

// What the layer takes at least: never more than layer_cost().cycles, and a few times faster to tell, so that a search
// need not look closer at what is surely too slow. Faster still where the cores alone take more than `enough`.
double least_cycles(const LayerProgram& layer, const KernelCycles& kernel, const Target& target,
                    double enough = std::numeric_limits<double>::infinity());

// start, observer: of `event` (may be null); see sim/event/observer.h.
LayerTiming time_layer(const LayerProgram& layer, const Target& target, Mode mode = Mode::steady,
                       event::Observer* observer = nullptr, double start = 0);

// The layers run one after another. Host work at the edges and the launch of the program are added once. observer: sees
// what `event` plays; may be null.
Timing simulate(Span<const LayerProgram> layers, const Target& target, Mode mode = Mode::steady,
                event::Observer* observer = nullptr);

}  // namespace vaip::sim
