// Where activations live between layers: in the memory tiles where they fit, else in DDR.
#pragma once

#include <cstdint>
#include <vector>

#include "compiler/mapping/region.h"
#include "ir/graph.h"

namespace vaip::compiler {

enum class Role : std::uint8_t {
  device,  // runs on the array
  host,    // Quantize of a graph input, Dequantize to a graph output, their float Casts: the host's, at the edge
  view,    // its output is its input's memory: reshapes that do not change the numbers
  empty,   // writes nothing: a dimension is 0
};
Role role(const ir::Graph& graph, const ir::Layer& layer);

struct MemoryPlan {
  std::vector<bool> in_l2;                   // per value: kept in the memory tiles from its producer to its last reader
  std::vector<std::int64_t> resident_bytes;  // per layer: of L2, held by such values while the layer runs

  bool holds(ir::ValueId id) const { return id != ir::kNoValue && in_l2[static_cast<std::size_t>(id)]; }
};

// internal: per value, made and used up within one pass (chains.h); it takes no room.
MemoryPlan plan_memory(const ir::Graph& graph, const std::vector<bool>& internal, const Region& region,
                       const sim::Target& target);

device::Format format_of(const ir::Value& value);  // throws Error(unsupported) naming the value
std::int64_t bytes_of(const ir::Value& value);     // packed

}  // namespace vaip::compiler
