#include "ep/session_trace.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace vaip::ep {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kProcess = 1, kArrayTrack = 1, kHostTrack = 2;

Json name_of(const char* what, int track, const std::string& name) {
  return {{"ph", "M"}, {"name", what}, {"pid", kProcess}, {"tid", track}, {"args", {{"name", name}}}};
}

void add_span(Json& events, int track, const std::string& name, const std::string& category, double start_us,
              double duration_us, Json arguments) {
  if (duration_us <= 0) return;
  events.push_back({{"ph", "X"},
                    {"name", name},
                    {"cat", category},
                    {"pid", kProcess},
                    {"tid", track},
                    {"ts", start_us},
                    {"dur", duration_us},
                    {"args", std::move(arguments)}});
}

// What the host does for a layer comes before the array's work on it.
void add_layer(Json& events, const sim::LayerTiming& layer, double start_us, double us_per_cycle) {
  const double duration = layer.cycles * us_per_cycle;
  const double host = std::min(layer.cost.dispatch_cycles * us_per_cycle, duration);
  add_span(events, kHostTrack, "dispatch " + layer.name, "host", start_us, host, Json::object());
  add_span(events, kArrayTrack, layer.name, layer.op, start_us + host, duration - host,
           {{"cycles", layer.cycles},
            {"bound", std::string(sim::name(layer.bound))},
            {"macs", layer.macs},
            {"utilisation", layer.utilisation},
            {"ddr_read_bytes", layer.ddr_read_bytes},
            {"ddr_write_bytes", layer.ddr_write_bytes}});
}

}  // namespace

std::string to_trace_json(const report::SessionReport& report) {
  Json events = Json::array({name_of("process_name", kArrayTrack, report.device + " (predicted)"),
                             name_of("thread_name", kArrayTrack, "array"), name_of("thread_name", kHostTrack, "host")});
  double cluster_start_us = 0;
  for (const report::ClusterEntry& cluster : report.clusters) {
    const sim::Timing& timing = cluster.timing;
    if (timing.clock_ghz <= 0) continue;  // a dynamic cluster that has not run
    const double us_per_cycle = 1.0 / (timing.clock_ghz * 1e3);
    for (const sim::LayerTiming& layer : timing.layers) {
      add_layer(events, layer, cluster_start_us + layer.start_cycles * us_per_cycle, us_per_cycle);
    }
    cluster_start_us += timing.latency_us();
  }
  return Json{{"displayTimeUnit", "ms"}, {"traceEvents", std::move(events)}}.dump(-1, ' ', false,
                                                                                  Json::error_handler_t::replace);
}

}  // namespace vaip::ep
