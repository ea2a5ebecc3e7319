// A small interpreter of JSON Schema (draft 2020-12), for the configuration, device and stack files.
//
// Understood: type, enum, const, properties, required, additionalProperties, propertyNames, items, minItems, maxItems,
// minimum, maximum, exclusiveMinimum, exclusiveMaximum, minLength, maxLength, pattern, anyOf, and $ref to
// "#/$defs/<name>" (with siblings). Annotations ($schema, $id, $comment, title, description, default, examples,
// deprecated) are ignored. A schema that uses anything else is refused when it is loaded, so that nothing in it is
// silently not enforced.
#pragma once

#include <map>
#include <optional>
#include <regex>
#include <string>
#include <vector>

#include "base/json.h"

namespace vaip::json {

struct Violation {
  std::string pointer;  // RFC 6901, "" for the document
  std::string message;  // "expected an integer >= 1, got \"two\""
};

class Schema {
 public:
  // name: of the schema, for messages about itself. Throws Error(internal): schemas are part of the program.
  Schema(Value schema, std::string name);

  // The first violation, object keys taken in alphabetical order.
  std::optional<Violation> first_violation(const Value& document) const;
  // The same for a value that does not come in a whole document. part: of this schema, or a $ref to one.
  std::optional<Violation> first_violation(const Value& value, const Value& part) const;

  // Throws Error(invalid_config) "<source>: <pointer>: <message>" for the first violation.
  void validate(const Value& document, const std::string& source) const;
  void validate(const Value& value, const Value& part, const std::string& source) const;

 private:
  using Check = std::optional<Violation>;
  void inspect(const Value& schema, const std::string& where);
  const Value& resolve(const std::string& reference) const;
  Check check(const Value& value, const Value& schema, const std::string& pointer) const;
  Check check_object(const Value& value, const Value& schema, const std::string& pointer) const;
  Check check_array(const Value& value, const Value& schema, const std::string& pointer) const;
  Check check_any_of(const Value& value, const Value& schema, const std::string& pointer) const;
  bool satisfies_assertions(const Value& value, const Value& schema) const;
  std::string describe(const Value& schema) const;  // "an integer >= 1", "one of \"a\", \"b\""

  Value schema_;
  std::string name_;
  std::map<std::string, std::regex> patterns_;
};

// "<source>: <pointer>: <message>", the form of every error about a place in a JSON file.
[[noreturn]] void fail_at(const std::string& source, const std::string& pointer, const std::string& message);

}  // namespace vaip::json
