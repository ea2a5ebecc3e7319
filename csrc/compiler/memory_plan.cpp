#include "compiler/memory_plan.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace vaip::compiler {
namespace {

bool is_float(ir::DType dtype) {
  return dtype == ir::DType::f32 || dtype == ir::DType::f16 || dtype == ir::DType::bf16;
}

bool contains(const std::vector<ir::ValueId>& values, ir::ValueId id) {
  return std::find(values.begin(), values.end(), id) != values.end();
}

// A Cast of a float input or output of the graph to or from the device's type.
bool converts_at_edge(const ir::Graph& graph, const ir::Layer& layer) {
  if (!layer.as<ir::CastAttrs>()) return false;
  const ir::Value& from = graph.value(layer.inputs[0]);
  const ir::Value& to = graph.value(layer.outputs[0]);
  if (!is_float(from.dtype) || !is_float(to.dtype)) return false;
  return contains(graph.inputs, layer.inputs[0]) || contains(graph.outputs, layer.outputs[0]);
}

// One piece of memory: a value and the views of it.
struct Storage {
  std::size_t first = 0, last = 0;  // layers that write and read it
  bool on_device = false;           // produced by the array and only read there
};

}  // namespace

device::Format format_of(const ir::Value& value) {
  switch (value.dtype) {
    case ir::DType::u4:
    case ir::DType::s4:
      return device::Format::int4;
    case ir::DType::u8:
    case ir::DType::s8:
    case ir::DType::boolean:
      return device::Format::int8;
    case ir::DType::u16:
    case ir::DType::s16:
      return device::Format::int16;
    case ir::DType::u32:
    case ir::DType::s32:
      return device::Format::int32;
    case ir::DType::u64:
    case ir::DType::s64:
    case ir::DType::f64:
      return device::Format::int64;
    case ir::DType::f16:
    case ir::DType::bf16:
      return device::Format::bf16;
    case ir::DType::f32:
      return device::Format::f32;
    case ir::DType::undefined:
    case ir::DType::string:
    case ir::DType::other:
      break;
  }
  fail(ErrorKind::unsupported, "value `", value.name, "`: the array has no format for ", ir::name(value.dtype));
}

std::int64_t bytes_of(const ir::Value& value) {
  return device::bytes(format_of(value), ir::element_count(value.shape));
}

Role role(const ir::Graph& graph, const ir::Layer& layer) {
  const bool writes = std::any_of(layer.outputs.begin(), layer.outputs.end(), [&](ir::ValueId id) {
    return id != ir::kNoValue && ir::element_count(graph.value(id).shape) > 0;
  });
  if (!writes) return Role::empty;
  if (layer.as<ir::QuantizeAttrs>() && contains(graph.inputs, layer.inputs[0])) return Role::host;
  if (layer.as<ir::DequantizeAttrs>() && contains(graph.outputs, layer.outputs[0])) return Role::host;
  if (converts_at_edge(graph, layer)) return Role::host;
  if (layer.as<ir::ReshapeAttrs>()) {
    const ir::Value& in = graph.value(layer.inputs[0]);
    const ir::Value& out = graph.value(layer.outputs[0]);
    if (in.quant == out.quant && in.dtype == out.dtype) return Role::view;
  }
  return Role::device;
}

MemoryPlan plan_memory(const ir::Graph& graph, const std::vector<bool>& internal, const Region& region,
                       const sim::Target& target) {
  MemoryPlan plan;
  plan.in_l2.assign(graph.values.size(), false);
  plan.resident_bytes.assign(graph.layers.size(), 0);
  if (!target.profile.dataflow.activations_in_l2) return plan;

  std::vector<ir::ValueId> owner(graph.values.size());
  std::iota(owner.begin(), owner.end(), ir::ValueId{0});
  const auto storage_of = [&](ir::ValueId id) { return static_cast<std::size_t>(owner[static_cast<std::size_t>(id)]); };
  std::vector<Storage> storages(graph.values.size());
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    const ir::Layer& layer = graph.layers[i];
    const Role kind = role(graph, layer);
    for (const ir::ValueId id : layer.inputs) {
      if (id == ir::kNoValue) continue;
      Storage& storage = storages[storage_of(id)];
      storage.last = i;
      if (kind == Role::host) storage.on_device = false;
    }
    for (const ir::ValueId id : layer.outputs) {
      if (id == ir::kNoValue) continue;
      if (kind == Role::view)
        owner[static_cast<std::size_t>(id)] = owner[static_cast<std::size_t>(layer.inputs[0])];
      else
        storages[storage_of(id)] = {i, i, kind == Role::device};
    }
  }
  for (const ir::ValueId id : graph.outputs) storages[storage_of(id)].on_device = false;

  // First come, first kept: in execution order, so that the data of neighbouring layers stays close.
  const auto most =
      static_cast<std::int64_t>(target.profile.dataflow.activation_share * static_cast<double>(region.l2_bytes));
  for (const ir::Layer& layer : graph.layers) {
    for (const ir::ValueId id : layer.outputs) {
      if (id == ir::kNoValue || storage_of(id) != static_cast<std::size_t>(id)) continue;
      const Storage& storage = storages[static_cast<std::size_t>(id)];
      if (!storage.on_device || storage.last == storage.first) continue;
      if (internal[static_cast<std::size_t>(id)]) {
        plan.in_l2[static_cast<std::size_t>(id)] = true;
        continue;
      }
      const std::int64_t bytes = bytes_of(graph.value(id));
      const auto begin = plan.resident_bytes.begin() + static_cast<std::ptrdiff_t>(storage.first);
      const auto end = plan.resident_bytes.begin() + static_cast<std::ptrdiff_t>(storage.last) + 1;
      if (std::any_of(begin, end, [&](std::int64_t used) { return used + bytes > most; })) continue;
      std::for_each(begin, end, [&](std::int64_t& used) { used += bytes; });
      plan.in_l2[static_cast<std::size_t>(id)] = true;
    }
  }
  for (std::size_t id = 0; id < owner.size(); ++id) plan.in_l2[id] = plan.in_l2[static_cast<std::size_t>(owner[id])];
  return plan;
}

}  // namespace vaip::compiler
