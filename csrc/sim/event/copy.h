// A movement of data without cores, played piece by piece: into the memory tiles and out again.
#pragma once

#include "sim/event/play.h"

namespace vaip::sim::event {

Played play_copy(const LayerProgram& layer, const Target& target, Observer* observer, double start);

}  // namespace vaip::sim::event
