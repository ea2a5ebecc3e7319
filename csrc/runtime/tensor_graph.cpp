#include "runtime/tensor_graph.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "base/error.h"

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

// Every tensor that it makes is dense, at the start of its storage.
class Builder {
 public:
  explicit Builder(const ir::Graph& graph) : source_(graph), layouts_(graph.values.size(), {-1, -1}) {}
  TensorGraph build();

 private:
  void add_layer(const ir::Layer& layer);
  void add_reshape(const ir::Layer& layer);
  void add_transpose(const ir::Layer& layer, const ir::TransposeAttrs& attrs);
  void add_reorder(int from, int to);
  int add_input(const ir::Layer& layer, std::size_t input, Layout layout);

  Layout output_layout(const ir::Layer& layer) const;
  const Operand& operand(int tensor) const { return graph_.tensors[static_cast<std::size_t>(tensor)].operand; }
  int storage(int tensor) const { return graph_.tensors[static_cast<std::size_t>(tensor)].storage; }
  int tensor_as_stored(ir::ValueId id, Layout preferred);
  int tensor_in(ir::ValueId id, Layout layout);
  int add_tensor(ir::ValueId id, Layout layout, int storage);
  int define(ir::ValueId id, Layout layout, int storage);

  const ir::Graph& source_;
  std::vector<std::array<int, 2>> layouts_;  // of each value: its tensors by layout; -1: none yet
  TensorGraph graph_;
};

TensorGraph Builder::build() {
  for (std::size_t i = 0; i < source_.inputs.size(); ++i)
    define(source_.inputs[i], Layout::row_major, graph_.add_storage(Storage::Kind::graph_input, i));
  for (const ir::Layer& layer : source_.layers) {
    if (layer.as<ir::ReshapeAttrs>())
      add_reshape(layer);
    else if (const auto* transpose = layer.as<ir::TransposeAttrs>())
      add_transpose(layer, *transpose);
    else
      add_layer(layer);
  }
  for (std::size_t i = 0; i < source_.outputs.size(); ++i) {
    const ir::ValueId id = source_.outputs[i];
    const int from = tensor_in(id, Layout::row_major);
    add_reorder(from, add_tensor(id, Layout::row_major, graph_.add_storage(Storage::Kind::graph_output, i)));
  }
  return std::move(graph_);
}

int Builder::add_tensor(ir::ValueId id, Layout layout, int storage) {
  const ir::Value& value = source_.value(id);
  if (!ir::is_static(value.shape))
    fail(ErrorKind::internal, "tensor '", value.name, "' has the unbound shape ", ir::to_string(value.shape));
  graph_.tensors.push_back({kernels::make_operand(value, layout), storage});
  Storage& memory = graph_.storages[static_cast<std::size_t>(storage)];
  memory.bytes = std::max(memory.bytes, graph_.tensors.back().operand.size_bytes());
  return static_cast<int>(graph_.tensors.size()) - 1;
}

int Builder::define(ir::ValueId id, Layout layout, int storage) {
  return layouts_[static_cast<std::size_t>(id)][slot(layout)] = add_tensor(id, layout, storage);
}

int Builder::tensor_as_stored(ir::ValueId id, Layout preferred) {
  const std::array<int, 2>& layouts = layouts_[static_cast<std::size_t>(id)];
  for (const Layout layout : {preferred, other(preferred)})
    if (layouts[slot(layout)] >= 0) return layouts[slot(layout)];
  const ir::Value& value = source_.value(id);
  if (!value.constant) fail(ErrorKind::internal, "tensor '", value.name, "' is read before any layer writes it");
  const int storage = graph_.add_storage(Storage::Kind::constant);
  graph_.storages.back().constant = *value.constant;
  return define(id, Layout::row_major, storage);
}

int Builder::tensor_in(ir::ValueId id, Layout layout) {
  const int stored = tensor_as_stored(id, layout);
  if (operand(stored).layout == layout) return stored;
  if (kernels::same_order(operand(stored).shape, layout, operand(stored).layout))
    return define(id, layout, storage(stored));
  const int reordered = define(id, layout, graph_.add_storage(Storage::Kind::arena));
  add_reorder(stored, reordered);
  return reordered;
}

// Layout-agnostic layers keep what their inputs have, so that reorders stay at the edges of the graph.
Layout Builder::output_layout(const ir::Layer& layer) const {
  const auto exists = [](ir::ValueId id) { return id != ir::kNoValue; };
  const auto first = std::find_if(layer.outputs.begin(), layer.outputs.end(), exists);
  if (first == layer.outputs.end()) fail(ErrorKind::internal, layer.op, " '", layer.name, "' has no outputs");
  const std::size_t rank = source_.value(*first).shape.size();
  const LayoutPolicy policy = kernels::layout_policy(layer);
  if (rank < 3) return Layout::row_major;
  if (policy == LayoutPolicy::channels_last) return Layout::channels_last;
  if (policy != LayoutPolicy::follows_inputs) return Layout::row_major;
  for (const ir::ValueId id : layer.inputs) {
    if (id == ir::kNoValue) continue;
    const std::array<int, 2>& layouts = layouts_[static_cast<std::size_t>(id)];
    if (layouts[1] >= 0 && layouts[0] < 0 && operand(layouts[1]).shape.size() == rank) return Layout::channels_last;
  }
  return Layout::row_major;
}

