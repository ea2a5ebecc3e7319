// JSON text as a value, with errors that name the file and the place in it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace vaip::json {

using Value = nlohmann::json;

// The whole file. Throws Error(io) naming the path when it does not exist, is a directory or cannot be read.
std::string read_text_file(const std::string& path);

// `source` names the text in errors: "<source>:<line>:<column>: not valid JSON: ...". Throws Error(invalid_config),
// also for an empty text, for a key that occurs twice in one object ("_comment" may), and for absurd nesting.
Value parse(std::string_view text, const std::string& source);

// parse(read_text_file(path), path)
Value load(const std::string& path);

// One RFC 6901 reference token appended: child("/targets", "a/b") is "/targets/a~1b".
std::string child(const std::string& pointer, std::string_view key);
std::string child(const std::string& pointer, std::size_t index);

// The value as an error message shows it: compact, at most some 60 characters.
std::string excerpt(const Value& value);

}  // namespace vaip::json
