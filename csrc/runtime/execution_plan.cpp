#include "runtime/execution_plan.h"

#include <algorithm>

#include "ir/constants.h"
#include "runtime/copy_elimination.h"

namespace vaip::runtime {

ExecutionPlan::ExecutionPlan(const ir::Graph& graph, const kernels::KernelOptions& options, bool copies_constants) {
  TensorGraph tensors = make_tensor_graph(graph);
  eliminate_copies(tensors);
  storages_ = std::move(tensors.storages);
  for (const Operation& operation : tensors.operations) add_step(tensors, operation, options);
  keep_constants(copies_constants);
  assign_memory();
}

std::size_t ExecutionPlan::packed_bytes() const {
  std::size_t bytes = 0;
  for (const Step& step : steps_) bytes += step.kernel->packed_bytes();
  return bytes;
}

std::size_t ExecutionPlan::reorder_count() const {
  const auto is_reorder = [](const Step& step) { return step.op == kReorder; };
  return static_cast<std::size_t>(std::count_if(steps_.begin(), steps_.end(), is_reorder));
}

void ExecutionPlan::add_step(const TensorGraph& graph, const Operation& operation,
                             const kernels::KernelOptions& options) {
  Step step{
      operation.layer->name, operation.layer->op, kernels::make_kernel(graph.operands_of(operation), options), {}, {}};
  const auto place = [&](int id) -> Step::Place {
    if (id < 0) return {};
    const Tensor& tensor = graph.tensors[static_cast<std::size_t>(id)];
    Storage& storage = storages_[static_cast<std::size_t>(tensor.storage)];
    if (storage.first_step < 0) storage.first_step = static_cast<int>(steps_.size());
    storage.last_step = static_cast<int>(steps_.size());
    return {tensor.storage, static_cast<std::size_t>(tensor.offset) * ir::size_of(tensor.operand.dtype)};
  };
  for (std::size_t i = 0; i < operation.inputs.size(); ++i)
    step.inputs.push_back(place(step.kernel->reads(i) ? operation.inputs[i] : -1));
  for (const int output : operation.outputs) step.outputs.push_back(place(output));
  steps_.push_back(std::move(step));
}

// Those that steps read; weights that kernels have packed go with the graph.
void ExecutionPlan::keep_constants(bool copies) {
  for (Storage& storage : storages_) {
    if (storage.kind != Storage::Kind::constant) continue;
    if (storage.first_step < 0)
      storage.constant = {};
    else if (copies)
      storage.constant = ir::copy_constant(storage.constant.data.get(), storage.constant.size_bytes);
  }
}

void ExecutionPlan::assign_memory() {
  std::vector<BufferRequest> requests;
  for (const Storage& storage : storages_) {
    const bool in_arena = storage.kind == Storage::Kind::arena && storage.first_step >= 0;
    requests.push_back({in_arena ? storage.bytes : 0, storage.first_step, storage.last_step});
  }
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const int step = static_cast<int>(i);
    requests.push_back({steps_[i].kernel->scratch_bytes(), step, step});
  }
  const MemoryPlan plan = plan_memory(requests);
  for (std::size_t s = 0; s < storages_.size(); ++s) storages_[s].offset = plan.offsets[s];
  for (std::size_t i = 0; i < steps_.size(); ++i) steps_[i].scratch_offset = plan.offsets[storages_.size() + i];
  arena_bytes_ = plan.bytes;
}

}  // namespace vaip::runtime
