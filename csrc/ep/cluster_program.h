// A cluster compiled for concrete input shapes, and the bounded set of those that a dynamic cluster has met.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include "base/span.h"
#include "device/device.h"
#include "ir/graph.h"
#include "report/session_report.h"
#include "runtime/executor.h"
#include "sim/simulate.h"

namespace vaip::ep {

class CompileCache;

// What every cluster of a session is compiled with.
struct Target {
  std::shared_ptr<const device::Device> device;
  std::shared_ptr<const device::Stack> stack;
  std::optional<int> rows, columns;
  sim::Mode mode = sim::Mode::steady;
  runtime::ExecutorOptions executor;
};

struct ClusterProgram {
  std::vector<ir::Shape> input_shapes, output_shapes;  // in the order of the graph's inputs and outputs
  sim::Timing timing;                                  // no cycles where no output has an element
  std::optional<runtime::Executor> executor;           // absent in that case: there is nothing to compute
  double compile_ms = 0;
  report::CacheUse cache = report::CacheUse::off;
};

// What a program is made for. contents: of the inputs that ir::content_inputs() names.
struct BoundInputs {
  std::vector<ir::Shape> shapes;
  std::vector<std::optional<ir::Constant>> contents;
};

// graph: of the cluster; dimensions may be dynamic. inputs: shapes static. cache: where the program may be and is kept,
// or null. Throws Error that names what cannot be compiled.
std::shared_ptr<const ClusterProgram> compile_cluster(const ir::Graph& graph, const BoundInputs& inputs,
                                                      const Target& target, const CompileCache* cache = nullptr);

// Programs by input shapes, and by the elements of inputs that shapes are computed from. Any number of threads may look
// up at once; what is new is compiled by one of them while those that need another program go on. Beyond kCapacity
// programs, or kCapacityBytes of packed weights and memory of runs, those that have not been used for longest go; what
// programs share counts once.
class ProgramCache {
 public:
  static constexpr std::size_t kCapacity = 64, kCapacityBytes = std::size_t{1} << 30;
  using Compile = std::function<std::shared_ptr<const ClusterProgram>(Span<const std::int64_t> key)>;

  // key: the inputs' dimensions, one after the other, each behind its rank; then, where shapes are computed from an
  // input's elements, these. Looking up allocates nothing.
  std::shared_ptr<const ClusterProgram> find_or_compile(Span<const std::int64_t> key, const Compile& compile);

  std::size_t bytes() const;  // of all programs

 private:
  struct Entry {
    std::vector<std::int64_t> key;
    std::shared_ptr<const ClusterProgram> program;
    std::atomic<std::uint64_t> last_use{0};
  };
  std::shared_ptr<const ClusterProgram> find(Span<const std::int64_t> key) const;
  std::size_t held_bytes() const;

  mutable std::shared_mutex mutex_;  // of entries_
  std::mutex compile_mutex_;
  std::vector<std::unique_ptr<Entry>> entries_;
  mutable std::atomic<std::uint64_t> uses_{0};
};

}  // namespace vaip::ep
