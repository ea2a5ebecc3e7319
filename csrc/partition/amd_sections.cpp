#include "partition/amd_sections.h"

#include <algorithm>
#include <limits>
#include <map>
#include <vector>

#include "base/error.h"
#include "base/json_schema.h"
#include "base/nearest.h"
#include "partition/amd_fields.h"
#include "partition/amd_plugins.h"

namespace vaip::partition {
namespace {

using json::Value;

bool enabled(const Value& pass) {
  const Value* disabled = member(pass, "disabled");
  return disabled == nullptr || !disabled->get<bool>();
}

// {"intValue": 32}, {"uintValue": 32}
std::optional<std::int64_t> integer_attribute(const Value& attributes, const char* name) {
  const Value* wrapped = member(attributes, name);
  if (wrapped == nullptr || !wrapped->is_object()) return std::nullopt;
  for (const char* kind : {"int_value", "uint_value"}) {
    const Value* value = member(*wrapped, kind);
    if (value != nullptr) return value->get<std::int64_t>();
  }
  return std::nullopt;
}

// `parameters`: a passDpuParam or target_opts.
void read_thresholds(const Value& parameters, AmdSections& out) {
  if (const Value* count = member(parameters, "minimum_num_of_conv"))
    out.minimum_num_of_conv = count->get<std::int64_t>();
  if (const Value* attributes = member(parameters, "xcompiler_attrs")) {
    if (const auto count = integer_attribute(*attributes, "dpu_subgraph_num")) out.dpu_subgraph_num = count;
  }
}

constexpr const char* kTrailingReshapesPlugin = "vaip-pass_convert_ending_blacklist_ops_to_unknown_op";

void read_dpu_parameters(const Value& parameters, AmdSections& out) {
  read_thresholds(parameters, out);
  const Value* passes = member(parameters, "sub_pass");
  if (passes == nullptr) return;
  out.trailing_reshapes_stay = std::any_of(passes->begin(), passes->end(), [](const Value& pass) {
    return string_member(pass, "plugin") == kTrailingReshapesPlugin && enabled(pass);
  });
}

// A field of the target in AMD's files; accepted among its target_opts, too.
void read_rounding(const Value& object, AmdSections& out) {
  if (const Value* flag = member(object, "py3_round")) out.py3_round = flag->get<bool>();
}

void read_target_opts(const Value& options, AmdSections& out) {
  read_thresholds(options, out);
  read_rounding(options, out);
}

void read_vaiml(const Value& settings, AmdSections& out) {
  // The short names are those of vaiml_config (Ryzen AI 1.4 and later).
  static const std::map<std::string, std::string> devices = {
      {"phx", "phoenix"}, {"hpt", "hawk_point"}, {"stx", "strix"}, {"krk", "krackan"}};
  if (const Value* flag = member(settings, "enable_f32_to_bf16_conversion")) {
    out.enable_f32_to_bf16_conversion = flag->get<bool>();
  }
  for (const char* key : {"device", "device_name"}) {
    const auto device = devices.find(string_member(settings, key));
    if (device != devices.end()) out.vaiml_device = device->second;
  }
}

std::vector<std::string> names_of(const Value& list) {
  std::vector<std::string> names;
  for (const Value& item : list) names.push_back(string_member(item, "name"));
  return names;
}

struct Selection {
  std::vector<std::size_t> passes;  // their places in the file
  const Value* target = nullptr;
  std::string target_pointer;
};

Selection all_passes(const Value& passes) {
  Selection out;
  for (std::size_t i = 0; i < passes.size(); ++i) out.passes.push_back(i);
  return out;
}

// The passes that a target lists, in its order.
Selection select(const Value& passes, const Value& targets, const std::string& name, const std::string& origin,
                 const std::string& source) {
  std::vector<std::string> known = names_of(targets);
  const auto found = std::find(known.begin(), known.end(), name);
  if (found == known.end()) {
    const std::string hint = did_you_mean(name, known);
    known.insert(known.end(), {"X1", "X2"});
    fail(ErrorKind::invalid_config, origin, ": No valid target found: ", name, "; valid targets are: ", join(known),
         hint);
  }
  const auto index = static_cast<std::size_t>(found - known.begin());
  Selection out;
  out.target = &targets[index];
  out.target_pointer = json::child("/targets", index);
  const Value* list = member(*out.target, "pass");
  const std::vector<std::string> pass_names = names_of(passes);
  for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const std::string wanted = (*list)[i].get<std::string>();
    const auto pass = std::find(pass_names.begin(), pass_names.end(), wanted);
    if (pass == pass_names.end()) {
      json::fail_at(
          source, json::child(out.target_pointer + "/pass", i),
          "Pass not found: " + wanted + "; valid passes are: " + join(pass_names) + did_you_mean(wanted, pass_names));
    }
    out.passes.push_back(static_cast<std::size_t>(pass - pass_names.begin()));
  }
  return out;
}

}  // namespace

AmdSections read_amd_sections(const Document& document, const std::string& target, const Value& target_opts,
                              const Document& defaults) {
  const Value& file = document.content;
  const bool own_passes = file.contains("passes");
  const Value& passes = own_passes ? file.at("passes") : defaults.content.at("passes");
  const Value none = Value::array();
  const Value& targets = file.contains("targets") ? file.at("targets")
                         : own_passes             ? none
                                                  : defaults.content.at("targets");

  AmdSections out;
  out.target = target.empty() ? string_member(file, "target") : target;
  const std::vector<std::string> target_names = names_of(targets);
  const bool listed = std::find(target_names.begin(), target_names.end(), out.target) != target_names.end();
  // AMD's INT8 compilers, which are no entries of a file: all passes.
  const bool compiler = !listed && (out.target == "X1" || out.target == "X2");
  const std::string origin = target.empty() ? document.source + ": /target" : "option \"target\"";
  const Selection selection = out.target.empty() || compiler
                                  ? all_passes(passes)
                                  : select(passes, targets, out.target, origin, document.source);
  const std::string& source = own_passes ? document.source : defaults.source;
  out.passes_in_use = source + ": " + (selection.target == nullptr ? "/passes" : selection.target_pointer + "/pass");

  read_vaiml(file, out);  // files that consist of a vaiml_config only (Whisper's)
  for (const std::size_t index : selection.passes) {
    const Value& pass = passes[index];
    if (!enabled(pass)) continue;
    if (const std::string complaint = unknown_plugin(pass); !complaint.empty()) {
      out.warnings.push_back(source + ": " + json::child("/passes", index) + "/plugin: " + complaint);
    }
    out.quantized_pass = out.quantized_pass || offloads(pass);
    if (const Value* parameters = member(pass, "pass_dpu_param")) read_dpu_parameters(*parameters, out);
    if (const Value* settings = member(pass, "vaiml_config")) read_vaiml(*settings, out);
  }
  if (selection.target != nullptr) {
    read_rounding(*selection.target, out);
    if (const Value* options = member(*selection.target, "target_opts")) read_target_opts(*options, out);
    out.xclbin = string_member(*selection.target, "xclbin");
    out.xclbin_origin = document.source + ": " + selection.target_pointer + "/xclbin";
  }
  if (target_opts.is_object()) read_target_opts(target_opts, out);
  return out;
}

}  // namespace vaip::partition
