#include "report/trace_events.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace vaip::report {
namespace {

using Json = TraceEvents::Json;

constexpr double kNsPerUs = 1e3;

std::int64_t to_ns(double us) { return std::llround(us * kNsPerUs); }

double to_us(std::int64_t ns) { return static_cast<double>(ns) / kNsPerUs; }

Json metadata(const char* what, int process, int thread, Json arguments) {
  return {{"ph", "M"}, {"name", what}, {"pid", process}, {"tid", thread}, {"ts", 0}, {"args", std::move(arguments)}};
}

}  // namespace

bool TraceEvents::visible(double start_us, double end_us) { return to_ns(end_us) > to_ns(start_us); }

void TraceEvents::add_slice(const TraceThread& thread, Slice slice) {
  if (!visible(slice.start_us, slice.end_us)) return;
  const int next_id = static_cast<int>(tracks_.size()) + 1;
  const Track& track = tracks_.try_emplace({thread.process, thread.place}, Track{next_id, thread.name}).first->second;
  const std::int64_t start = to_ns(slice.start_us), duration = to_ns(slice.end_us) - start;
  slices_.push_back({start,
                     duration,
                     {{"ph", "X"},
                      {"name", std::move(slice.name)},
                      {"cat", std::move(slice.category)},
                      {"pid", thread.process},
                      {"tid", track.id},
                      {"ts", to_us(start)},
                      {"dur", to_us(duration)},
                      {"args", std::move(slice.arguments)}}});
}

void TraceEvents::add_counter(const std::string& name, double start_us, double end_us, const Json& values) {
  Steps& steps = counters_[name];
  if (!steps.empty() && steps.back().first >= to_ns(start_us)) steps.pop_back();
  steps.emplace_back(to_ns(start_us), values);
  Json idle = Json::object();
  for (const auto& [series, value] : values.items()) idle[series] = 0.0;
  steps.emplace_back(to_ns(end_us), std::move(idle));
}

std::string TraceEvents::to_json(const std::map<int, std::string>& processes, int counters) const {
  Json events = Json::array();
  add_names(processes, events);
  for (Event& event : timed_events(counters)) events.push_back(std::move(event.json));
  const Json document = {{"displayTimeUnit", "ns"}, {"traceEvents", std::move(events)}};
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::vector<TraceEvents::Event> TraceEvents::timed_events(int counters) const {
  std::vector<Event> events = slices_;
  for (const auto& [name, steps] : counters_) {
    for (const auto& [ns, values] : steps) {
      Json json = {
          {"ph", "C"}, {"name", name}, {"pid", counters}, {"tid", 0}, {"ts", to_us(ns)}, {"args", values},
      };
      events.push_back({ns, 0, std::move(json)});
    }
  }
  // A slice before those inside it.
  std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
    return a.start_ns != b.start_ns ? a.start_ns < b.start_ns : a.duration_ns > b.duration_ns;
  });
  return events;
}

void TraceEvents::add_names(const std::map<int, std::string>& processes, Json& events) const {
  std::set<int> used;
  for (const auto& [key, track] : tracks_) used.insert(key.first);
  for (const int process : used) {
    events.push_back(metadata("process_name", process, 0, {{"name", processes.at(process)}}));
    events.push_back(metadata("process_sort_index", process, 0, {{"sort_index", process}}));
  }
  int position = 0;
  for (const auto& [key, track] : tracks_) {
    events.push_back(metadata("thread_name", key.first, track.id, {{"name", track.name}}));
    events.push_back(metadata("thread_sort_index", key.first, track.id, {{"sort_index", position++}}));
  }
}

}  // namespace vaip::report
