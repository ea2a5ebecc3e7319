// One exception type for everything that a user can cause or fix. Its message names what and where (file, JSON pointer,
// node, op, shape) and, where it can, what to do. Converted to OrtStatus / Python exception / exit code at the faces.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace vaip {

enum class ErrorKind {
  invalid_config,    // a configuration, option, device or stack file is wrong
  invalid_model,     // the model violates the ONNX specification
  invalid_argument,  // an input tensor or an API argument is wrong
  unsupported,       // valid, but not something that VAIP executes
  io,                // a file could not be read or written
  internal,          // our own fault
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

namespace detail {
template <typename... Parts>
std::string concat(Parts&&... parts) {
  std::ostringstream out;
  (out << ... << std::forward<Parts>(parts));
  return out.str();
}
}  // namespace detail

// Throws Error; the message is the parts in order: fail(ErrorKind::invalid_model, "node '", name, "': ...").
template <typename... Parts>
[[noreturn]] void fail(ErrorKind kind, Parts&&... parts) {
  throw Error(kind, detail::concat(std::forward<Parts>(parts)...));
}

}  // namespace vaip
