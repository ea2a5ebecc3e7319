// The timing engine: a program of mapped layers and a description of device and stack in, costs per layer out.
//
// A layer's loop nest is periodic, so its time is extrapolated from the steady state: the busiest of the overlapped
// resources (cores, core streams, shim channels, DRAM) sets the pace; filling the pipeline, draining it and whatever is
// not double-buffered is added. Timing a layer takes well under a microsecond, whatever its size.
#pragma once

#include "base/span.h"
#include "device/device.h"
#include "sim/kernel_model.h"
#include "sim/layer_program.h"
#include "sim/timing.h"

namespace vaip::sim {

// One device running one stack.
struct Target {
  Target(const device::Device& device, const device::Stack& stack);

  const device::Device& device;
  const device::Stack& stack;
  const device::Profile& profile;  // of the stack, for the device's generation
  double cycles_per_us;
};

struct LayerCost {
  double cycles = 0;
  CostBreakdown breakdown;
};

// kernel: from KernelModel for layer.kernel; given, so that a search looks its constants up once.
LayerCost layer_cost(const LayerProgram& layer, const KernelCycles& kernel, const Target& target);

LayerTiming time_layer(const LayerProgram& layer, const Target& target);

// The layers run one after another. Host work at the edges and the launch of the program are added once.
Timing simulate(Span<const LayerProgram> layers, const Target& target);

}  // namespace vaip::sim
