// What a layer of the graph asks of the array, in the terms of the mapping: from ONNX shapes to loops and bytes.
#pragma once

#include <variant>

#include "compiler/mapping/contraction.h"
#include "compiler/mapping/stream.h"
#include "compiler/mapping/window.h"
#include "compiler/memory_plan.h"
#include "ir/graph.h"

namespace vaip::compiler {

struct Nothing {};  // a view of data that is there already, or an empty tensor
struct HostWork {
  std::int64_t elements = 0;
};

using Problem = std::variant<Nothing, HostWork, Contraction, SlidingWindow, ElementStream, Movement>;

// Throws Error(unsupported) naming the layer for a type that the array does not know.
Problem make_problem(const ir::Graph& graph, const ir::Layer& layer, const MemoryPlan& plan);

}  // namespace vaip::compiler
