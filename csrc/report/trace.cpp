#include "report/trace.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/error.h"
#include "report/trace_events.h"

namespace vaip::report {
namespace {

using Json = nlohmann::ordered_json;

enum Process : int { kHost = 1, kLayers, kShim, kMemoryTiles, kTiles };

constexpr const char* kBandwidth = "DDR bandwidth (GB/s)";
constexpr const char* kUtilisation = "utilisation (%)";
constexpr std::array<const char*, 4> kResources = {"compute", "l1", "l2", "ddr"};

const TraceThread kHostThread = {kHost, {}, "host"};
const TraceThread kLayerThread = {kLayers, {}, "layers"};

struct Layer {
  std::string name, op;
  double start_us = 0, us = 0;  // since the start of its program
  std::int64_t rows = 0, columns = 0;
  std::array<std::int64_t, 2> shim_channels{};  // DDR -> array, array -> DDR
  double read_bytes = 0, write_bytes = 0, to_cores_bytes = 0, from_cores_bytes = 0;
  Json json;

  double busy_cycles(const char* resource) const { return json.at("cost_cycles").value(resource, 0.0); }
};

struct Program {  // of one cluster
  double us = 0;
  std::vector<Layer> layers;
};

// A layer's time on the array: after what the host does for it, which for Q/DQ at a cluster's edge is all.
struct Window {
  double start_us = 0, end_us = 0, cycles = 0;
  double us() const { return end_us - start_us; }
};

Layer to_layer(const Json& json) {
  Layer layer;
  layer.name = json.at("name");
  layer.op = json.at("op");
  layer.start_us = json.at("start_us");
  layer.us = json.at("us");
  if (const Json& array = json.at("array"); !array.empty()) {
    layer.rows = array.at(0);
    layer.columns = array.at(1);
  }
  const std::int64_t columns = std::max<std::int64_t>(layer.columns, 1);
  layer.shim_channels = json.value("shim_channels", std::array<std::int64_t, 2>{columns, columns});
  layer.write_bytes = json.value("ddr_write_bytes", 0.0);
  layer.read_bytes = json.at("ddr_bytes").get<double>() - layer.write_bytes;
  layer.to_cores_bytes = json.value("l2_to_l1_bytes", 0.0);
  layer.from_cores_bytes = json.value("l1_to_l2_bytes", 0.0);
  layer.json = json;
  return layer;
}

std::vector<Program> programs_of(const Json& report) {
  std::vector<Program> programs;
  std::map<std::string, std::size_t> by_cluster;
  const auto clusters = report.find("clusters");
  if (clusters == report.end()) {
    programs.push_back({report.at("latency_us"), {}});
  } else {
    for (const Json& cluster : *clusters) {
      by_cluster[cluster.at("name")] = programs.size();
      programs.push_back({cluster.at("latency_ms").get<double>() * 1e3, {}});
    }
  }
  for (const Json& layer : report.at("layers")) {
    std::size_t program = 0;
    if (clusters != report.end()) {
      const std::string name = layer.at("cluster");
      const auto found = by_cluster.find(name);
      if (found == by_cluster.end()) fail(ErrorKind::invalid_argument, "trace: the report has no cluster '", name, "'");
      program = found->second;
    }
    programs[program].layers.push_back(to_layer(layer));
  }
  for (Program& program : programs) {
    std::stable_sort(program.layers.begin(), program.layers.end(),
                     [](const Layer& a, const Layer& b) { return a.start_us < b.start_us; });
  }
  return programs;
}

// What the slice itself does not show.
Json arguments_of(const Layer& layer) {
  Json arguments = layer.json;
  for (const char* shown : {"name", "op", "us", "start_us"}) arguments.erase(shown);
  return arguments;
}

// Shim channels, dealt out to the columns in use.
void add_transfers(TraceEvents& events, const Layer& layer, const Window& window) {
  const std::int64_t columns = std::max<std::int64_t>(layer.columns, 1);
  const std::array<std::pair<const char*, double>, 2> directions = {
      {{"DDR to array", layer.read_bytes}, {"array to DDR", layer.write_bytes}}};
  for (std::size_t direction = 0; direction < directions.size(); ++direction) {
    const auto& [name, moved] = directions[direction];
    const std::int64_t count = moved > 0 ? layer.shim_channels[direction] : 0;
    for (std::int64_t channel = 0; channel < count; ++channel) {
      const std::int64_t column = channel % columns, number = channel / columns;
      const double bytes = moved / static_cast<double>(count);
      events.add_slice({kShim,
                        {column, static_cast<std::int64_t>(direction), number},
                        detail::concat("column ", column, ", ", name, " ", number)},
                       {layer.name,
                        layer.op,
                        window.start_us,
                        window.end_us,
                        {{"bytes", bytes}, {"gb_per_s", bytes / window.us() / 1e3}}});
    }
  }
}

void add_memory_tiles(TraceEvents& events, const Layer& layer, const Window& window) {
  if (layer.read_bytes + layer.write_bytes + layer.to_cores_bytes + layer.from_cores_bytes <= 0) return;
  const std::int64_t columns = std::max<std::int64_t>(layer.columns, 1);
  const auto share = [columns](double bytes) { return bytes / static_cast<double>(columns); };
  for (std::int64_t column = 0; column < columns; ++column) {
    events.add_slice({kMemoryTiles, {column}, detail::concat("column ", column)},
                     {layer.name,
                      layer.op,
                      window.start_us,
                      window.end_us,
                      {{"to_cores_bytes", share(layer.to_cores_bytes)},
                       {"from_cores_bytes", share(layer.from_cores_bytes)},
                       {"occupied_bytes", layer.json.value("l2_bytes", std::int64_t{0})}}});
  }
}

void add_tiles(TraceEvents& events, const Layer& layer, const Window& window) {
  const double compute = std::min(layer.busy_cycles("compute"), window.cycles);
  if (compute <= 0) return;  // DMA alone
  const double exposed = std::min(layer.busy_cycles("exposed"), window.cycles - compute);
  const char* busiest = *std::max_element(kResources.begin() + 1, kResources.end(), [&](const char* a, const char* b) {
    return layer.busy_cycles(a) < layer.busy_cycles(b);
  });
  const double us_per_cycle = window.us() / window.cycles;
  const double computed = window.start_us + compute * us_per_cycle;
  const double waited = computed + exposed * us_per_cycle;
  const Json tile = {{"tile", layer.json.value("tile", Json::object())}};
  for (std::int64_t column = 0; column < layer.columns; ++column) {
    for (std::int64_t row = 0; row < layer.rows; ++row) {
      const TraceThread thread = {kTiles, {column, row}, detail::concat("column ", column, ", row ", row)};
      events.add_slice(thread, {layer.name, layer.op, window.start_us, window.end_us, tile});
      events.add_slice(thread, {"compute", "share", window.start_us, computed});
      events.add_slice(thread, {"fill, drain, waits", "share", computed, waited});
      events.add_slice(thread, {detail::concat("stalled on ", busiest), "share", waited, window.end_us});
    }
  }
}

void add_counters(TraceEvents& events, const Layer& layer, const Window& window) {
  const double bytes_per_us_to_gbps = 1e-3 / window.us();
  events.add_counter(
      kBandwidth, window.start_us, window.end_us,
      {{"read", layer.read_bytes * bytes_per_us_to_gbps}, {"write", layer.write_bytes * bytes_per_us_to_gbps}});
  Json busy = {{"MACs", 100 * layer.json.value("utilisation", 0.0)}};
  for (const char* resource : kResources) busy[resource] = 100 * layer.busy_cycles(resource) / window.cycles;
  events.add_counter(kUtilisation, window.start_us, window.end_us, busy);
}

void add_layer(TraceEvents& events, const Layer& layer, double start_us, double cycles_per_us) {
  const double host_us = cycles_per_us > 0 ? layer.busy_cycles("dispatch") / cycles_per_us : 0;
  const double end_us = start_us + layer.us;
  const Window window = {std::min(start_us + host_us, end_us), end_us,
                         std::max(layer.us - host_us, 0.0) * cycles_per_us};
  events.add_slice(kLayerThread, {layer.name, layer.op, start_us, end_us, arguments_of(layer)});
  if (!TraceEvents::visible(window.start_us, window.end_us)) {
    events.add_slice(kHostThread, {layer.name, layer.op, start_us, end_us});
    return;
  }
  events.add_slice(kHostThread, {"dispatch " + layer.name, "host", start_us, window.start_us});
  add_transfers(events, layer, window);
  add_memory_tiles(events, layer, window);
  add_tiles(events, layer, window);
  add_counters(events, layer, window);
}

std::string trace_of(const Json& report) {
  TraceEvents events;
  const double cycles_per_us = report.at("clock_ghz").get<double>() * 1e3;
  double start_us = 0;
  for (const Program& program : programs_of(report)) {
    double position = start_us;
    for (const Layer& layer : program.layers) {
      const double layer_us = start_us + layer.start_us;
      events.add_slice(kHostThread, {"call and launch", "host", position, layer_us});  // no layer runs meanwhile
      add_layer(events, layer, layer_us, cycles_per_us);
      position = std::max(position, layer_us + layer.us);
    }
    events.add_slice(kHostThread, {"return", "host", position, start_us + program.us});
    start_us += program.us;
  }
  const std::string device = report.at("device").get<std::string>() + " (predicted): ";
  return events.to_json({{kHost, device + "host"},
                         {kLayers, device + "layers"},
                         {kShim, device + "shim DMA channels"},
                         {kMemoryTiles, device + "memory tiles"},
                         {kTiles, device + "compute tiles"}},
                        kLayers);
}

}  // namespace

std::string to_trace_json(const std::string& report_json) {
  try {
    return trace_of(Json::parse(report_json));
  } catch (const Json::exception& error) {
    fail(ErrorKind::invalid_argument, "trace: this is not the JSON of a report or timing: ", error.what());
  }
}

}  // namespace vaip::report
