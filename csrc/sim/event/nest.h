// A layer's loop nest on the array, played buffer by buffer: shim channels fill the memory tiles' units, their streams
// fill the cores' buffers, cores call kernels, and the output goes back the same way.
//
// Cores that do the same at the same time are simulated once. Where the shim channels serve their streams in waves, the
// cores of each wave make a class.
#pragma once

#include "sim/event/play.h"

namespace vaip::sim::event {

Played play_nest(const LayerProgram& layer, const KernelCycles& kernel, const Target& target, Observer* observer,
                 double start);

}  // namespace vaip::sim::event
