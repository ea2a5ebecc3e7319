// The keys of the section "vaip" from wherever they were set, each with its origin for messages. Later ones win: AMD's
// top-level fields, the section itself, sessionOptions of the file, the session's options.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "partition/amd_sections.h"

namespace vaip::partition {

struct Setting {
  json::Value value;
  std::string origin;         // "vaip_config.json: /vaip/device", "option \"device\""
  bool from_session = false;  // set by a session option, not by the file
};
using Settings = std::map<std::string, Setting>;

// Checks the document against the schema, and its top-level keys for misspelt and misplaced ones: AMD's format ignores
// unknown fields, but "vapi" must not be ignored.
void check_document(const Document& document);

void add_file_settings(const Document& document, Settings& settings);

// Checks and adds the session's options. Those that are no key of "vaip" (config_file, target, xclbin, ...) come under
// their own names.
void add_session_options(const std::map<std::string, std::string>& options, Settings& settings);

// The text of a string setting, "" when it is not set.
std::string text_of(const Settings& settings, const std::string& key);

// The option target_opts, parsed and checked; null when it is not set.
json::Value target_opts_of(const Settings& settings);

}  // namespace vaip::partition
