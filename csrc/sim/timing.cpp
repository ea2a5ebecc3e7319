#include "sim/timing.h"

namespace vaip::sim {

std::string_view name(Bound bound) {
  switch (bound) {
    case Bound::compute:
      return "compute";
    case Bound::l1:
      return "l1";
    case Bound::l2:
      return "l2";
    case Bound::ddr:
      return "ddr";
    case Bound::dispatch:
      return "dispatch";
  }
  return "";
}

}  // namespace vaip::sim
