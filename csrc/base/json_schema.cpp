#include "base/json_schema.h"

#include <array>
#include <cmath>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/nearest.h"

namespace vaip::json {
namespace {

constexpr std::array<std::string_view, 8> kAnnotations = {"$schema",     "$id",     "$comment", "title",
                                                          "description", "default", "examples", "deprecated"};
constexpr std::array<std::string_view, 17> kAssertions = {"type",
                                                          "enum",
                                                          "const",
                                                          "required",
                                                          "minItems",
                                                          "maxItems",
                                                          "minimum",
                                                          "maximum",
                                                          "exclusiveMinimum",
                                                          "exclusiveMaximum",
                                                          "minLength",
                                                          "maxLength",
                                                          "pattern",
                                                          "$ref",
                                                          "properties",
                                                          "items",
                                                          "additionalProperties"};

template <typename List>
bool contains(const List& list, std::string_view name) {
  for (const std::string_view known : list) {
    if (known == name) return true;
  }
  return false;
}

bool is_integer_value(const Value& value) {
  if (value.is_number_integer()) return true;  // also unsigned
  return value.is_number_float() && std::trunc(value.get<double>()) == value.get<double>();
}

bool has_type(const Value& value, const std::string& type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "integer") return is_integer_value(value);
  if (type == "number") return value.is_number();
  return value.is_null();
}

bool has_any_type(const Value& value, const Value& type) {
  if (type.is_string()) return has_type(value, type.get<std::string>());
  for (const Value& one : type) {
    if (has_type(value, one.get<std::string>())) return true;
  }
  return false;
}

std::size_t code_points(const std::string& text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

const char* with_article(const std::string& type) {
  static const std::map<std::string, const char*> articles = {
      {"object", "an object"},   {"array", "an array"},  {"string", "a string"}, {"boolean", "true or false"},
      {"integer", "an integer"}, {"number", "a number"}, {"null", "null"}};
  return articles.at(type);
}

std::string range_of(const Value& schema) {
  const auto text = [&](const char* keyword) { return schema.at(keyword).dump(); };
  if (schema.contains("minimum") && schema.contains("maximum")) {
    return " from " + text("minimum") + " to " + text("maximum");
  }
  std::string out;
  const std::pair<const char*, const char*> bounds[] = {
      {"minimum", " >= "}, {"exclusiveMinimum", " > "}, {"maximum", " <= "}, {"exclusiveMaximum", " < "}};
  for (const auto& [keyword, sign] : bounds) {
    if (schema.contains(keyword)) out += (out.empty() ? sign : std::string(" and") + sign) + text(keyword);
  }
  return out;
}

std::vector<std::string> strings_of(const Value& list) {
  std::vector<std::string> out;
  for (const Value& item : list) {
    if (item.is_string()) out.push_back(item.get<std::string>());
  }
  return out;
}

std::vector<std::string> keys_of(const Value& object) {
  std::vector<std::string> out;
  for (const auto& item : object.items()) out.push_back(item.key());
  return out;
}

std::string unknown_key(const std::string& key, const Value& schema) {
  const std::vector<std::string> known =
      schema.contains("properties") ? keys_of(schema.at("properties")) : std::vector<std::string>{};
  return "unknown key \"" + key + "\"" + did_you_mean(key, known) + " (known keys: " + join(known) + ")";
}

}  // namespace

Schema::Schema(Value schema, std::string name) : schema_(std::move(schema)), name_(std::move(name)) {
  inspect(schema_, "#");
}

// Refuses what check() would not enforce, and compiles the patterns.
void Schema::inspect(const Value& schema, const std::string& where) {
  if (schema.is_boolean()) return;
  if (!schema.is_object()) fail(ErrorKind::internal, name_, ": ", where, ": a schema must be an object or a boolean");
  for (const auto& [keyword, value] : schema.items()) {
    const std::string here = child(where, keyword);
    if (keyword == "properties" || keyword == "$defs") {
      for (const auto& [key, part] : value.items()) inspect(part, child(here, key));
    } else if (keyword == "items" || keyword == "additionalProperties" || keyword == "propertyNames") {
      inspect(value, here);
    } else if (keyword == "anyOf") {
      for (std::size_t i = 0; i < value.size(); ++i) inspect(value[i], child(here, i));
    } else if (keyword == "pattern") {
      patterns_.emplace(value.get<std::string>(), std::regex(value.get<std::string>()));
    } else if (keyword == "$ref") {
      resolve(value.get<std::string>());
    } else if (!contains(kAnnotations, keyword) && !contains(kAssertions, keyword)) {
      fail(ErrorKind::internal, name_, ": ", here, ": this JSON Schema keyword is not implemented");
    }
  }
}

const Value& Schema::resolve(const std::string& reference) const {
  static const std::string prefix = "#/$defs/";
  const std::string key = reference.substr(0, prefix.size()) == prefix ? reference.substr(prefix.size()) : "";
  if (key.empty() || !schema_.contains("$defs") || !schema_.at("$defs").contains(key)) {
    fail(ErrorKind::internal, name_, ": cannot resolve the reference '", reference, "'");
  }
  return schema_.at("$defs").at(key);
}

std::string Schema::describe(const Value& schema) const {
  if (!schema.is_object()) return "something else";
  if (schema.contains("const")) return schema.at("const").dump();
  if (schema.contains("enum")) {
    std::string out = schema.at("enum").size() == 1 ? "" : "one of ";
    for (std::size_t i = 0; i < schema.at("enum").size(); ++i)
      out += (i == 0 ? "" : ", ") + schema.at("enum")[i].dump();
    return out;
  }
  if (schema.contains("type")) {
    const Value& type = schema.at("type");
    const Value types = type.is_array() ? type : Value::array({type});
    std::string out;
    for (std::size_t i = 0; i < types.size(); ++i) {
      out += (i == 0 ? "" : " or ") + std::string(with_article(types[i].get<std::string>()));
    }
    out += range_of(schema);
    if (schema.contains("minLength"))
      out = schema.at("minLength") == 1 ? "a non-empty string" : out + " that is longer";
    if (schema.contains("maxLength")) out += " of at most " + schema.at("maxLength").dump() + " characters";
    if (schema.contains("pattern")) out += " that matches " + schema.at("pattern").get<std::string>();
    if (schema.contains("minItems")) out += " of at least " + schema.at("minItems").dump() + " items";
    if (schema.contains("maxItems")) out += " of at most " + schema.at("maxItems").dump() + " items";
    return out;
  }
  if (schema.contains("$ref")) return describe(resolve(schema.at("$ref").get<std::string>()));
  if (schema.contains("anyOf")) {
    std::string out;
    for (const Value& branch : schema.at("anyOf")) out += (out.empty() ? "" : ", or ") + describe(branch);
    return out;
  }
  return "something else";
}

// The keywords that look at the value itself and not at its parts.
bool Schema::satisfies_assertions(const Value& value, const Value& schema) const {
  if (schema.contains("type") && !has_any_type(value, schema.at("type"))) return false;
  if (schema.contains("const") && value != schema.at("const")) return false;
  if (schema.contains("enum")) {
    bool listed = false;
    for (const Value& one : schema.at("enum")) listed = listed || one == value;
    if (!listed) return false;
  }
  if (value.is_number()) {
    if (schema.contains("minimum") && value < schema.at("minimum")) return false;
    if (schema.contains("maximum") && value > schema.at("maximum")) return false;
    if (schema.contains("exclusiveMinimum") && value <= schema.at("exclusiveMinimum")) return false;
    if (schema.contains("exclusiveMaximum") && value >= schema.at("exclusiveMaximum")) return false;
  }
  if (value.is_string()) {
    const std::string& text = value.get_ref<const std::string&>();
    if (schema.contains("minLength") && code_points(text) < schema.at("minLength").get<std::size_t>()) return false;
    if (schema.contains("maxLength") && code_points(text) > schema.at("maxLength").get<std::size_t>()) return false;
    if (schema.contains("pattern") && !std::regex_search(text, patterns_.at(schema.at("pattern").get<std::string>()))) {
      return false;
    }
  }
  if (value.is_array()) {
    if (schema.contains("minItems") && value.size() < schema.at("minItems").get<std::size_t>()) return false;
    if (schema.contains("maxItems") && value.size() > schema.at("maxItems").get<std::size_t>()) return false;
  }
  return true;
}

Schema::Check Schema::check(const Value& value, const Value& schema, const std::string& pointer) const {
  if (schema.is_boolean()) {
    if (schema.get<bool>()) return std::nullopt;
    return Violation{pointer, "nothing is allowed here, got " + excerpt(value)};
  }
  if (!satisfies_assertions(value, schema)) {
    std::string hint;
    if (value.is_string() && schema.contains("enum")) {
      hint = did_you_mean(value.get<std::string>(), strings_of(schema.at("enum")));
    }
    return Violation{pointer, "expected " + describe(schema) + ", got " + excerpt(value) + hint};
  }
  if (schema.contains("$ref")) {
    if (Check found = check(value, resolve(schema.at("$ref").get<std::string>()), pointer)) return found;
  }
  if (schema.contains("anyOf")) {
    if (Check found = check_any_of(value, schema, pointer)) return found;
  }
  if (value.is_object()) return check_object(value, schema, pointer);
  if (value.is_array()) return check_array(value, schema, pointer);
  return std::nullopt;
}

Schema::Check Schema::check_object(const Value& value, const Value& schema, const std::string& pointer) const {
  if (schema.contains("required")) {
    for (const Value& key : schema.at("required")) {
      if (value.contains(key.get<std::string>())) continue;
      return Violation{pointer, "the required key \"" + key.get<std::string>() + "\" is missing"};
    }
  }
  for (const auto& [key, part] : value.items()) {
    const std::string here = child(pointer, key);
    if (schema.contains("propertyNames")) {
      if (Check found = check(Value(key), schema.at("propertyNames"), here)) return found;
    }
    if (schema.contains("properties") && schema.at("properties").contains(key)) {
      if (Check found = check(part, schema.at("properties").at(key), here)) return found;
    } else if (schema.contains("additionalProperties")) {
      const Value& additional = schema.at("additionalProperties");
      if (additional == Value(false)) return Violation{here, unknown_key(key, schema)};
      if (Check found = check(part, additional, here)) return found;
    }
  }
  return std::nullopt;
}

Schema::Check Schema::check_array(const Value& value, const Value& schema, const std::string& pointer) const {
  if (!schema.contains("items")) return std::nullopt;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (Check found = check(value[i], schema.at("items"), child(pointer, i))) return found;
  }
  return std::nullopt;
}

