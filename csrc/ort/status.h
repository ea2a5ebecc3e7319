// Errors across the C ABI: OrtStatus into exceptions (check), exceptions into OrtStatus (guard).
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include "base/error.h"
#include "ort/c_api.h"

namespace vaip::ort {

// An error that onnxruntime reported to us; keeps its code.
class StatusError : public std::runtime_error {
 public:
  StatusError(OrtErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  OrtErrorCode code() const noexcept { return code_; }

 private:
  OrtErrorCode code_;
};

// Takes the status; throws StatusError unless it is nullptr (success).
void check(OrtStatus* status);

// Never ORT_EP_FAIL: for that code onnxruntime's Python session prints a line and runs the model on the CPU provider.
OrtErrorCode error_code(ErrorKind kind) noexcept;

// A status of the exception being handled. Call it inside a catch block only.
OrtStatus* status_of_current_exception() noexcept;

// Every callback's body: runs it, and hands any exception over as a status.
template <typename Body>
OrtStatus* guard(Body&& body) noexcept {
  try {
    std::forward<Body>(body)();
    return nullptr;
  } catch (...) {
    return status_of_current_exception();
  }
}

}  // namespace vaip::ort
