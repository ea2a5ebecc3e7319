#include "sim/event/play.h"

#include <algorithm>

#include "base/error.h"
#include "sim/event/copy.h"
#include "sim/event/nest.h"

namespace vaip::sim::event {

Played play(const LayerProgram& layer, const KernelCycles& kernel, const Target& target, Observer* observer,
            double start) {
  constexpr std::int64_t kMostCalls = std::int64_t{1} << 26;  // some minutes of host time
  const bool copy = layer.kernel.kind == KernelKind::copy;
  if (!copy && layer.blocks > kMostCalls / std::max<std::int64_t>(1, layer.steps))
    fail(ErrorKind::unsupported, "layer `", layer.name, "` takes ", layer.blocks, " x ", layer.steps,
         " kernel calls per core: too many to simulate one by one; use the mode \"steady\"");
  if (copy) return play_copy(layer, target, observer, start);
  return play_nest(layer, kernel, target, observer, start);
}

}  // namespace vaip::sim::event
