// Chrome's Trace Event Format: tracks of slices that lie beside or inside one another, and counters.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace vaip::report {

// A track. Processes are shown in the order of their numbers, and their threads in the order of their places.
struct TraceThread {
  int process = 0;
  std::array<std::int64_t, 3> place{};
  std::string name;
};

// Times are microseconds, put on a grid of nanoseconds, the resolution of the viewers: edges that meet stay together.
class TraceEvents {
 public:
  using Json = nlohmann::ordered_json;

  struct Slice {
    std::string name, category;
    double start_us = 0, end_us = 0;
    Json arguments = Json::object();
  };

  static bool visible(double start_us, double end_us);

  void add_slice(const TraceThread& thread, Slice slice);  // nothing when it is shorter than the grid

  // `values` from start to end, and 0 from then on unless the next ones begin at once.
  void add_counter(const std::string& name, double start_us, double end_us, const Json& values);

  // The file's text: names of processes and threads, then slices and counters by time. Counters belong to
  // `counters`, a process that has slices.
  std::string to_json(const std::map<int, std::string>& processes, int counters) const;

 private:
  struct Track {
    int id = 0;
    std::string name;
  };
  struct Event {
    std::int64_t start_ns = 0, duration_ns = 0;
    Json json;
  };
  using Steps = std::vector<std::pair<std::int64_t, Json>>;  // from that nanosecond on

  std::vector<Event> timed_events(int counters) const;
  void add_names(const std::map<int, std::string>& processes, Json& events) const;

  std::map<std::pair<int, std::array<std::int64_t, 3>>, Track> tracks_;
  std::vector<Event> slices_;
  std::map<std::string, Steps> counters_;
};

}  // namespace vaip::report
