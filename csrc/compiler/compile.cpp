#include <memory>
#include <utility>

#include "base/error.h"
#include "compiler/chains.h"
#include "compiler/mapping/layer_mapping.h"
#include "compiler/program.h"

namespace vaip::compiler {

Program compile(ir::Graph graph, const CompileOptions& options) {
  if (!options.device || !options.stack) fail(ErrorKind::internal, "compile: a device and a stack are required");
  const sim::Target target(*options.device, *options.stack);
  const Region region = make_region(target, options.rows, options.columns);
  const Chains chains = target.profile.dataflow.chains_layers
                            ? find_chains(graph)
                            : Chains{std::vector<bool>(graph.layers.size()), std::vector<bool>(graph.values.size())};
  const MemoryPlan plan = plan_memory(graph, chains.internal, region, target);

  Program program;
  const std::shared_ptr<MappingCache> cache = mapping_cache(options.device, options.stack, region);
  LayerMapper mapper(graph, plan, region, target, *cache);
  program.layers.reserve(graph.layers.size());
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    program.layers.push_back(mapper.map(i));
    program.layers.back().chained = chains.chained[i];
  }
  program.timing = sim::simulate(program.layers, target, options.mode);
  program.graph = std::move(graph);
  return program;
}

}  // namespace vaip::compiler
