// The configuration of a session: vaip_config.json (AMD's sections and ours) with the session's options on top.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <regex>
#include <string>
#include <vector>

#include "kernels/rounding.h"
#include "sim/simulate.h"

namespace vaip::partition {

enum class Fallback : std::uint8_t {
  allow,  // unclaimed nodes run on another execution provider; a warning per session counts them
  warn,   // the same; the warning lists them
  error,  // unclaimed nodes are an error that lists them
};

enum class Numerics : std::uint8_t { onnx, xdna };

struct NodeSelector {  // empty: matches nothing
  std::vector<std::string> names;
  std::vector<std::string> op_types;
  std::vector<std::regex> patterns;  // searched in the node's name
  std::vector<std::string> pattern_texts;
};

struct Config {
  std::string source = "built-in defaults";  // the file that it was read from; named in errors
  std::vector<std::string> warnings;         // of what is accepted there and hardly meant

  // AMD's part, interpreted
  std::string target;          // the chosen entry of `targets`
  bool quantized_pass = true;  // a pass that claims quantized layers is enabled (init + any vaip-pass_level1_dpu, ...)
  std::string passes_in_use;   // for reasons: "vaip_config.json: /passes" or ".../targets/0/pass"
  // Float layers are converted to bfloat16 and claimed; absent: where the model is not quantized.
  std::optional<bool> enable_f32_to_bf16_conversion;
  std::string xclbin;  // the overlay's file name that chose the array, "" where none did
  // AMD's thresholds, set with "compatibility": "amd" only.
  std::optional<std::int64_t> minimum_num_of_conv;  // models with fewer convolutions stay on the CPU
  std::optional<std::int64_t> dpu_subgraph_num;     // models that need more clusters stay on the CPU
  bool trailing_reshapes_stay = false;              // a Flatten, Reshape or Squeeze at the end stays on the CPU

  // ours ("vaip" section)
  std::vector<std::string> op_types;  // empty: all that the recogniser knows; else only these ONNX op types
  std::vector<std::string> dtypes;    // activation types that may be claimed, e.g. "uint8", "int8"; empty: all
  std::vector<std::string> layouts;   // of convolutions and poolings: "NCW", "NCHW", "NCDHW"; empty: all
  NodeSelector include;               // when not empty: only nodes that it selects
  NodeSelector exclude;
  std::int64_t minimum_nodes = 1;  // compute layers (not Q/DQ, not data movement) that a cluster must have
  std::int64_t minimum_macs = 0;
  Fallback fallback = Fallback::allow;
  Numerics numerics = Numerics::onnx;
  kernels::Rounding rounding = kernels::Rounding::positive_inf;  // of the numerics xdna
  std::optional<kernels::Rounding> device_rounding() const {     // absent: the numerics are ONNX's
    return numerics == Numerics::xdna ? std::optional(rounding) : std::nullopt;
  }
  sim::Mode mode = sim::Mode::steady;

  std::string device = "strix";      // a device name or the path of a device file
  std::optional<int> rows, columns;  // the part of the array to use, where smaller than the device's
  std::string stack = "vitisai";     // a stack profile's name or path
  // What-if: fields by dotted path -> JSON text, of the device and of the stack's profile for its generation.
  std::map<std::string, std::string> device_overrides, stack_overrides;
  int num_threads = 0;  // host threads; 0: the default of the runtime

  bool host_profile = false;  // time each step of each run on the host

  std::string cache_dir, cache_key;
  std::string report_file, trace_file;
  bool enable_cache_file_io_in_mem = true;
  std::string encryption_key;
  bool ai_analyzer_profiling = false, ai_analyzer_visualization = false;
  std::string log_level;  // "", "error", "warning", "info", "debug"
};

// Reads and checks a file. `target` (may be empty) chooses among its targets.
// Throws Error(invalid_config) naming file, JSON pointer and what was expected; Error(io) when it cannot be read.
Config load_config(const std::string& path, const std::string& target = "");

// The session's options on top of the file that `config_file` names (or the packaged defaults). Keys as in contracts;
// case and underscores of AMD's camelCase spellings are accepted. Throws Error(invalid_config) for an unknown option or
// a bad value; the message lists the known options and the nearest match.
Config resolve_config(const std::map<std::string, std::string>& options);

const std::string& default_config_json();  // the packaged vaip_config.json
const std::string& config_schema_json();   // its JSON schema

}  // namespace vaip::partition
