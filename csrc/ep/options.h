// The session's options as onnxruntime hands them to an execution provider.
#pragma once

#include <map>
#include <string>

#include "ort/c_api.h"

namespace vaip::ep {

struct ProviderOptions {
  std::map<std::string, std::string> entries;  // keys of ours, without onnxruntime's prefix "ep.vitisaiep."
  bool make_ep_context = false;                // the session is to write an EPContext model
  std::string session_tag;                     // VAIP_SESSION_TAG; "" without one
};

ProviderOptions read_options(const OrtSessionOptions& session_options);

// Of all the configuration entries of a session; apart from the above for tests.
ProviderOptions select_options(const std::map<std::string, std::string>& session_entries);

}  // namespace vaip::ep
