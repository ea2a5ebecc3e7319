#include "ep/profiler.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "ort/status.h"

namespace vaip::ep {
namespace {

// The profile's thread id of the simulated device: a row of its own, since its time is not the host's.
constexpr std::int32_t kSimulatedTrack = 0;

// The profilers inside whose events this thread is, innermost last; events nest, so one may be there more than once.
std::vector<Profiler*>& watching() {
  thread_local std::vector<Profiler*> profilers;
  return profilers;
}

std::string decimal(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, 3).ptr;
  return std::string(text, end);
}

}  // namespace

Profiler::Profiler() : OrtEpProfilerImpl{} {
  ort_version_supported = ort::kStructVersion;
  Release = [](OrtEpProfilerImpl* self) noexcept { delete static_cast<Profiler*>(self); };
  StartProfiling = [](OrtEpProfilerImpl* self, std::int64_t offset_ns) noexcept {
    return ort::guard([&] { static_cast<Profiler*>(self)->start(offset_ns); });
  };
  StartEvent = [](OrtEpProfilerImpl* self, std::uint64_t) noexcept {
    return ort::guard([&] { watching().push_back(static_cast<Profiler*>(self)); });
  };
  StopEvent = [](OrtEpProfilerImpl* self, std::uint64_t, const OrtProfilingEvent*) noexcept -> OrtStatus* {
    std::vector<Profiler*>& all = watching();
    const auto last = std::find(all.rbegin(), all.rend(), self);
    if (last != all.rend()) all.erase(std::next(last).base());
    return nullptr;
  };
  EndProfiling = [](OrtEpProfilerImpl* self, OrtProfilingEventsContainer* container) noexcept {
    return ort::guard([&] { static_cast<Profiler*>(self)->write_events(*container); });
  };
}

void Profiler::note_run(const std::string& cluster, const std::shared_ptr<const ClusterProgram>& program,
                        Clock::time_point start) {
  const std::vector<Profiler*>& all = watching();
  for (auto it = all.begin(); it != all.end(); ++it) {
    if (std::find(all.begin(), it, *it) != it) continue;
    const std::lock_guard lock((*it)->mutex_);
    (*it)->runs_.push_back({cluster, program, start});
  }
}

void Profiler::start(std::int64_t offset_ns) {
  epoch_ = Clock::now();
  epoch_offset_ns_ = offset_ns;
}

void Profiler::write_events(OrtProfilingEventsContainer& container) {
  std::vector<Run> runs;
  {
    const std::lock_guard lock(mutex_);
    runs.swap(runs_);
  }
  std::sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.start < b.start; });
  // A run starts when the host gives it to the device, or when the device is done with the one before.
  double free_us = 0;
  for (const Run& run : runs) {
    const double host_us = static_cast<double>(epoch_offset_ns_) / 1e3 +
                           std::chrono::duration<double, std::micro>(run.start - epoch_).count();
    const double start_us = std::max(host_us, free_us);
    write_run(run, start_us, container);
    free_us = start_us + run.program->timing.latency_us();
  }
}

void Profiler::write_run(const Run& run, double start_us, OrtProfilingEventsContainer& container) const {
  const sim::Timing& timing = run.program->timing;
  for (const sim::LayerTiming& layer : timing.layers) {
    const double us_per_cycle = 1.0 / (timing.clock_ghz * 1e3);
    const std::array<const char*, 9> keys = {"op_name", "provider", "device", "cluster",  "cycles",
                                             "us",      "bound",    "macs",   "ddr_bytes"};
    const std::array<std::string, 9> values = {layer.op,
                                               "VitisAIEP",
                                               timing.device,
                                               run.cluster,
                                               decimal(layer.cycles),
                                               decimal(layer.cycles * us_per_cycle),
                                               std::string(sim::name(layer.bound)),
                                               std::to_string(layer.macs),
                                               std::to_string(layer.ddr_read_bytes + layer.ddr_write_bytes)};
    std::array<const char*, 9> texts{};
    std::transform(values.begin(), values.end(), texts.begin(), [](const std::string& value) { return value.c_str(); });
    OrtProfilingEvent* event = nullptr;
    ort::check(ort::ep_api().CreateProfilingEvent(
        OrtProfilingEventCategory_KERNEL, getpid(), kSimulatedTrack, layer.name.c_str(),
        std::llround(start_us + layer.start_cycles * us_per_cycle), std::llround(layer.cycles * us_per_cycle),
        keys.data(), texts.data(), keys.size(), &event));
    const OrtProfilingEvent* const events[] = {event};
    OrtStatus* added = ort::ep_api().ProfilingEventsContainer_AddEvents(&container, events, 1);
    ort::ep_api().ReleaseProfilingEvent(event);
    ort::check(added);
  }
}

}  // namespace vaip::ep
