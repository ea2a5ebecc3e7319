// The layers of a graph as programs for the array.
#pragma once

#include <cstddef>

#include "compiler/mapping/mapping_cache.h"
#include "compiler/mapping/region.h"
#include "compiler/memory_plan.h"
#include "ir/graph.h"
#include "sim/layer_program.h"

namespace vaip::compiler {

class LayerMapper {
 public:
  LayerMapper(const ir::Graph& graph, const MemoryPlan& plan, const Region& region, const sim::Target& target,
              MappingCache& cache)
      : graph_(graph), plan_(plan), region_(region), target_(target), cache_(cache) {}

  // graph.layers[index]. Throws Error(unsupported) naming the layer when it fits the memories at no tiling.
  sim::LayerProgram map(std::size_t index);

 private:
  const ir::Graph& graph_;
  const MemoryPlan& plan_;
  const Region& region_;
  const sim::Target& target_;
  MappingCache& cache_;
};

}  // namespace vaip::compiler
