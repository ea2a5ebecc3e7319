// Fields of AMD's messages in either of their spellings: snake_case, lowerCamelCase.
#pragma once

#include <string>

#include "base/json.h"

namespace vaip::partition {

// nullptr when absent
const json::Value* member(const json::Value& object, const std::string& name);

// The member's text, "" when it is absent or no string.
std::string string_member(const json::Value& object, const std::string& name);

}  // namespace vaip::partition
