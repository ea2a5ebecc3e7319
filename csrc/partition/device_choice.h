// Which device, which part of its array and which stack a session simulates, from all the settings that have a say.
#pragma once

#include "partition/config.h"
#include "partition/settings.h"

namespace vaip::partition {

// Sets device, rows, columns, stack and xclbin of `config`. Throws Error(invalid_config) naming the setting that is
// wrong: an unknown device or stack, an xclbin of another generation, more rows or columns than the array has.
void choose_device(const Settings& settings, const AmdSections& amd, Config& config);

}  // namespace vaip::partition
