#include "report/session_report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "device/device.h"
#include "partition/device_choice.h"

namespace vaip::report {
namespace {

using Json = nlohmann::ordered_json;

Json layer_json(const sim::LayerTiming& layer, double clock_ghz) {
  const auto us = [clock_ghz](double cycles) { return clock_ghz > 0 ? cycles / (clock_ghz * 1e3) : 0.0; };
  return {
      {"name", layer.name},
      {"op", layer.op},
      {"dtype", layer.dtype},
      {"nodes", layer.nodes},
      {"cycles", std::llround(layer.cycles)},
      {"start_us", us(layer.start_cycles)},
      {"us", us(layer.cycles)},
      {"bound", std::string(sim::name(layer.bound))},
      {"macs", layer.macs},
      {"utilisation", layer.utilisation},
      {"tile", {{"m", layer.tile[0]}, {"k", layer.tile[1]}, {"n", layer.tile[2]}}},
      {"array", {layer.array[0], layer.array[1]}},
      {"ddr_bytes", layer.ddr_read_bytes + layer.ddr_write_bytes},
      {"ddr_read_bytes", layer.ddr_read_bytes},
      {"ddr_write_bytes", layer.ddr_write_bytes},
      {"shim_channels", {layer.shim_channels[0], layer.shim_channels[1]}},
      {"l2_to_l1_bytes", layer.l2_to_l1_bytes},
      {"l1_to_l2_bytes", layer.l1_to_l2_bytes},
      {"l1_bytes", layer.l1_bytes},
      {"l2_bytes", layer.l2_bytes},
      {"dma_descriptors", layer.dma_descriptors},
      {"lock_operations", layer.lock_operations},
      {"cost_cycles",
       {{"compute", layer.cost.compute_cycles},
        {"l1", layer.cost.l1_cycles},
        {"l2", layer.cost.l2_cycles},
        {"ddr", layer.cost.ddr_cycles},
        {"dispatch", layer.cost.dispatch_cycles},
        {"exposed", layer.cost.exposed_cycles}}},
  };
}

Json host_profile_json(const ClusterEntry& cluster) {
  Json steps = Json::array();
  for (const runtime::StepProfile& step : cluster.host_steps) {
    steps.push_back({{"name", step.name},
                     {"op", step.op},
                     {"implementation", step.implementation},
                     {"us", step.us},
                     {"least_us", step.least_us},
                     {"macs", step.macs},
                     {"gmacs_per_s", step.us > 0 ? static_cast<double>(step.macs) / step.us * 1e-3 : 0.0}});
  }
  return {{"runs", cluster.host_runs}, {"steps", std::move(steps)}};
}

const char* name(CacheUse use) {
  switch (use) {
    case CacheUse::off:
      return "off";
    case CacheUse::miss:
      return "miss";
    case CacheUse::hit:
      break;
  }
  return "hit";
}

Json cluster_json(const ClusterEntry& cluster) {
  Json out = {{"name", cluster.name},
              {"input_shapes", cluster.input_shapes},
              {"programs", cluster.programs},
              {"cycles", std::llround(cluster.timing.cycles)},
              {"latency_ms", cluster.timing.latency_us() / 1e3},
              {"host_cycles", std::llround(cluster.timing.host_cycles)},
              {"layers", cluster.timing.layers.size()},
              {"compile_ms", cluster.compile_ms},
              {"cache", name(cluster.cache)},
              {"arena_bytes", cluster.arena_bytes},
              {"packed_weight_bytes", cluster.packed_weight_bytes}};
  if (!cluster.host_steps.empty()) out["host_profile"] = host_profile_json(cluster);
  return out;
}

// Counts per operator type of the graph that the EP was given, in the order of the types' names.
Json operators_json(const std::vector<NodeEntry>& nodes) {
  std::map<std::string, std::array<std::int64_t, 2>> counts;  // claimed, unclaimed
  for (const NodeEntry& node : nodes) ++counts[node.op_type][node.claimed ? 0 : 1];
  Json out = Json::object();
  for (const auto& [op_type, count] : counts) out[op_type] = {{"ipu", count[0]}, {"cpu", count[1]}};
  return out;
}

// Sums over the clusters, which run one after the other.
struct Totals {
  double cycles = 0, latency_us = 0;
  std::int64_t macs = 0, ddr_read_bytes = 0, ddr_write_bytes = 0;
  std::optional<double> energy_mj;  // only when every cluster has a figure
};

Totals totals_of(const std::vector<ClusterEntry>& clusters) {
  Totals out;
  bool energy_known = !clusters.empty();
  double energy = 0;
  for (const ClusterEntry& cluster : clusters) {
    out.cycles += cluster.timing.cycles;
    out.latency_us += cluster.timing.latency_us();
    out.macs += cluster.timing.macs;
    out.ddr_read_bytes += cluster.timing.ddr_read_bytes;
    out.ddr_write_bytes += cluster.timing.ddr_write_bytes;
    energy_known = energy_known && cluster.timing.energy_mj.has_value();
    energy += cluster.timing.energy_mj.value_or(0);
  }
  if (energy_known) out.energy_mj = energy;
  return out;
}

Json overrides_json(const std::map<std::string, std::string>& overrides) {
  Json out = Json::object();
  for (const auto& [path, value] : overrides) out[path] = Json::parse(value);
  return out;
}

std::string name_of(const NodeEntry& node) {
  if (!node.name.empty()) return node.name;
  return node.op_type + "(" + (node.outputs.empty() ? "" : node.outputs.front()) + ")";
}

}  // namespace

void note_host(const runtime::Executor& executor, ClusterEntry& cluster) {
  cluster.arena_bytes = executor.arena_bytes();
  cluster.packed_weight_bytes = executor.packed_weight_bytes();
  if (const runtime::HostProfile* profile = executor.profile()) {
    cluster.host_runs = profile->runs();
    cluster.host_steps = profile->steps();
  }
}

SessionReport start_report(const frontend::OnnxGraph& graph, const partition::Partition& partition,
                           const partition::Config& config) {
  SessionReport report;
  const std::shared_ptr<const device::Device> device = partition::device_of(config);
  report.device = device->name;
  report.stack = partition::stack_of(config, *device)->name;
  report.overrides = config.device_overrides;
  for (const auto& [path, value] : config.stack_overrides) report.overrides["stack." + path] = value;
  report.mode = config.mode;
  report.device_rounding = config.device_rounding();
  report.config_source = config.source;
  report.warnings = config.warnings;
  report.bf16_conversion = partition.converts_floats;
  report.clock_ghz = device->clock_ghz;
  for (const frontend::Node& node : graph.nodes) {
    report.nodes.push_back({node.name, node.op_type, node.domain, node.inputs, node.outputs, true, ""});
  }
  for (const partition::Unclaimed& unclaimed : partition.unclaimed) {
    report.nodes[unclaimed.node].claimed = false;
    report.nodes[unclaimed.node].reason = unclaimed.reason;
  }
  report.shapes.assign(graph.values.begin(), graph.values.end());
  std::sort(report.shapes.begin(), report.shapes.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return report;
}

std::string to_json(const SessionReport& report) {
  const auto claimed = std::count_if(report.nodes.begin(), report.nodes.end(), [](const auto& n) { return n.claimed; });
  const Totals totals = totals_of(report.clusters);
  const double operations = 2.0 * static_cast<double>(totals.macs);
  const auto rounding = report.device_rounding;
  Json out = {
      {"session_id", report.session_id},
      {"model", report.model},
      {"device", report.device},
      {"stack", report.stack},
      {"mode", sim::name(report.mode)},
      {"numerics", rounding ? "xdna" : "onnx"},
      {"rounding", rounding ? Json(std::string(kernels::name(*rounding))) : Json(nullptr)},
      {"config", report.config_source},
      {"warnings", report.warnings},
      {"overrides", overrides_json(report.overrides)},
      {"bf16_conversion", report.bf16_conversion},
      {"clock_ghz", report.clock_ghz},
      {"latency_ms", totals.latency_us / 1e3},
      {"ipu_cycles", std::llround(totals.cycles)},
      {"nodes",
       {{"total", report.nodes.size()},
        {"ipu", claimed},
        {"cpu", static_cast<std::int64_t>(report.nodes.size()) - claimed}}},
      {"operators", operators_json(report.nodes)},
      {"subgraphs", report.clusters.size()},
      {"gops", operations / 1e9},
      {"tops_effective", totals.latency_us > 0 ? operations / (totals.latency_us * 1e6) : 0.0},
      {"ddr_read_bytes", totals.ddr_read_bytes},
      {"ddr_write_bytes", totals.ddr_write_bytes},
      {"energy_mj", totals.energy_mj ? Json(*totals.energy_mj) : Json(nullptr)},
      {"clusters", Json::array()},
      {"layers", Json::array()},
      {"unclaimed", Json::array()},
  };
  for (const ClusterEntry& cluster : report.clusters) {
    out["clusters"].push_back(cluster_json(cluster));
    for (const sim::LayerTiming& layer : cluster.timing.layers) {
      Json entry = layer_json(layer, cluster.timing.clock_ghz);
      entry["cluster"] = cluster.name;
      out["layers"].push_back(std::move(entry));
    }
  }
  for (const NodeEntry& node : report.nodes) {
    if (!node.claimed) {
      out["unclaimed"].push_back({{"name", name_of(node)}, {"op", node.op_type}, {"reason", node.reason}});
    }
  }
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string to_json(const sim::Timing& timing) {
  const double latency_us = timing.latency_us();
  Json out = {
      {"device", timing.device},
      {"stack", timing.stack},
      {"mode", sim::name(timing.mode)},
      {"clock_ghz", timing.clock_ghz},
      {"cycles", timing.cycles},
      {"latency_us", latency_us},
      {"host_cycles", timing.host_cycles},
      {"macs", timing.macs},
      {"tops_effective", latency_us > 0 ? 2.0 * static_cast<double>(timing.macs) / (latency_us * 1e6) : 0.0},
      {"ddr_read_bytes", timing.ddr_read_bytes},
      {"ddr_write_bytes", timing.ddr_write_bytes},
      {"energy_mj", timing.energy_mj ? Json(*timing.energy_mj) : Json(nullptr)},
      {"layers", Json::array()},
  };
  for (const sim::LayerTiming& layer : timing.layers) out["layers"].push_back(layer_json(layer, timing.clock_ghz));
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace vaip::report
