#include "ep/options.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <system_error>

#include "base/error.h"
#include "ort/handles.h"
#include "ort/status.h"
#include "vaip/ep_api.h"

namespace vaip::ep {
namespace {

constexpr const char* kThreadAffinities = "session.intra_op_thread_affinities";

int thread_count(const std::string& key, const std::string& value) {
  int count = -1;
  const char* end = value.data() + value.size();
  const std::from_chars_result read = std::from_chars(value.data(), end, count);
  if (read.ec != std::errc() || read.ptr != end || count < 0)
    fail(ErrorKind::invalid_argument, "session configuration entry \"", key, "\": expected an integer >= 0, got \"",
         value, '"');
  return count;
}

}  // namespace

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
    } else if (key == VAIP_INTRA_OP_NUM_THREADS) {
      options.intra_op_threads = thread_count(key, value);
    } else if (key == kThreadAffinities && !value.empty() && session_entries.count(VAIP_INTRA_OP_NUM_THREADS) == 0) {
      // One for each thread of onnxruntime's pool; the thread that calls Run() works beside it and has none.
      options.intra_op_threads = 2 + static_cast<int>(std::count(value.begin(), value.end(), ';'));
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
