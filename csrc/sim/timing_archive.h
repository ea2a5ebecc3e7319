// A program's timing from one process to another.
#pragma once

#include "base/archive.h"
#include "sim/timing.h"

namespace vaip::sim {

void store(const Timing& timing, ArchiveWriter& to);
Timing restore_timing(ArchiveReader& from);  // to the last bit

}  // namespace vaip::sim
