#include "device/overrides.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>

#include "base/error.h"
#include "base/nearest.h"

namespace vaip::device {
namespace {

using json::Value;

bool is_field(const Value& member) { return member.is_object() && member.contains("value"); }

std::string last_key(const std::string& path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string::npos ? path : path.substr(dot + 1);
}

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> keys;
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t dot = std::min(path.find('.', start), path.size());
    keys.push_back(path.substr(start, dot - start));
    start = dot + 1;
  }
  return keys;
}

std::vector<std::string> keys_of(const Value& object) {
  std::vector<std::string> keys;
  for (const auto& item : object.items()) keys.push_back(item.key());
  return keys;
}

std::optional<double> number_from(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

// What the text means in place of `old`. What is neither number nor flag stays as it is: the schema then says what it
// expected and what it got.
Value value_from(const std::string& text, const Value& old) {
  if (old.is_boolean() && (text == "1" || text == "0")) return text == "1";
  if (const auto number = number_from(text)) {
    constexpr double kExact = 9007199254740992.0;  // 2^53: below it a whole double is that integer
    const bool whole = std::abs(*number) < kExact && std::trunc(*number) == *number;
    return whole ? Value(static_cast<std::int64_t>(*number)) : Value(*number);
  }
  Value parsed = Value::parse(text, nullptr, false);
  return parsed.is_discarded() ? Value(text) : parsed;
}

// "; did you mean ...?": the field whose whole path is nearest, else one whose last key is ("read_gbps").
std::string suggestion(const std::string& path, const std::vector<std::string>& fields, const std::string& prefix) {
  std::string near = nearest(path, fields);
  for (std::size_t i = 0; near.empty() && i < fields.size(); ++i) {
    const std::vector<std::string> key = {last_key(fields[i])};
    if (!nearest(last_key(path), key).empty()) near = fields[i];
  }
  return near.empty() ? "" : "; did you mean \"" + prefix + near + "\"?";
}

// The number or flag at a dotted path below `base`; `pointer`, of base, is led on to it. `complaint` begins errors.
Value& field_at(Value& base, const std::string& path, const std::string& complaint, const std::string& prefix,
                std::string& pointer) {
  Value* field = &base;
  for (const std::string& key : split(path)) {
    if (!field->is_object() || !field->contains(key) || is_field(*field)) {
      const std::vector<std::string> known =
          field->is_object() && !is_field(*field) ? keys_of(*field) : std::vector<std::string>{};
      fail(ErrorKind::invalid_config, complaint, "no field '", key, "' there",
           suggestion(path, field_paths(base), prefix), known.empty() ? "" : "; known: ", join(known));
    }
    field = &field->at(key);
    pointer = json::child(pointer, key);
  }
  if (!is_field(*field))
    fail(ErrorKind::invalid_config, complaint, "only numbers and flags can be overridden",
         field->is_object() ? "; below it are " + join(keys_of(*field)) : "");
  return *field;
}

}  // namespace

std::vector<std::string> field_paths(const Value& object) {
  std::vector<std::string> paths;
  for (const auto& [key, member] : object.items()) {
    if (is_field(member)) {
      paths.push_back(key);
    } else if (member.is_object()) {
      for (const std::string& below : field_paths(member)) paths.push_back(key + "." + below);
    }
  }
  return paths;
}

Value override_fields(Value document, const Overrides& overrides, const OverrideScope& scope,
                      const json::Schema& schema) {
  std::string base_pointer;
  Value* base = &document;
  for (const std::string& key : scope.base) {
    base = &base->at(key);
    base_pointer = json::child(base_pointer, key);
  }
  std::map<std::string, std::string> by_pointer;  // of the value -> how its error begins
  for (const auto& [path, text] : overrides) {
    const std::string complaint = scope.origin + ": override " + scope.prefix + path + "=" + text + ": ";
    std::string pointer = base_pointer;
    Value& field = field_at(*base, path, complaint, scope.prefix, pointer);
    field.at("value") = value_from(text, field.at("value"));
    field.at("source") = "override";
    by_pointer.emplace(json::child(pointer, "value"), complaint);
  }
  if (const auto violation = schema.first_violation(document)) {
    const auto overridden = by_pointer.find(violation->pointer);
    if (overridden == by_pointer.end()) json::fail_at(scope.origin, violation->pointer, violation->message);
    fail(ErrorKind::invalid_config, overridden->second, violation->message);
  }
  return document;
}

Value select_variant(Value document, const std::string& variant, const std::string& origin) {
  const Value variants = document.value("variants", Value::object());
  if (!variants.contains(variant)) {
    const std::vector<std::string> known = keys_of(variants);
    fail(ErrorKind::invalid_config, origin, ": no variant '", variant, "'", did_you_mean(variant, known),
         known.empty() ? "; the stack has none" : "; it has ", join(known));
  }
  document.erase("variants");
  for (const auto& item : variants.at(variant).items()) {
    std::string pointer;
    Value& field =
        field_at(document, item.key(), detail::concat(origin, ": variant ", variant, ": override ", item.key(), ": "),
                 "", pointer);
    field["value"] = item.value().at("value");
    field["source"] = item.value().at("source");
  }
  document["name"] = document.at("name").get<std::string>() + ":" + variant;
  return document;
}

}  // namespace vaip::device
