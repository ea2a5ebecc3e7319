// Operators that exporters write out as several nodes with float values in between: LayerNormalization, its form
// without the mean (RMSNormalization), Gelu.
#pragma once

#include <string>
#include <vector>

#include "frontend/graph_index.h"

namespace vaip::frontend {

struct Decomposed {
  std::vector<std::size_t> nodes;  // in the graph's order: the last one's output is the operator's
  std::string input;               // what the operator is applied to
  ir::LayerAttrs attrs;            // NormalizationAttrs but for the axis, or ElementwiseAttrs
  std::vector<std::int64_t> axes;  // of the means
  std::string scale, bias;         // "": none
};

// All of them. Nothing but their own nodes reads the values in between.
std::vector<Decomposed> find_decomposed(const GraphIndex& index);

}  // namespace vaip::frontend
