// From a graph with dynamic dimensions to one whose shapes are all static. What follows from shapes alone is known
// then, too: the dimensions that Shape layers read, what is computed with these, the targets of Reshapes.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "ir/graph.h"

namespace vaip::ir {

// The outputs of a layer all of whose inputs are constants; the graph has their shapes. runtime::evaluate is one.
using Evaluate = std::function<std::vector<Constant>(const Graph& graph, const Layer& layer)>;

// A copy of the graph with the inputs' shapes set to `input_shapes` (static, one per graph input) and all others
// inferred. contents: of the inputs that content_inputs() names; may be shorter than the list of inputs. Layers that
// read nothing but constants, Shape layers among them, become constants with `evaluate`; without it, only Shape and
// Range layers do. Throws Error(invalid_argument) naming the input when a shape contradicts the declared one, and
// Error(unsupported) naming the layer where a shape is computed from tensors that are not known.
Graph bind_shapes(const Graph& graph, const std::vector<Shape>& input_shapes,
                  const std::vector<std::optional<Constant>>& contents = {}, const Evaluate& evaluate = nullptr);

// A constant of an integer type or of booleans: the low bytes of each element.
Constant integer_constant(DType dtype, const std::vector<std::int64_t>& elements);

// Per graph input: whether binding needs its elements and not only its shape, because a parameter is computed from it.
std::vector<bool> content_inputs(const Graph& graph);

}  // namespace vaip::ir
