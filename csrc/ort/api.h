// The process's onnxruntime, as the EP library sees it: the API tables and the versions that we rely on.
#pragma once

#include <cstdint>

#include "ort/c_api.h"

namespace vaip::ort {

// 1.25 is the first onnxruntime whose providers=["VitisAIEP"] finds a plugin by name, and has every function that we
// call.
inline constexpr std::uint32_t kRequiredApiVersion = 25;

// The version of the structs that we fill in for onnxruntime; it reads no member that it does not know itself.
inline constexpr std::uint32_t kStructVersion = 27;

// Takes the tables from `base`. Returns a status that says what is needed when onnxruntime is too old, nullptr when
// bound.
OrtStatus* bind(const OrtApiBase& base) noexcept;

// Valid once bind() has succeeded.
const OrtApi& api() noexcept;
const OrtEpApi& ep_api() noexcept;

}  // namespace vaip::ort
