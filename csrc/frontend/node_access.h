// Typed access to a node's attributes, and the way in which a rule declines a node.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "frontend/onnx_graph.h"

namespace vaip::frontend {

std::string label(const Node& node);  // "Conv `conv_1`" or, where it has no name, "Conv(y)": how errors begin

// The node is valid, but not something that becomes a layer. The message is the reason in the partition report.
template <typename... Parts>
[[noreturn]] void decline(const Node& node, Parts&&... parts) {
  fail(ErrorKind::unsupported, label(node), ": ", std::forward<Parts>(parts)...);
}
// The node violates the ONNX specification.
template <typename... Parts>
[[noreturn]] void reject(const Node& node, Parts&&... parts) {
  fail(ErrorKind::invalid_model, label(node), ": ", std::forward<Parts>(parts)...);
}

// The attribute, or `fallback` where the node does not have it. An attribute of another type is Error(invalid_model).
bool has_attribute(const Node& node, const char* name);
std::int64_t attribute(const Node& node, const char* name, std::int64_t fallback);
float attribute(const Node& node, const char* name, float fallback);
std::string attribute(const Node& node, const char* name, const char* fallback);
std::vector<std::int64_t> attribute(const Node& node, const char* name, std::vector<std::int64_t> fallback);
std::vector<float> attribute(const Node& node, const char* name, std::vector<float> fallback);

bool has_input(const Node& node, std::size_t i);  // present and not ""

}  // namespace vaip::frontend
