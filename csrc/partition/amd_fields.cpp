#include "partition/amd_fields.h"

#include "base/nearest.h"

namespace vaip::partition {

const json::Value* member(const json::Value& object, const std::string& name) {
  if (const auto exact = object.find(name); exact != object.end()) return &*exact;
  for (auto item = object.begin(); item != object.end(); ++item) {
    if (name_distance(item.key(), name) == 0) return &item.value();
  }
  return nullptr;
}

std::string string_member(const json::Value& object, const std::string& name) {
  const json::Value* found = member(object, name);
  return found != nullptr && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace vaip::partition
