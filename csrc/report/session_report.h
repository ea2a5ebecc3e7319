// What a session says of itself: the partition, the programs and their timing. One struct, one JSON shape, for all
// faces.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "frontend/onnx_graph.h"
#include "kernels/rounding.h"
#include "partition/partition.h"
#include "runtime/executor.h"
#include "sim/timing.h"

namespace vaip::report {

struct NodeEntry {  // every node of the graph that the EP was given
  std::string name, op_type, domain;
  std::vector<std::string> inputs, outputs;
  bool claimed = false;
  std::string reason;  // of an unclaimed node
};

// Whether a cluster's program came from the directory of the option cache_dir: there is none, or shapes are dynamic; it
// was compiled, and written there; it was read.
enum class CacheUse : std::uint8_t { off, miss, hit };

struct ClusterEntry {
  std::string name;                                     // onnxruntime's fused node name
  std::vector<std::vector<std::int64_t>> input_shapes;  // of the program that was last compiled or run
  sim::Timing timing;  // of that program; empty (cycles 0) while a dynamic cluster has not run yet
  double compile_ms = 0;
  CacheUse cache = CacheUse::off;
  std::size_t arena_bytes = 0, packed_weight_bytes = 0;
  int programs = 0;                              // shapes compiled so far
  std::size_t host_runs = 0;                     // that were profiled: 0 where that was not asked for
  std::vector<runtime::StepProfile> host_steps;  // of that program
};

struct SessionReport {
  std::uint64_t session_id = 0;
  std::string model;  // path, or "" when loaded from bytes
  std::string device, stack, config_source;
  sim::Mode mode = sim::Mode::steady;
  std::optional<kernels::Rounding> device_rounding;  // of the numerics of the device; absent: they are ONNX's
  std::vector<std::string> warnings;                 // of the configuration
  std::map<std::string, std::string> overrides;      // of device and stack: dotted path -> JSON text of the value
  bool bf16_conversion = false;                      // float layers are claimed, and run in bfloat16
  double clock_ghz = 0;                              // of the device, also when nothing is claimed
  std::vector<NodeEntry> nodes;
  std::vector<ClusterEntry> clusters;
  std::vector<std::pair<std::string, frontend::TensorInfo>> shapes;  // name -> info, for AMD's shapeInfo
};

// Memory of a cluster's program on the host and, where it is profiled, what its steps took.
void note_host(const runtime::Executor& executor, ClusterEntry& cluster);

SessionReport start_report(const frontend::OnnxGraph& graph, const partition::Partition& partition,
                           const partition::Config& config);

// `vaip run --json` of contracts without "host_ms"; adds "session_id", "stack", "mode", "config", "warnings",
// "numerics", "rounding", "overrides", "bf16_conversion", "operators", "clusters".
std::string to_json(const SessionReport& report);

// A program's timing without a session around it: "cycles", "latency_us", "host_cycles", "layers" as above, ...
std::string to_json(const sim::Timing& timing);

// AMD's vitisai_ep_report.json (deviceStat, nodeStat, shapeInfo, subgraphStat), plus "reason" in the nodeStat of CPU
// nodes.
std::string to_amd_json(const SessionReport& report);

// "[Vitis AI EP] No. of Operators :   CPU     2   NPU   398  99.50%" and the line of subgraphs.
std::string console_lines(const SessionReport& report);

// Writes through a temporary file and a rename, creating directories. Throws Error(io) naming the path.
void write_file(const std::string& path, const std::string& text);

}  // namespace vaip::report
