// The simulated device in onnxruntime's own profile: one event per IPU layer, on a track of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ep/cluster_program.h"
#include "ort/api.h"

namespace vaip::ep {

// onnxruntime makes one for a profiled session and one for each profiled run. It calls StartEvent and StopEvent around
// a node on the thread that computes it: that is how a run finds the profilers that watch it.
class Profiler : public OrtEpProfilerImpl {
 public:
  using Clock = std::chrono::steady_clock;

  Profiler();

  // Tells the profilers that watch this thread. Costs a look at a thread-local list when there are none.
  static void note_run(const std::string& cluster, const std::shared_ptr<const ClusterProgram>& program,
                       Clock::time_point start);

 private:
  struct Run {
    std::string cluster;
    std::shared_ptr<const ClusterProgram> program;
    Clock::time_point start;
  };
  void start(std::int64_t offset_ns);
  void write_events(OrtProfilingEventsContainer& container);
  void write_run(const Run& run, double start_us, OrtProfilingEventsContainer& container) const;

  std::mutex mutex_;  // of runs_
  std::vector<Run> runs_;
  Clock::time_point epoch_;           // when profiling began
  std::int64_t epoch_offset_ns_ = 0;  // the same moment on onnxruntime's clock
};

}  // namespace vaip::ep
