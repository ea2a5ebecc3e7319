#include "frontend/constant_folding.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "frontend/constant_evaluation.h"
#include "ir/binding.h"

namespace vaip::frontend {
namespace {

TensorData as_constant(const Integers& x) {
  std::vector<std::int64_t> elements;
  for (const Integers::Element& element : x.elements) elements.push_back(*element);
  return {x.dtype, x.shape, ir::integer_constant(x.dtype, elements)};
}

}  // namespace

void fold_constants(OnnxGraph& graph) {
  // What more than the graph's nodes know by name.
  std::unordered_set<std::string> needed(graph.outputs.begin(), graph.outputs.end());
  for (const Node& node : graph.nodes) needed.insert(node.implicit_inputs.begin(), node.implicit_inputs.end());

  ConstantEvaluator evaluator(graph);
  std::vector<bool> gone(graph.nodes.size(), false), partly_known(graph.nodes.size(), false);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    std::optional<Integers> result = evaluator.integers(node);
    if (result) {
      const bool complete = std::all_of(result->elements.begin(), result->elements.end(),
                                        [](const Integers::Element& element) { return element.has_value(); });
      gone[i] = complete && needed.count(node.outputs[0]) == 0;
      partly_known[i] = !complete;
      if (gone[i]) graph.constants[node.outputs[0]] = as_constant(*result);
      evaluator.remember(node.outputs[0], *std::move(result));
    } else if (auto floats = evaluator.floats(node); floats && needed.count(node.outputs[0]) == 0) {
      gone[i] = true;
      graph.constants[node.outputs[0]] = *std::move(floats);
    }
  }
  // Nodes of which only known elements were read have no reader any more.
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    const Node& node = graph.nodes[i];
    if (partly_known[i] && needed.count(node.outputs[0]) == 0) gone[i] = true;
    if (!gone[i]) needed.insert(node.inputs.begin(), node.inputs.end());
  }
  std::vector<Node> left;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!gone[i]) left.push_back(std::move(graph.nodes[i]));
  }
  graph.nodes = std::move(left);
}

}  // namespace vaip::frontend
