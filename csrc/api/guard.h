// Internal errors leave the C++ API as ApiError, whatever they were.
#pragma once

#include <exception>

#include "vaip/vaip.h"

namespace vaip {

template <typename Body>
auto guarded(const Body& body) {
  try {
    return body();
  } catch (const ApiError&) {
    throw;
  } catch (const std::exception& error) {
    throw ApiError(error.what());
  }
}

}  // namespace vaip
