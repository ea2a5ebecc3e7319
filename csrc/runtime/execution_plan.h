// A graph turned into steps: a kernel per layer, a layout per tensor, reorders where layouts meet, and the memory that
// each tensor lives in.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "kernels/kernel.h"
#include "runtime/memory_plan.h"

namespace vaip::runtime {

// Memory that one or more tensors (views of each other) live in.
struct Storage {
  enum class Kind : std::uint8_t { arena, graph_input, graph_output, constant } kind = Kind::arena;
  std::size_t index = 0;  // of the graph input or output
  ir::Constant constant;  // only while a step reads it
  std::size_t bytes = 0;
  int first_step = -1, last_step = -1;
  std::size_t offset = 0;  // in the arena
};

struct Step {
  std::string name, op;  // of its layer, or of the tensor that it reorders
  std::unique_ptr<kernels::Kernel> kernel;
  std::vector<int> inputs, outputs;  // storages; -1: absent
  std::size_t scratch_offset = 0;    // in the arena
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
  std::size_t reorder_count() const { return reorders_; }

 private:
  struct Tensor {
    kernels::Operand operand;
    int storage;
  };
  using Layouts = std::array<std::optional<Tensor>, 2>;  // by kernels::Layout

  void add_layer(const ir::Layer& layer);
  void add_reshape(const ir::Layer& layer);
  void add_transpose(const ir::Layer& layer, const ir::TransposeAttrs& attrs);
  void bind_output(std::size_t index, ir::ValueId id);
  void keep_constants(bool copies);
  void assign_memory();

  kernels::Layout output_layout(const ir::Layer& layer, const ir::Shape& output) const;
  const Tensor& tensor_as_stored(ir::ValueId id, kernels::Layout preferred);
  const Tensor& tensor_in(ir::ValueId id, kernels::Layout layout);
  const Tensor& define(ir::ValueId id, kernels::Layout layout, int storage);
  int add_storage(Storage storage);
  void add_step(Step step);
  void add_reorder(const kernels::Operand& from, const kernels::Operand& to, int from_storage, int to_storage);

  const ir::Graph* graph_;  // only while the constructor runs
  kernels::KernelOptions options_;
  std::vector<Layouts> tensors_;
  std::vector<Storage> storages_;
  std::vector<Step> steps_;
  std::size_t arena_bytes_ = 0;
  std::size_t reorders_ = 0;
};

}  // namespace vaip::runtime
