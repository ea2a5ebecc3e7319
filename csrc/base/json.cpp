#include "base/json.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <system_error>
#include <vector>

#include "base/error.h"

namespace vaip::json {
namespace {

constexpr int kDeepestNesting = 100;  // real files nest 10 deep; recursion over a value must not exhaust the stack

std::string location(std::string_view text, std::size_t byte, const std::string& source) {
  std::size_t line = 1, column = 1;
  for (std::size_t i = 0; i + 1 < byte && i < text.size(); ++i) {
    ++column;
    if (text[i] == '\n') {
      ++line;
      column = 1;
    }
  }
  return detail::concat(source, ":", line, ":", column, ": ");
}

// nlohmann's text without its own prefix and position: "[json.exception...] parse error at line 1, column 2: <text>".
std::string problem(const Value::parse_error& error) {
  const std::string text = error.what();
  const std::size_t at = text.find("parse error");
  const std::size_t colon = at == std::string::npos ? at : text.find(": ", at);
  return colon == std::string::npos ? text : text.substr(colon + 2);
}

}  // namespace

std::string read_text_file(const std::string& path) {
  std::error_code ignored;
  const auto status = std::filesystem::status(path, ignored);
  if (!std::filesystem::exists(status)) fail(ErrorKind::io, "cannot read '", path, "': no such file");
  if (std::filesystem::is_directory(status)) {
    fail(ErrorKind::io, "cannot read '", path, "': it is a directory, expected a file");
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(ErrorKind::io, "cannot read '", path, "': it could not be opened (permissions?)");
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (file.bad()) fail(ErrorKind::io, "cannot read '", path, "': reading failed");
  return text;
}

Value parse(std::string_view text, const std::string& source) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    fail(ErrorKind::invalid_config, source, ": the file is empty; expected a JSON object");
  }
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto check = [&](int depth, Value::parse_event_t event, Value& parsed) {
    if (depth > kDeepestNesting) {
      fail(ErrorKind::invalid_config, source, ": nested deeper than ", kDeepestNesting, " levels");
    }
    if (event == Value::parse_event_t::object_start) keys.emplace_back();
    if (event == Value::parse_event_t::object_end) keys.pop_back();
    if (event == Value::parse_event_t::key) {
      const std::string& key = parsed.get_ref<const std::string&>();
      if (key != "_comment" && !keys.back().insert(key).second) {
        fail(ErrorKind::invalid_config, source, ": the key \"", key, "\" occurs twice in one object");
      }
    }
    return true;
  };
  try {
    return Value::parse(text.begin(), text.end(), check);
  } catch (const Value::parse_error& error) {
    fail(ErrorKind::invalid_config, location(text, error.byte, source), "not valid JSON: ", problem(error));
  } catch (const Value::exception& error) {  // a number out of range
    fail(ErrorKind::invalid_config, source, ": not valid JSON: ", error.what());
  }
}

Value load(const std::string& path) { return parse(read_text_file(path), path); }

std::string child(const std::string& pointer, std::string_view key) {
  std::string out = pointer + "/";
  for (const char c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

std::string child(const std::string& pointer, std::size_t index) { return pointer + "/" + std::to_string(index); }

std::string excerpt(const Value& value) {
  constexpr std::size_t kLongest = 60;
  std::string text = value.dump(-1, ' ', false, Value::error_handler_t::replace);
  if (text.size() <= kLongest) return text;
  std::size_t end = kLongest;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not inside a UTF-8 sequence
  return text.substr(0, end) + "...";
}

}  // namespace vaip::json