void Builder::add_reorder(int from, int to) {
  const Operand& x = operand(from);
  if (x.count() == 0) return;
  ir::TransposeAttrs same;
  same.perm.resize(x.shape.size());
  std::iota(same.perm.begin(), same.perm.end(), 0);
  ir::Layer layer;
  layer.name = x.name;
  layer.op = kReorder;
  layer.attrs = std::move(same);
  graph_.reorders.push_back(std::move(layer));
  graph_.operations.push_back({&graph_.reorders.back(), {from}, {to}});
}

int Builder::add_input(const ir::Layer& layer, std::size_t input, Layout layout) {
  const ir::ValueId id = layer.inputs[input];
  if (id == ir::kNoValue) return -1;
  const LayoutPolicy policy = kernels::layout_policy(layer);
  const ir::Value& value = source_.value(id);
  // Weights and other constants stay as they are; windows slide over the first input only, and the fourth is added to
  // the result.
  const bool is_addend = layer.as<ir::ConvAttrs>() && input == 3;
  const bool as_stored =
      !is_addend &&
      (value.constant || policy == LayoutPolicy::follows_inputs || policy == LayoutPolicy::writes_row_major ||
       (policy == LayoutPolicy::channels_last && (input > 0 || value.shape.size() < 3)));
  const Layout wanted = policy == LayoutPolicy::channels_last ? Layout::channels_last : layout;
  return as_stored ? tensor_as_stored(id, wanted) : tensor_in(id, wanted);
}

void Builder::add_layer(const ir::Layer& layer) {
  const Layout layout = output_layout(layer);
  Operation operation{&layer, {}, {}};
  for (std::size_t i = 0; i < layer.inputs.size(); ++i) operation.inputs.push_back(add_input(layer, i, layout));
  bool has_elements = false;
  for (const ir::ValueId id : layer.outputs) {
    if (id == ir::kNoValue) {
      operation.outputs.push_back(-1);
      continue;
    }
    const Layout own = source_.value(id).shape.size() < 3 ? Layout::row_major : layout;
    operation.outputs.push_back(define(id, own, graph_.add_storage(Storage::Kind::arena)));
    has_elements = has_elements || operand(operation.outputs.back()).count() > 0;
  }
  if (has_elements) graph_.operations.push_back(std::move(operation));
}

// A view where nothing but the shape changes; it needs the elements in their logical order, unless the shape is the
// same.
void Builder::add_reshape(const ir::Layer& layer) {
  const ir::Value &x = source_.value(layer.inputs.at(0)), &y = source_.value(layer.outputs.at(0));
  if (!same_representation(x, y)) {
    // Through make_kernel, but never with operands in different orders.
    return add_layer(layer);
  }
  if (x.shape == y.shape) {
    const int stored = tensor_as_stored(layer.inputs[0], Layout::row_major);
    define(layer.outputs[0], operand(stored).layout, storage(stored));
    return;
  }
  if (ir::element_count(x.shape) != ir::element_count(y.shape))
    fail(ErrorKind::invalid_model, layer.op, " '", layer.name, "': ", ir::to_string(x.shape), " and ",
         ir::to_string(y.shape), " have different numbers of elements");
  define(layer.outputs[0], Layout::row_major, storage(tensor_in(layer.inputs[0], Layout::row_major)));
}

// A view where the permuted strides are those of a layout, e.g. from NCHW kept channels last to NHWC.
void Builder::add_transpose(const ir::Layer& layer, const ir::TransposeAttrs& attrs) {
  const ir::Value &x = source_.value(layer.inputs.at(0)), &y = source_.value(layer.outputs.at(0));
  const int stored = tensor_as_stored(layer.inputs[0], Layout::row_major);
  const std::size_t rank = x.shape.size();
  if (same_representation(x, y) && y.shape.size() == rank && (attrs.perm.empty() || attrs.perm.size() == rank)) {
    ir::Shape strides;
    for (std::size_t d = 0; d < rank; ++d) {
      const std::int64_t axis = attrs.perm.empty() ? static_cast<std::int64_t>(rank - 1 - d) : attrs.perm[d];
      strides.push_back(operand(stored).strides.at(static_cast<std::size_t>(axis)));
    }
    for (const Layout layout : {Layout::row_major, Layout::channels_last}) {
      if (layout == Layout::channels_last && rank < 3) break;
      if (strides_agree(y.shape, strides, kernels::strides_of(y.shape, layout))) {
        define(layer.outputs[0], layout, storage(stored));
        return;
      }
    }
  }
  add_layer(layer);
}

}  // namespace

int TensorGraph::add_storage(Storage::Kind kind, std::size_t index) {
  Storage storage;
  storage.kind = kind;
  storage.index = index;
  storages.push_back(std::move(storage));
  return static_cast<int>(storages.size()) - 1;
}

kernels::LayerOperands TensorGraph::operands_of(const Operation& operation) const {
  kernels::LayerOperands operands{*operation.layer, {}, {}, operation.in_place};
  const auto add = [this](const std::vector<int>& tensors_of, std::vector<Operand>& to) {
    for (const int tensor : tensors_of)
      to.push_back(tensor < 0 ? Operand{} : tensors[static_cast<std::size_t>(tensor)].operand);
  };
  add(operation.inputs, operands.inputs);
  add(operation.outputs, operands.outputs);
  return operands;
}

TensorGraph make_tensor_graph(const ir::Graph& graph) { return Builder(graph).build(); }

}  // namespace vaip::runtime
