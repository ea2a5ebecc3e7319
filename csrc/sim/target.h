// One device running one stack: what a program is timed on.
#pragma once

#include "device/device.h"

namespace vaip::sim {

struct Target {
  Target(const device::Device& device, const device::Stack& stack);

  const device::Device& device;
  const device::Stack& stack;
  const device::Profile& profile;  // of the stack, for the device's generation
  double cycles_per_us;
};

}  // namespace vaip::sim
