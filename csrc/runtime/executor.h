// Executes a graph of layers exactly on the host: the functional half of a program.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/span.h"
#include "ir/graph.h"
#include "kernels/rounding.h"
#include "runtime/host_profile.h"

namespace vaip {
class ArchiveReader;
class ArchiveWriter;
}  // namespace vaip

namespace vaip::kernels {
struct PackedWeights;
class WeightStore;
}  // namespace vaip::kernels

namespace vaip::runtime {

struct ExecutorOptions {
  int num_threads = 0;  // 0: physical cores
  // The numerics of the device, with this rounding mode; without it, ONNX's.
  std::optional<kernels::Rounding> device_rounding = std::nullopt;
  bool profile = false;  // time each step of each run
  // Executors that are given the same one share packed weights; null: nothing is shared.
  std::shared_ptr<kernels::WeightStore> weights = nullptr;
  // The graph's constants may go once the executor is made; else those that are read are shared with it.
  bool copies_constants = false;
  // What an executor for the same graph, options, CPU and number of threads has packed, in an earlier process; null: it
  // is packed now, and added to packed_to unless that is null. That may be written while the executor lives.
  std::shared_ptr<ArchiveReader> packed_from = nullptr;
  ArchiveWriter* packed_to = nullptr;
};

std::shared_ptr<kernels::WeightStore> make_weight_store();

// All but the graph that packed weights depend on: options, number of threads, oneDNN, CPU.
std::string packing_traits(const ExecutorOptions& options);

// Thread-safe: any number of threads may call run() at once; each uses an arena of its own, kept for the next run, so
// that runs allocate nothing once as many arenas exist as run concurrently. Results do not depend on the number of
// threads.
class Executor {
 public:
  // graph: shapes static. Packs weights and plans memory here, once. Throws Error naming the layer that it cannot
  // execute, or the archive that does not have what it should.
  explicit Executor(const ir::Graph& graph, const ExecutorOptions& options = {});
  ~Executor();
  Executor(Executor&&) noexcept;
  Executor& operator=(Executor&&) noexcept;

  // Pointers to row-major tensors of the graph's inputs and outputs, in the graph's order, shapes as bound.
  void run(Span<const void* const> inputs, Span<void* const> outputs) const;

  const HostProfile* profile() const;       // null where it was not asked for
  std::size_t arena_bytes() const;          // activations and scratch of one run
  std::size_t packed_weight_bytes() const;  // all that it uses
  // Of these, what other executors may use, too, each with its size.
  struct SharedWeights {
    std::shared_ptr<const kernels::PackedWeights> weights;
    std::size_t bytes = 0;
  };
  std::vector<SharedWeights> shared_weights() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vaip::runtime
