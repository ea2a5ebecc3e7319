#include "ep/session_files.h"

#include <cstdio>
#include <filesystem>

#include "base/error.h"
#include "base/fingerprint.h"
#include "report/trace.h"

namespace vaip::ep {
namespace {

// Each text ends with a NUL, so that none runs on into the next.
void add_text(Fingerprint& fingerprint, const std::string& text) { fingerprint.add({text.c_str(), text.size() + 1}); }

}  // namespace

std::string default_cache_key(const report::SessionReport& report) {
  Fingerprint fingerprint;
  for (const report::NodeEntry& node : report.nodes) {
    for (const std::string* text : {&node.name, &node.op_type, &node.domain}) add_text(fingerprint, *text);
    for (const std::string& input : node.inputs) add_text(fingerprint, input);
    for (const std::string& output : node.outputs) add_text(fingerprint, output);
  }
  char key[17];
  std::snprintf(key, sizeof key, "%016llx", static_cast<unsigned long long>(fingerprint.value()));
  return key;
}

std::filesystem::path session_directory(const partition::Config& config, const report::SessionReport& report) {
  return std::filesystem::path(config.cache_dir) /
         (config.cache_key.empty() ? default_cache_key(report) : config.cache_key);
}

void write_session_files(const partition::Config& config, const report::SessionReport& report,
                         const ort::Logger& logger) {
  if (!config.cache_dir.empty()) {
    try {
      const std::filesystem::path file = session_directory(config, report) / "vitisai_ep_report.json";
      report::write_file(file.string(), report::to_amd_json(report));
    } catch (const Error& error) {
      logger.warning(std::string("VitisAIEP: cache_dir: ") + error.what());
    }
  }
  if (!config.report_file.empty()) report::write_file(config.report_file, report::to_json(report));
  if (!config.trace_file.empty()) {
    report::write_file(config.trace_file, report::to_trace_json(report::to_json(report)));
  }
}

}  // namespace vaip::ep
