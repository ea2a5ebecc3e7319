// Device and stack documents: JSON text <-> Device, Stack. A number is {"value": 50, "unit": "GB/s", "source": "..."}.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/json_schema.h"
#include "device/device.h"

namespace vaip::device {

// Throws Error(invalid_config) "<origin>: <pointer>: ..." for what is not JSON or violates the schema.
Device read_device(const json::Value& document, const std::string& origin);
Stack read_stack(const json::Value& document, const std::string& origin);

json::Value write(Device device);
json::Value write(Stack stack);

// What device and stack documents are held to: device.schema.json, stack.schema.json.
const json::Schema& device_schema();
const json::Schema& stack_schema();

}  // namespace vaip::device
