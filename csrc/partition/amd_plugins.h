// AMD's plug-ins, which the entries of `passes` name: which there are, and which put quantized layers on the device.
#pragma once

#include <string>

#include "base/json.h"

namespace vaip::partition {

// `pass`: an entry of `passes`.
bool offloads(const json::Value& pass);

// "" for a pass of a plug-in that AMD has; else what is wrong, with what becomes of the pass and the nearest name.
std::string unknown_plugin(const json::Value& pass);

}  // namespace vaip::partition
