// A graph turned into steps: a kernel per layer and per copy that is left, and the memory that each tensor lives in.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "kernels/kernel.h"
#include "runtime/memory_plan.h"
#include "runtime/tensor_graph.h"

namespace vaip::runtime {

struct Step {
  // Where a tensor begins.
  struct Place {
    int storage = -1;  // -1: absent
    std::size_t offset = 0;
  };
  std::string name, op;  // of its layer, or of the tensor that it reorders
  std::unique_ptr<kernels::Kernel> kernel;
  std::vector<Place> inputs, outputs;
  std::size_t scratch_offset = 0;  // in the arena
};

// Immutable after construction.
class ExecutionPlan {
 public:
  // copies_constants: nothing of the graph's is needed afterwards.
  explicit ExecutionPlan(const ir::Graph& graph, const kernels::KernelOptions& options = {},
                         bool copies_constants = false);

  const std::vector<Step>& steps() const { return steps_; }
  const std::vector<Storage>& storages() const { return storages_; }
  std::size_t arena_bytes() const { return arena_bytes_; }
  std::size_t packed_bytes() const;
  std::size_t reorder_count() const;

 private:
  void add_step(const TensorGraph& graph, const Operation& operation, const kernels::KernelOptions& options);
  void keep_constants(bool copies);
  void assign_memory();

  std::vector<Storage> storages_;
  std::vector<Step> steps_;
  std::size_t arena_bytes_ = 0;
};

}  // namespace vaip::runtime
