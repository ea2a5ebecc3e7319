// Executes a graph of layers exactly on the host: the functional half of a program.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "base/span.h"
#include "ir/graph.h"
#include "kernels/rounding.h"
#include "runtime/host_profile.h"

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
};

std::shared_ptr<kernels::WeightStore> make_weight_store();

// Thread-safe: any number of threads may call run() at once; each uses an arena of its own, kept for the next run, so
// that runs allocate nothing once as many arenas exist as run concurrently. Results do not depend on the number of
// threads.
class Executor {
 public:
  // graph: shapes static. Packs weights and plans memory here, once. Throws Error naming the layer that it cannot
  // execute.
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
