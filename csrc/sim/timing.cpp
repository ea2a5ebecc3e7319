#include "sim/timing.h"

#include "base/error.h"

namespace vaip::sim {

std::string_view name(Mode mode) { return mode == Mode::event ? "event" : "steady"; }

Mode mode_from_name(std::string_view text) {
  if (text == "steady") return Mode::steady;
  if (text == "event") return Mode::event;
  fail(ErrorKind::invalid_argument, "mode '", text, "': expected 'steady' or 'event'");
}

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
