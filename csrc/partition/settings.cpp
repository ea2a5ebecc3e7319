#include "partition/settings.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/json_schema.h"
#include "base/nearest.h"
#include "partition/amd_fields.h"
#include "partition/config.h"

namespace vaip::partition {
namespace {

using json::Value;

constexpr const char* kSchemaName = "vaip_config.schema.json";

const Value& schema_document() {
  static const Value document = json::parse(config_schema_json(), kSchemaName);
  return document;
}

const Value& definition(const std::string& name) { return schema_document().at("$defs").at(name); }

const json::Schema& config_schema() {
  static const json::Schema schema(schema_document(), kSchemaName);
  return schema;
}

std::vector<std::string> keys_of(const Value& object) {
  std::vector<std::string> keys;
  for (const auto& item : object.items()) keys.push_back(item.key());
  return keys;
}

bool is_scalar(const Value& part) {
  if (part.contains("enum")) return true;
  return part.contains("type") && part.at("type") != "array" && part.at("type") != "object";
}

// Option name -> the schema of its value: the scalar keys of "vaip" and the options that are no key of the file.
const std::map<std::string, Value>& option_schemas() {
  static const std::map<std::string, Value> schemas = [] {
    std::map<std::string, Value> all;
    for (const auto& [key, part] : definition("vaip").at("properties").items()) {
      if (is_scalar(part)) all.emplace(key, part);
    }
    for (const auto& [key, part] : definition("session_options").at("properties").items()) all.emplace(key, part);
    return all;
  }();
  return schemas;
}

std::vector<std::string> known_options() {
  std::vector<std::string> names;
  for (const auto& [name, schema] : option_schemas()) names.push_back(name);
  return names;
}

// Options are strings: the value that the text stands for where the schema wants a number or a boolean.
Value value_of(const std::string& text, const Value& schema) {
  const std::string type = schema.value("type", "string");
  if (type == "boolean") {
    std::string lower = text;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (lower == "1" || lower == "true") return true;
    if (lower == "0" || lower == "false") return false;
  }
  if (type == "integer") {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size()) return number;
  }
  return text;
}

void add_option(const std::string& key, const std::string& text, const std::string& origin, bool from_session,
                std::map<std::string, std::string>& spelled, Settings& settings) {
  const auto& schemas = option_schemas();
  const auto found = std::find_if(schemas.begin(), schemas.end(),
                                  [&key](const auto& option) { return name_distance(option.first, key) == 0; });
  if (found == schemas.end()) {
    const std::vector<std::string> known = known_options();
    fail(ErrorKind::invalid_config, origin, ": unknown option", did_you_mean(key, known),
         " (known options: ", join(known), ")");
  }
  const auto& [name, schema] = *found;
  Value value = value_of(text, schema);
  if (const auto violation = config_schema().first_violation(value, schema)) {
    const bool boolean = schema.value("type", "") == "boolean";
    fail(ErrorKind::invalid_config, origin, ": ",
         boolean ? "expected 0, 1, true or false, got " + json::excerpt(text) : violation->message);
  }
  const auto [earlier, first] = spelled.emplace(name, key);
  if (!first && settings.at(name).value != value) {
    fail(ErrorKind::invalid_config, origin, ": contradicts \"", earlier->second, "\", which is the same option");
  }
  settings[name] = {std::move(value), origin, from_session};
}

// AMD's fields of the top level that mean the same as a key of "vaip".
constexpr const char* kSharedFields[] = {"cache_dir",
                                         "cache_key",
                                         "encryption_key",
                                         "enable_cache_file_io_in_mem",
                                         "ai_analyzer_visualization",
                                         "ai_analyzer_profiling"};

}  // namespace

void check_document(const Document& document) {
  config_schema().validate(document.content, document.source);

  std::vector<std::string> known = keys_of(schema_document().at("properties"));
  const std::vector<std::string> vaiml = keys_of(definition("vaiml_config").at("properties"));
  known.insert(known.end(), vaiml.begin(), vaiml.end());
  for (const auto& [key, value] : document.content.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string pointer = json::child("", key);
    if (definition("vaip").at("properties").contains(key)) {
      json::fail_at(document.source, pointer, "the key \"" + key + "\" belongs in the section \"vaip\"");
    }
    const std::string hint = did_you_mean(key, known);
    if (!hint.empty()) json::fail_at(document.source, pointer, "unknown key \"" + key + "\"" + hint);
  }
}

void add_file_settings(const Document& document, Settings& settings) {
  const Value& file = document.content;
  for (const char* name : kSharedFields) {
    if (const Value* value = member(file, name)) settings[name] = {*value, document.source + ": /" + name, false};
  }
  if (file.contains("vaip")) {
    for (const auto& [key, value] : file.at("vaip").items()) {
      if (key != "_comment") settings[key] = {value, document.source + ": /vaip/" + key, false};
    }
  }
  for (const char* name : {"session_options", "provider_options"}) {
    const Value* options = member(file, name);
    if (options == nullptr) continue;
    std::map<std::string, std::string> spelled;
    for (const auto& [key, value] : options->items()) {
      // AMD's context.json repeats the option that named the file it was made from.
      if (key == "_comment" || name_distance(key, "config_file") == 0) continue;
      add_option(key, value.get<std::string>(), document.source + ": " + json::child("/sessionOptions", key), false,
                 spelled, settings);
    }
  }
}

void add_session_options(const std::map<std::string, std::string>& options, Settings& settings) {
  std::map<std::string, std::string> spelled;
  for (const auto& [key, value] : options) {
    add_option(key, value, "option \"" + key + "\"", true, spelled, settings);
  }
}

std::string text_of(const Settings& settings, const std::string& key) {
  const auto found = settings.find(key);
  return found == settings.end() ? "" : found->second.value.get<std::string>();
}

Value target_opts_of(const Settings& settings) {
  const auto found = settings.find("target_opts");
  if (found == settings.end() || text_of(settings, "target_opts").empty()) return nullptr;
  Value value = json::parse(text_of(settings, "target_opts"), found->second.origin);
  config_schema().validate(value, Value::object({{"$ref", "#/$defs/target_opts"}}), found->second.origin);
  return value;
}

}  // namespace vaip::partition