// The alternative that got furthest into the value is the one that was meant; where none got past the value itself, the
// message lists them all.
Schema::Check Schema::check_any_of(const Value& value, const Value& schema, const std::string& pointer) const {
  Check deepest;
  for (const Value& branch : schema.at("anyOf")) {
    Check found = check(value, branch, pointer);
    if (!found) return std::nullopt;
    if (!deepest || found->pointer.size() > deepest->pointer.size()) deepest = std::move(found);
  }
  if (deepest && deepest->pointer.size() > pointer.size()) return deepest;
  return Violation{pointer,
                   "expected " + describe(Value::object({{"anyOf", schema.at("anyOf")}})) + ", got " + excerpt(value)};
}

std::optional<Violation> Schema::first_violation(const Value& document) const {
  return first_violation(document, schema_);
}

std::optional<Violation> Schema::first_violation(const Value& value, const Value& part) const {
  return check(value, part, "");
}

void Schema::validate(const Value& document, const std::string& source) const { validate(document, schema_, source); }

void Schema::validate(const Value& value, const Value& part, const std::string& source) const {
  if (const auto found = first_violation(value, part)) fail_at(source, found->pointer, found->message);
}

void fail_at(const std::string& source, const std::string& pointer, const std::string& message) {
  fail(ErrorKind::invalid_config, source, ": ", pointer.empty() ? "" : pointer + ": ", message);
}

}  // namespace vaip::json
