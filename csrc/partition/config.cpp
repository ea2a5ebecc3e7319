#include "partition/config.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/json.h"
#include "base/json_schema.h"
#include "base/nearest.h"
#include "embedded.h"
#include "partition/amd_sections.h"
#include "partition/device_choice.h"
#include "partition/overrides.h"
#include "partition/settings.h"

namespace vaip::partition {
namespace {

using json::Value;

const Document& packaged_defaults() {
  static const Document defaults = {json::parse(default_config_json(), "built-in defaults"), "built-in defaults"};
  return defaults;
}

// Thresholds may be absurdly large in the file; they saturate.
std::int64_t saturated(const Value& value) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  if (value.get<double>() >= static_cast<double>(kMost)) return kMost;
  return value.get<std::int64_t>();
}

class Reader {
 public:
  explicit Reader(const Settings& settings) : settings_(settings) {}

  const Setting* find(const char* key) const {
    const auto found = settings_.find(key);
    return found == settings_.end() ? nullptr : &found->second;
  }
  void read(const char* key, std::string& out) const { get(key, out); }
  void read(const char* key, bool& out) const { get(key, out); }
  void read(const char* key, std::vector<std::string>& out) const { get(key, out); }
  void read(const char* key, std::int64_t& out) const {
    if (const Setting* setting = find(key)) out = saturated(setting->value);
  }
  void read(const char* key, NodeSelector& out) const {
    const Setting* setting = find(key);
    if (setting == nullptr) return;
    out.names = setting->value.value("names", std::vector<std::string>{});
    out.op_types = setting->value.value("op_types", std::vector<std::string>{});
    out.pattern_texts = setting->value.value("patterns", std::vector<std::string>{});
    for (std::size_t i = 0; i < out.pattern_texts.size(); ++i) {
      try {
        out.patterns.emplace_back(out.pattern_texts[i]);
      } catch (const std::regex_error& error) {
        fail(ErrorKind::invalid_config, setting->origin, "/patterns/", i,
             ": not a valid regular expression (ECMAScript): ", json::excerpt(out.pattern_texts[i]), ": ",
             error.what());
      }
    }
  }

 private:
  template <typename T>
  void get(const char* key, T& out) const {
    if (const Setting* setting = find(key)) out = setting->value.get<T>();
  }
  const Settings& settings_;
};

void read_claim_rules(const Reader& settings, const AmdSections& amd, Config& config) {
  settings.read("op_types", config.op_types);
  settings.read("dtypes", config.dtypes);
  settings.read("layouts", config.layouts);
  settings.read("include", config.include);
  settings.read("exclude", config.exclude);
  settings.read("minimum_nodes", config.minimum_nodes);
  settings.read("minimum_macs", config.minimum_macs);
  const Setting* compatibility = settings.find("compatibility");
  if (compatibility != nullptr && compatibility->value == "amd") {
    config.minimum_num_of_conv = amd.minimum_num_of_conv;
    config.dpu_subgraph_num = amd.dpu_subgraph_num;
    config.trailing_reshapes_stay = amd.trailing_reshapes_stay;
  }
  if (const Setting* fallback = settings.find("fallback")) {
    config.fallback = fallback->value == "error"  ? Fallback::error
                      : fallback->value == "warn" ? Fallback::warn
                                                  : Fallback::allow;
  }
}

// AMD chooses between two modes: py3_round of a target, and the option of that name, which is stronger. Ours names any.
void read_numerics(const Reader& settings, const AmdSections& amd, Config& config) {
  if (const Setting* numerics = settings.find("numerics"))
    config.numerics = numerics->value == "xdna" ? Numerics::xdna : Numerics::onnx;
  bool py3_round = amd.py3_round;
  if (const Setting* option = settings.find("xlnx_enable_py3_round")) py3_round = option->value == "1";
  std::string rounding(kernels::name(py3_round ? kernels::Rounding::conv_even : config.rounding));
  settings.read("rounding", rounding);
  config.rounding = kernels::rounding_from_name(rounding);
}

Config build(const Settings& all, const AmdSections& amd, const std::string& source) {
  const Reader settings(all);
  Config config;
  config.source = source;
  config.warnings = amd.warnings;
  config.target = amd.target;
  config.quantized_pass = amd.quantized_pass;
  config.passes_in_use = amd.passes_in_use;
  config.enable_f32_to_bf16_conversion = amd.enable_f32_to_bf16_conversion;
  if (const Setting* conversion = settings.find("enable_f32_to_bf16_conversion"))
    config.enable_f32_to_bf16_conversion = conversion->value.get<bool>();
  read_claim_rules(settings, amd, config);
  read_numerics(settings, amd, config);
  choose_device(all, amd, config);
  std::string mode(sim::name(config.mode));
  settings.read("mode", mode);
  config.mode = sim::mode_from_name(mode);
  std::int64_t threads = config.num_threads;
  settings.read("num_threads", threads);
  config.num_threads = static_cast<int>(threads);
  settings.read("host_profile", config.host_profile);
  settings.read("cache_dir", config.cache_dir);
  settings.read("cache_key", config.cache_key);
  settings.read("report_file", config.report_file);
  settings.read("trace_file", config.trace_file);
  settings.read("enable_cache_file_io_in_mem", config.enable_cache_file_io_in_mem);
  settings.read("encryption_key", config.encryption_key);
  settings.read("ai_analyzer_profiling", config.ai_analyzer_profiling);
  settings.read("ai_analyzer_visualization", config.ai_analyzer_visualization);
  settings.read("log_level", config.log_level);
  return config;
}

}  // namespace

Config resolve_config(const std::map<std::string, std::string>& options) {
  Settings session;
  add_session_options(options, session);
  const std::string path = text_of(session, "config_file");
  const Document document = path.empty() ? packaged_defaults() : Document{json::load(path), path};
  check_document(document);
  Settings settings;
  add_file_settings(document, settings);
  merge_overrides(settings, session);
  for (const auto& [key, setting] : session) settings[key] = setting;
  const AmdSections amd =
      read_amd_sections(document, text_of(settings, "target"), target_opts_of(settings), packaged_defaults());
  return build(settings, amd, document.source);
}

Config load_config(const std::string& path, const std::string& target) {
  return resolve_config({{"config_file", path}, {"target", target}});
}

const std::string& default_config_json() {
  static const std::string text(embedded::file("vaip_config.json"));
  return text;
}

const std::string& config_schema_json() {
  static const std::string text(embedded::file("csrc/partition/vaip_config.schema.json"));
  return text;
}

}  // namespace vaip::partition
