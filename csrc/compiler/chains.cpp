#include "compiler/chains.h"

#include <algorithm>

#include "compiler/memory_plan.h"

namespace vaip::compiler {
namespace {

constexpr std::size_t kNoPass = static_cast<std::size_t>(-1);

bool is_element_wise(const ir::Layer& layer) {
  return layer.as<ir::ElementwiseAttrs>() || layer.as<ir::ArithmeticAttrs>() || layer.as<ir::RequantizeAttrs>();
}

}  // namespace

Chains find_chains(const ir::Graph& graph) {
  Chains chains;
  chains.chained.assign(graph.layers.size(), false);
  chains.internal.assign(graph.values.size(), false);

  // Pass of the layer that makes a value. A pass goes on as long as the layers that follow belong to it.
  std::vector<std::size_t> pass_of_value(graph.values.size(), kNoPass), pass_of_layer(graph.layers.size(), kNoPass);
  std::size_t open = kNoPass;
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    const ir::Layer& layer = graph.layers[i];
    if (role(graph, layer) != Role::device) continue;
    const std::int64_t elements = ir::element_count(graph.value(layer.outputs[0]).shape);
    const bool joins = open != kNoPass && is_element_wise(layer) &&
                       std::any_of(layer.inputs.begin(), layer.inputs.end(), [&](ir::ValueId id) {
                         return id != ir::kNoValue && pass_of_value[static_cast<std::size_t>(id)] == open &&
                                ir::element_count(graph.value(id).shape) == elements;
                       });
    chains.chained[i] = joins;
    if (!joins) open = i;
    pass_of_layer[i] = open;
    for (const ir::ValueId id : layer.outputs)
      if (id != ir::kNoValue) pass_of_value[static_cast<std::size_t>(id)] = open;
  }

  for (std::size_t id = 0; id < graph.values.size(); ++id) chains.internal[id] = pass_of_value[id] != kNoPass;
  for (std::size_t i = 0; i < graph.layers.size(); ++i)
    for (const ir::ValueId id : graph.layers[i].inputs)
      if (id != ir::kNoValue && pass_of_value[static_cast<std::size_t>(id)] != pass_of_layer[i])
        chains.internal[static_cast<std::size_t>(id)] = false;
  for (const ir::ValueId id : graph.outputs) chains.internal[static_cast<std::size_t>(id)] = false;
  // What nobody reads within the pass leaves it.
  std::vector<bool> read(graph.values.size(), false);
  for (const ir::Layer& layer : graph.layers)
    for (const ir::ValueId id : layer.inputs)
      if (id != ir::kNoValue) read[static_cast<std::size_t>(id)] = true;
  for (std::size_t id = 0; id < read.size(); ++id) chains.internal[id] = chains.internal[id] && read[id];
  return chains;
}

}  // namespace vaip::compiler
