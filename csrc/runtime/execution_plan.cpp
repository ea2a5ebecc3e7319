#include "runtime/execution_plan.h"

#include <algorithm>

#include "base/error.h"
#include "ir/constants.h"
#include "kernels/layers.h"

namespace vaip::runtime {
namespace {

using kernels::Layout;
using kernels::LayoutPolicy;
using kernels::Operand;

std::size_t slot(Layout layout) { return layout == Layout::channels_last ? 1 : 0; }
Layout other(Layout layout) { return layout == Layout::channels_last ? Layout::row_major : Layout::channels_last; }

bool same_representation(const ir::Value& a, const ir::Value& b) { return a.dtype == b.dtype && a.quant == b.quant; }

bool strides_agree(const ir::Shape& dims, const ir::Shape& a, const ir::Shape& b) {
  for (std::size_t d = 0; d < dims.size(); ++d)
    if (dims[d] != 1 && a[d] != b[d]) return false;
  return true;
}

}  // namespace

ExecutionPlan::ExecutionPlan(const ir::Graph& graph, const kernels::KernelOptions& options, bool copies_constants)
    : graph_(&graph), options_(options), tensors_(graph.values.size()) {
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    Storage storage;
    storage.kind = Storage::Kind::graph_input;
    storage.index = i;
    define(graph.inputs[i], Layout::row_major, add_storage(storage));
  }
  for (const ir::Layer& layer : graph.layers) {
    if (layer.as<ir::ReshapeAttrs>())
      add_reshape(layer);
    else if (const auto* transpose = layer.as<ir::TransposeAttrs>())
      add_transpose(layer, *transpose);
    else
      add_layer(layer);
  }
  for (std::size_t i = 0; i < graph.outputs.size(); ++i) bind_output(i, graph.outputs[i]);
  keep_constants(copies_constants);
  assign_memory();
  tensors_.clear();
  graph_ = nullptr;
}

std::size_t ExecutionPlan::packed_bytes() const {
  std::size_t bytes = 0;
  for (const Step& step : steps_) bytes += step.kernel->packed_bytes();
  return bytes;
}

int ExecutionPlan::add_storage(Storage storage) {
  storages_.push_back(storage);
  return static_cast<int>(storages_.size()) - 1;
}

const ExecutionPlan::Tensor& ExecutionPlan::define(ir::ValueId id, Layout layout, int storage) {
  const ir::Value& value = graph_->value(id);
  if (!ir::is_static(value.shape))
    fail(ErrorKind::internal, "tensor '", value.name, "' has the unbound shape ", ir::to_string(value.shape));
  Tensor tensor{kernels::make_operand(value, layout), storage};
  Storage& memory = storages_[static_cast<std::size_t>(storage)];
  memory.bytes = std::max(memory.bytes, tensor.operand.size_bytes());
  auto& place = tensors_[static_cast<std::size_t>(id)][slot(layout)];
  place = std::move(tensor);
  return *place;
}

const ExecutionPlan::Tensor& ExecutionPlan::tensor_as_stored(ir::ValueId id, Layout preferred) {
  const Layouts& layouts = tensors_[static_cast<std::size_t>(id)];
  for (const Layout layout : {preferred, other(preferred)})
    if (layouts[slot(layout)]) return *layouts[slot(layout)];
  const ir::Value& value = graph_->value(id);
  if (!value.constant) fail(ErrorKind::internal, "tensor '", value.name, "' is read before any layer writes it");
  Storage storage;
  storage.kind = Storage::Kind::constant;
  storage.constant = *value.constant;
  return define(id, Layout::row_major, add_storage(storage));
}

const ExecutionPlan::Tensor& ExecutionPlan::tensor_in(ir::ValueId id, Layout layout) {
  const Tensor& stored = tensor_as_stored(id, layout);
  if (stored.operand.layout == layout) return stored;
  if (kernels::same_order(stored.operand.shape, layout, stored.operand.layout))
    return define(id, layout, stored.storage);
  const int from = stored.storage, to = add_storage({});
  const Operand operand = stored.operand;
  const Tensor& reordered = define(id, layout, to);
  add_reorder(operand, reordered.operand, from, to);
  ++reorders_;
  return reordered;
}

// Layout-agnostic layers keep what their inputs have, so that reorders stay at the edges of the graph.
Layout ExecutionPlan::output_layout(const ir::Layer& layer, const ir::Shape& output) const {
  const LayoutPolicy policy = kernels::layout_policy(layer);
  if (output.size() < 3) return Layout::row_major;
  if (policy == LayoutPolicy::channels_last) return Layout::channels_last;
  if (policy != LayoutPolicy::follows_inputs) return Layout::row_major;
  for (const ir::ValueId id : layer.inputs) {
    if (id == ir::kNoValue) continue;
    const Layouts& layouts = tensors_[static_cast<std::size_t>(id)];
    if (layouts[1] && !layouts[0] && layouts[1]->operand.rank() == static_cast<int>(output.size()))
      return Layout::channels_last;
  }
  return Layout::row_major;
}

void ExecutionPlan::add_step(Step added) {
  const int step = static_cast<int>(steps_.size());
  for (const std::vector<int>* used : {&added.inputs, &added.outputs}) {
    for (const int s : *used) {
      if (s < 0) continue;
      Storage& storage = storages_[static_cast<std::size_t>(s)];
      if (storage.first_step < 0) storage.first_step = step;
      storage.last_step = step;
    }
  }
  steps_.push_back(std::move(added));
}

void ExecutionPlan::add_reorder(const Operand& from, const Operand& to, int from_storage, int to_storage) {
  add_step({from.name, "reorder", kernels::make_reorder(from, to), {from_storage}, {to_storage}, 0});
}

