// Which device, which part of its array and which stack a session simulates, from all the settings that have a say.
#pragma once

#include <memory>

#include "device/device.h"
#include "device/stack.h"
#include "partition/config.h"
#include "partition/settings.h"

namespace vaip::partition {

// Sets device, rows, columns, stack, overrides and xclbin of `config`. Throws Error(invalid_config) naming the setting
// that is wrong: an unknown device or stack, an override of no field or out of range, an xclbin of another generation,
// more rows or columns than the array has.
void choose_device(const Settings& settings, const AmdSections& amd, Config& config);

// The descriptions that a session simulates: those that the configuration names, with its overrides.
std::shared_ptr<const device::Device> device_of(const Config& config);
std::shared_ptr<const device::Stack> stack_of(const Config& config, const device::Device& device);

}  // namespace vaip::partition
