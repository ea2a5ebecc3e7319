#include "ep/session_files.h"

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string_view>

#include "report/trace.h"

namespace vaip::ep {
namespace {

// FNV-1a, 64 bit (offset basis and prime as its authors define them); each text ends with a NUL, so that none runs on.
class Fingerprint {
 public:
  void add(std::string_view text) {
    for (const char c : text) add_byte(static_cast<unsigned char>(c));
    add_byte(0);
  }
  std::uint64_t value() const { return hash_; }

 private:
  void add_byte(unsigned char byte) { hash_ = (hash_ ^ byte) * 0x100000001b3u; }
  std::uint64_t hash_ = 0xcbf29ce484222325u;
};

}  // namespace

std::string default_cache_key(const report::SessionReport& report) {
  Fingerprint fingerprint;
  for (const report::NodeEntry& node : report.nodes) {
    for (const std::string* text : {&node.name, &node.op_type, &node.domain}) fingerprint.add(*text);
    for (const std::string& input : node.inputs) fingerprint.add(input);
    for (const std::string& output : node.outputs) fingerprint.add(output);
  }
  char key[17];
  std::snprintf(key, sizeof key, "%016llx", static_cast<unsigned long long>(fingerprint.value()));
  return key;
}

void write_session_files(const partition::Config& config, const report::SessionReport& report) {
  if (!config.cache_dir.empty()) {
    const std::string key = config.cache_key.empty() ? default_cache_key(report) : config.cache_key;
    const std::filesystem::path file = std::filesystem::path(config.cache_dir) / key / "vitisai_ep_report.json";
    report::write_file(file.string(), report::to_amd_json(report));
  }
  if (!config.report_file.empty()) report::write_file(config.report_file, report::to_json(report));
  if (!config.trace_file.empty()) {
    report::write_file(config.trace_file, report::to_trace_json(report::to_json(report)));
  }
}

}  // namespace vaip::ep
