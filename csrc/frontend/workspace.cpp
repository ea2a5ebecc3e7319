#include "frontend/workspace.h"

#include <algorithm>
#include <utility>

namespace vaip::frontend {

Workspace::Workspace(const OnnxGraph& graph, bool converts_floats)
    : index_(graph),
      evaluator_(graph, [this](const std::string& value) { return shape_behind(value); }),
      converts_floats_(converts_floats),
      covered_(graph.nodes.size(), false) {}

const ir::Shape* Workspace::shape_behind(const std::string& value) const {
  if (const ir::Shape* own = shape(value)) return own;
  if (const auto found = carried_.find(value); found != carried_.end()) return shape(found->second.name);
  const auto producer = index_.producer(value);
  return producer && is_dequantize(index_.node(*producer)) ? shape(index_.node(*producer).inputs[0]) : nullptr;
}

void Workspace::trace_shape_integers(std::size_t node) {
  if (auto integers = evaluator_.integers(index_.node(node))) {
    evaluator_.remember(index_.node(node).outputs[0], *std::move(integers));
  }
}

void Workspace::trust_integer_inputs() {
  constexpr std::int64_t kLargest = 1024;  // elements: more is data, no shape
  for (const std::string& name : index_.graph().inputs) {
    const TensorInfo* info = index_.info(name);
    const bool integers = info && (info->dtype == ir::DType::s64 || info->dtype == ir::DType::s32);
    if (!integers || !info->has_shape || !ir::is_static(info->shape)) continue;
    const std::int64_t count = ir::element_count(info->shape);
    if (count > kLargest) continue;
    evaluator_.remember(name,
                        {info->dtype, info->shape, std::vector<Integers::Element>(static_cast<std::size_t>(count))});
  }
}

const ir::Shape* Workspace::shape(const std::string& value) const {
  const auto found = ids_.find(value);
  if (found != ids_.end()) return &graph_.value(found->second).shape;
  const TensorInfo* info = index_.info(value);
  return info && info->has_shape ? &info->shape : nullptr;
}

ir::DType Workspace::dtype(const std::string& value) const {
  const auto found = ids_.find(value);
  if (found != ids_.end()) return graph_.value(found->second).dtype;
  const TensorInfo* info = index_.info(value);
  return info ? info->dtype : ir::DType::undefined;
}

const TensorData& Workspace::folded(std::size_t quantize_node, const Quantization& quantization) {
  const auto found = folded_.find(quantize_node);
  if (found != folded_.end()) return found->second;
  const std::string& source = index_.node(quantize_node).inputs[0];
  return folded_.emplace(quantize_node, quantize_constant(*index_.constant(source), quantization, source))
      .first->second;
}

ir::ValueId Workspace::intern(const ir::Value& value) {
  if (!value.constant) {
    const auto [entry, added] = ids_.emplace(value.name, static_cast<ir::ValueId>(graph_.values.size()));
    if (added) graph_.add_value(value);
    return entry->second;
  }
  std::vector<ir::ValueId>& known = constant_ids_[value.name];
  for (const ir::ValueId id : known) {
    if (graph_.value(id).dtype == value.dtype && graph_.value(id).quant == value.quant) return id;
  }
  known.push_back(graph_.add_value(value));
  return known.back();
}

void Workspace::commit(ir::Layer layer, const ir::Graph& local, std::vector<std::size_t> nodes) {
  for (ir::ValueId& id : layer.inputs) {
    if (id == ir::kNoValue) continue;
    const ir::Value& value = local.value(id);
    if (!value.constant) read_.insert(value.name);
    id = intern(value);
  }
  for (ir::ValueId& id : layer.outputs) {
    if (id == ir::kNoValue) continue;
    written_.insert(local.value(id).name);
    id = intern(local.value(id));
  }
  for (const std::size_t node : nodes) covered_[node] = true;
  units_.push_back({std::move(layer), std::move(nodes)});
}

Recognition Workspace::finish(std::vector<std::string> reasons) && {
  Recognition result;
  // A unit's inputs are written by nodes before its anchor, so the anchors' order is a topological one; where two units
  // have one anchor, the second reads the first.
  std::stable_sort(units_.begin(), units_.end(), [](const Unit& a, const Unit& b) { return a.nodes[0] < b.nodes[0]; });
  for (const Unit& unit : units_) graph_.layers.push_back(unit.layer);
  const OnnxGraph& onnx = index_.graph();
  for (const std::string& name : onnx.inputs) {
    if (read(name)) graph_.inputs.push_back(find(name));
  }
  for (const std::string& name : onnx.outputs) {
    if (written(name)) graph_.outputs.push_back(find(name));
  }
  result.graph = std::move(graph_);
  result.units = std::move(units_);
  result.reasons = std::move(reasons);
  return result;
}

}  // namespace vaip::frontend
