// Inputs whose buffers run empty in each block anew: the first blocks of a run, call by call.
#pragma once

#include "sim/steady/far_side.h"

namespace vaip::sim::steady {

struct CallCycles {
  double call = 0, block = 0;  // a kernel call, and what a block adds
};

// The end of a run's last call, from the run's start: a few blocks are played, the others take as long as the last of
// these. 0 where units are single tiles and streams keep up with the calls, so that nothing is to be seen.
// first, all: when the first call's units and all of them have come.
double end_by_first_blocks(const LayerProgram& layer, const FarSide& far, const CallCycles& cycles, bool first_run,
                           const Shares& first, const Shares& all);

}  // namespace vaip::sim::steady