void ExecutionPlan::add_layer(const ir::Layer& layer) {
  const LayoutPolicy policy = kernels::layout_policy(layer);
  kernels::LayerOperands operands{layer, {}, {}};
  std::vector<int> inputs, outputs;
  bool has_elements = false;
  const bool outputs_exist =
      std::any_of(layer.outputs.begin(), layer.outputs.end(), [](ir::ValueId id) { return id != ir::kNoValue; });
  if (!outputs_exist) fail(ErrorKind::internal, layer.op, " '", layer.name, "' has no outputs");
  const auto first =
      *std::find_if(layer.outputs.begin(), layer.outputs.end(), [](ir::ValueId id) { return id != ir::kNoValue; });
  const Layout layout = output_layout(layer, graph_->value(first).shape);

  for (std::size_t i = 0; i < layer.inputs.size(); ++i) {
    const ir::ValueId id = layer.inputs[i];
    if (id == ir::kNoValue) {
      operands.inputs.emplace_back();
      inputs.push_back(-1);
      continue;
    }
    const ir::Value& value = graph_->value(id);
    // Weights and other constants stay as they are; windows slide over the first input only, and the fourth is added to
    // the result.
    const bool is_addend = layer.as<ir::ConvAttrs>() && i == 3;
    const bool as_stored = !is_addend && (value.constant || policy == LayoutPolicy::follows_inputs ||
                                          policy == LayoutPolicy::writes_row_major ||
                                          (policy == LayoutPolicy::channels_last && (i > 0 || value.shape.size() < 3)));
    const Layout wanted = policy == LayoutPolicy::channels_last ? Layout::channels_last : layout;
    const Tensor& tensor = as_stored ? tensor_as_stored(id, wanted) : tensor_in(id, wanted);
    operands.inputs.push_back(tensor.operand);
    inputs.push_back(tensor.storage);
  }
  for (const ir::ValueId id : layer.outputs) {
    if (id == ir::kNoValue) {
      operands.outputs.emplace_back();
      outputs.push_back(-1);
      continue;
    }
    const Layout own = graph_->value(id).shape.size() < 3 ? Layout::row_major : layout;
    const Tensor& tensor = define(id, own, add_storage({}));
    has_elements = has_elements || tensor.operand.count() > 0;
    operands.outputs.push_back(tensor.operand);
    outputs.push_back(tensor.storage);
  }
  if (!has_elements) return;
  std::unique_ptr<kernels::Kernel> kernel = kernels::make_kernel(operands, options_);
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (!kernel->reads(i)) inputs[i] = -1;
  add_step({layer.name, layer.op, std::move(kernel), std::move(inputs), std::move(outputs), 0});
}

// A view where nothing but the shape changes; it needs the elements in their logical order, unless the shape is the
// same.
void ExecutionPlan::add_reshape(const ir::Layer& layer) {
  const ir::Value &x = graph_->value(layer.inputs.at(0)), &y = graph_->value(layer.outputs.at(0));
  if (!same_representation(x, y)) {
    // Through make_kernel, but never with operands in different orders.
    return add_layer(layer);
  }
  if (x.shape == y.shape) {
    const Tensor stored = tensor_as_stored(layer.inputs[0], Layout::row_major);
    define(layer.outputs[0], stored.operand.layout, stored.storage);
    return;
  }
  if (ir::element_count(x.shape) != ir::element_count(y.shape))
    fail(ErrorKind::invalid_model, layer.op, " '", layer.name, "': ", ir::to_string(x.shape), " and ",
         ir::to_string(y.shape), " have different numbers of elements");
  const int storage = tensor_in(layer.inputs[0], Layout::row_major).storage;
  define(layer.outputs[0], Layout::row_major, storage);
}

// A view where the permuted strides are those of a layout, e.g. from NCHW kept channels last to NHWC.
void ExecutionPlan::add_transpose(const ir::Layer& layer, const ir::TransposeAttrs& attrs) {
  const ir::Value &x = graph_->value(layer.inputs.at(0)), &y = graph_->value(layer.outputs.at(0));
  const Tensor stored = tensor_as_stored(layer.inputs[0], Layout::row_major);
  const std::size_t rank = x.shape.size();
  if (same_representation(x, y) && y.shape.size() == rank && (attrs.perm.empty() || attrs.perm.size() == rank)) {
    ir::Shape strides;
    for (std::size_t d = 0; d < rank; ++d) {
      const std::int64_t axis = attrs.perm.empty() ? static_cast<std::int64_t>(rank - 1 - d) : attrs.perm[d];
      strides.push_back(stored.operand.strides.at(static_cast<std::size_t>(axis)));
    }
    for (const Layout layout : {Layout::row_major, Layout::channels_last}) {
      if (layout == Layout::channels_last && rank < 3) break;
      if (strides_agree(y.shape, strides, kernels::strides_of(y.shape, layout))) {
        define(layer.outputs[0], layout, stored.storage);
        return;
      }
    }
  }
  add_layer(layer);
}

// A graph output is written in place by whichever step makes it, unless its memory is already somebody else's.
void ExecutionPlan::bind_output(std::size_t index, ir::ValueId id) {
  const Tensor tensor = tensor_in(id, Layout::row_major);
  Storage& storage = storages_[static_cast<std::size_t>(tensor.storage)];
  if (storage.kind == Storage::Kind::arena) {
    storage.kind = Storage::Kind::graph_output;
    storage.index = index;
    return;
  }
  Storage output;
  output.kind = Storage::Kind::graph_output;
  output.index = index;
  const int to = add_storage(output);
  if (tensor.operand.count() > 0) add_reorder(tensor.operand, tensor.operand, tensor.storage, to);
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
