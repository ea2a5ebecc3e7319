#include "partition/overrides.h"

#include "base/error.h"
#include "base/json.h"
#include "base/json_schema.h"

namespace vaip::partition {
namespace {

using json::Value;

constexpr const char* kKey = "overrides";
constexpr std::string_view kStackPrefix = "stack.";

void flatten(const Value& object, const std::string& prefix, const std::string& origin, Value& flat) {
  for (const auto& [key, member] : object.items()) {
    if (member.is_object()) {
      flatten(member, prefix + key + ".", origin, flat);
    } else if (flat.contains(prefix + key)) {
      fail(ErrorKind::invalid_config, origin, ": \"", prefix, key, "\" is overridden twice");
    } else {
      flat[prefix + key] = member;
    }
  }
}

// {"dram.read_gbps": 30, ...}
Value flat_overrides(const Setting& setting) {
  Value object = setting.value;
  if (object.is_string()) {
    const std::string text = object.get<std::string>();
    object = text.empty() ? Value::object() : json::parse(text, setting.origin);
    if (!object.is_object()) {
      fail(ErrorKind::invalid_config, setting.origin,
           ": expected JSON text of an object such as {\"dram.read_gbps\": 30}, got ", json::excerpt(object));
    }
  }
  Value flat = Value::object();
  flatten(object, "", setting.origin, flat);
  return flat;
}

}  // namespace

void merge_overrides(const Settings& file, Settings& session) {
  const auto below = file.find(kKey);
  const auto above = session.find(kKey);
  if (below == file.end() || above == session.end()) return;
  Value merged = flat_overrides(below->second);
  merged.update(flat_overrides(above->second));
  above->second.value = std::move(merged);
  above->second.origin = below->second.origin + " with " + above->second.origin;
}

Overrides read_overrides(const Settings& settings) {
  Overrides out;
  const auto found = settings.find(kKey);
  if (found == settings.end()) return out;
  const Value flat = flat_overrides(found->second);
  for (const auto& [path, value] : flat.items()) {
    if (path.compare(0, kStackPrefix.size(), kStackPrefix) == 0) {
      out.stack[path.substr(kStackPrefix.size())] = value.dump();
    } else {
      out.device[path] = value.dump();
    }
  }
  return out;
}

}  // namespace vaip::partition
