// What-if: numbers and flags of a device or stack document replaced by dotted path, held to the same schema as a
// file's.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/json_schema.h"

namespace vaip::device {

// Dotted path -> text of a JSON value: {"dram.read_gbps": "30"}.
using Overrides = std::map<std::string, std::string>;

struct OverrideScope {
  std::string origin;             // named in errors: "device strix"
  std::vector<std::string> base;  // keys that lead to the object in which the paths start; empty: the document
  std::string prefix;             // of the paths as their author wrote them: "stack."
};

// The document with the fields replaced; their source becomes "override". Throws Error(invalid_config) that names
// origin, path and value: no such field (with the nearest that there is), a wrong type, a value out of its range.
json::Value override_fields(json::Value document, const Overrides& overrides, const OverrideScope& scope,
                            const json::Schema& schema);

// A stack's document with the fields of one of its variants in place. Throws Error(invalid_config) for an unknown one.
json::Value select_variant(json::Value document, const std::string& variant, const std::string& origin);

// Dotted paths, below `base`, of all the fields that can be overridden.
std::vector<std::string> field_paths(const json::Value& object);

}  // namespace vaip::device
