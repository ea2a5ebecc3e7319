// What the fuzz targets share: an input that VAIP refuses ends in vaip::Error, anything else is a finding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"

namespace vaip::fuzz {

// Runs the body; only vaip::Error may leave it. An internal error is our own fault, and a finding too.
template <typename Body>
void expect_error_or_success(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::internal) throw;
  }
}

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace vaip::fuzz
