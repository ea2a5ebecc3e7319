// The layers of a graph as programs for the array.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "compiler/mapping/region.h"
#include "compiler/memory_plan.h"
#include "ir/graph.h"
#include "sim/layer_program.h"

namespace vaip::compiler {

class LayerMapper {
 public:
  LayerMapper(const ir::Graph& graph, const MemoryPlan& plan, const Region& region, const sim::Target& target)
      : graph_(graph), plan_(plan), region_(region), target_(target) {}

  // graph.layers[index]. Throws Error(unsupported) naming the layer when it fits the memories at no tiling.
  sim::LayerProgram map(std::size_t index);

 private:
  const ir::Graph& graph_;
  const MemoryPlan& plan_;
  const Region& region_;
  const sim::Target& target_;
  std::map<std::vector<std::int64_t>, sim::LayerProgram> cache_;  // by all that a mapping depends on
};

}  // namespace vaip::compiler
