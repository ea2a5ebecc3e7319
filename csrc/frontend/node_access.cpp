#include "frontend/node_access.h"

namespace vaip::frontend {
namespace {

template <typename T>
T typed_attribute(const Node& node, const char* name, T fallback) {
  const auto found = node.attributes.find(name);
  if (found == node.attributes.end()) return fallback;
  if (const T* value = std::get_if<T>(&found->second)) return *value;
  reject(node, "attribute ", name, " has the wrong type");
}

}  // namespace

std::string label(const Node& node) {
  return node.name.empty() ? display_name(node) : node.op_type + " `" + node.name + "`";
}

bool has_attribute(const Node& node, const char* name) { return node.attributes.count(name) != 0; }

std::int64_t attribute(const Node& node, const char* name, std::int64_t fallback) {
  return typed_attribute<std::int64_t>(node, name, fallback);
}
float attribute(const Node& node, const char* name, float fallback) {
  return typed_attribute<float>(node, name, fallback);
}
std::string attribute(const Node& node, const char* name, const char* fallback) {
  return typed_attribute<std::string>(node, name, fallback);
}
std::vector<std::int64_t> attribute(const Node& node, const char* name, std::vector<std::int64_t> fallback) {
  return typed_attribute<std::vector<std::int64_t>>(node, name, std::move(fallback));
}
std::vector<float> attribute(const Node& node, const char* name, std::vector<float> fallback) {
  return typed_attribute<std::vector<float>>(node, name, std::move(fallback));
}

bool has_input(const Node& node, std::size_t i) { return i < node.inputs.size() && !node.inputs[i].empty(); }

}  // namespace vaip::frontend
