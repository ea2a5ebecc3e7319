// AMD's part of a configuration file: which passes a target enables, and what of them has a meaning here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace vaip::partition {

struct AmdSections {
  std::string target;         // the chosen entry of targets, or X1 / X2; "" for all passes
  std::string passes_in_use;  // where the passes were chosen, for messages: "vaip_config.json: /targets/0/pass"
  bool quantized_pass = false;
  std::optional<bool> enable_f32_to_bf16_conversion;
  std::string xclbin, xclbin_origin;
  std::string vaiml_device;  // "" or a device's name
  std::optional<std::int64_t> minimum_num_of_conv, dpu_subgraph_num;
  bool py3_round = false;
  bool trailing_reshapes_stay = false;  // the DPU pass has the sub-pass that leaves them on the CPU
  std::vector<std::string> warnings;    // of what was accepted and is hardly meant: file and JSON pointer, what, why
};

// A configuration document with the name that errors use for it.
struct Document {
  json::Value content;
  std::string source;
};

// target: the session option, which is stronger than the file's own ("" when not given). target_opts: the session
// option of this name parsed, or null. defaults: the packaged document, whose passes and targets stand in where the
// file has none.
AmdSections read_amd_sections(const Document& document, const std::string& target, const json::Value& target_opts,
                              const Document& defaults);

}  // namespace vaip::partition
