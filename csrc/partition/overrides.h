// The setting "overrides": fields of the device and, below "stack", of the stack's profile, for what-if questions.
#pragma once

#include <map>
#include <string>

#include "partition/settings.h"

namespace vaip::partition {

struct Overrides {
  std::map<std::string, std::string> device, stack;  // dotted path -> JSON text of the value
};

// Those of the session on top of those of the file, field by field, where both have some.
void merge_overrides(const Settings& file, Settings& session);

// From an object, nested or with dotted paths ({"dram": {"read_gbps": 30}, "stack.dispatch.layer_us": 10}), or from
// JSON text of one. What the fields may be is the device's and the stack's business.
Overrides read_overrides(const Settings& settings);

}  // namespace vaip::partition
