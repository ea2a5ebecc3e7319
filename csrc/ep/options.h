// The session's options as onnxruntime hands them to an execution provider.
#pragma once

#include <map>
#include <string>

#include "ort/c_api.h"

namespace vaip::ep {

// onnxruntime's ep.context_...: the session is to write an EPContext model.
struct ContextOptions {
  bool make = false;
  bool embed = false;      // the contexts go into the model; else into files beside it
  std::string model_path;  // of the EPContext model; "": the model's own, with "_ctx" added
};

struct ProviderOptions {
  std::map<std::string, std::string> entries;  // keys of ours, without onnxruntime's prefix "ep.vitisaiep."
  ContextOptions context;
  std::string session_tag;              // VAIP_SESSION_TAG; "" without one
  int intra_op_threads = 0;             // the session's intra-op setting, as far as its entries tell it; 0: they do not
  bool cpu_fallback_disabled = false;   // onnxruntime refuses the model when its CPU provider has to run a node
  bool functions_inlined_late = false;  // only after the providers were asked for the nodes that they take
};

ProviderOptions read_options(const OrtSessionOptions& session_options);

// Of all the configuration entries of a session; apart from the above for tests.
ProviderOptions select_options(const std::map<std::string, std::string>& session_entries);

}  // namespace vaip::ep
