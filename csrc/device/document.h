// Device and stack documents: JSON text <-> Device, Stack. A number is {"value": 50, "unit": "GB/s", "source": "..."}.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "device/device.h"

namespace vaip::device {

// Throws Error(invalid_config) "<origin>: <pointer>: ..." for what is not JSON or violates the schema.
Device read_device(const json::Value& document, const std::string& origin);
Stack read_stack(const json::Value& document, const std::string& origin);

// A stack's document with the fields of one of its variants in place. Throws Error(invalid_config) for an unknown one.
json::Value select_variant(json::Value document, const std::string& variant, const std::string& origin);

json::Value write(Device device);
json::Value write(Stack stack);

// The document with the numbers and flags at dotted paths replaced; their source becomes "override".
json::Value override_fields(json::Value document, const std::map<std::string, std::string>& overrides,
                            const std::string& origin);

}  // namespace vaip::device
