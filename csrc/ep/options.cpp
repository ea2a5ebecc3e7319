#include "ep/options.h"

#include <string_view>

#include "ort/handles.h"
#include "ort/status.h"
#include "vaip/ep_api.h"

namespace vaip::ep {

ProviderOptions select_options(const std::map<std::string, std::string>& session_entries) {
  constexpr std::string_view kPrefix = "ep.vitisaiep.";  // onnxruntime writes the provider's name in lower case
  ProviderOptions options;
  for (const auto& [key, value] : session_entries) {
    if (key.compare(0, kPrefix.size(), kPrefix) == 0) {
      const std::string name = key.substr(kPrefix.size());
      // providers=[("VitisAIEP", {"device_id": ...})] chooses among the OrtEpDevices: onnxruntime's own option.
      if (name != "device_id") options.entries.emplace(name, value);
    } else if (key == "ep.context_enable") {
      options.context.make = value == "1";
    } else if (key == "ep.context_embed_mode") {
      options.context.embed = value == "1";
    } else if (key == "ep.context_file_path") {
      options.context.model_path = value;
    } else if (key == "session.disable_cpu_ep_fallback") {
      options.cpu_fallback_disabled = value == "1";
    } else if (key == "session.disable_aot_function_inlining") {
      options.functions_inlined_late = value == "1";
    } else if (key == VAIP_SESSION_TAG) {
      options.session_tag = value;
    }
  }
  return options;
}

ProviderOptions read_options(const OrtSessionOptions& session_options) {
  OrtKeyValuePairs* entries = nullptr;
  ort::check(ort::api().GetSessionOptionsConfigEntries(&session_options, &entries));
  return select_options(ort::KeyValuePairs(entries).to_map());
}

}  // namespace vaip::ep
