// What the steps of a program take on the host: where its time goes, and whose code that is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "base/span.h"

namespace vaip::runtime {

struct StepProfile {
  std::string name, op;         // of the layer, or of the tensor that is reordered
  std::string implementation;   // of its kernel
  std::int64_t macs = 0;        // multiply-accumulates, as the layer defines them
  double us = 0, least_us = 0;  // median of the latest runs, and their least
};

// Thread-safe. Times of the latest kRuns runs are kept.
class HostProfile {
 public:
  static constexpr std::size_t kRuns = 256;

  // steps: without times, in the order in which they are executed.
  explicit HostProfile(std::vector<StepProfile> steps) : steps_(std::move(steps)), us_(steps_.size()) {}

  void add_run(Span<const double> us);  // of each step
  std::size_t runs() const;             // so far
  std::vector<StepProfile> steps() const;

 private:
  mutable std::mutex mutex_;
  std::vector<StepProfile> steps_;
  std::vector<std::vector<double>> us_;  // of each step
  std::size_t runs_ = 0;
};

}  // namespace vaip::runtime
