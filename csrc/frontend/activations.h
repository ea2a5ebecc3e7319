// Operators that are scalar functions: on their own a layer, behind another operator part of its layer.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/graph_index.h"

namespace vaip::frontend {

bool is_activation(const Node& node);
std::vector<std::string_view> activation_operators();

// Throws Error(unsupported) when its parameters are no constants.
ir::Activation read_activation(const GraphIndex& index, const Node& node);

// x * sigmoid(x), written as two nodes: the Sigmoid, and the Mul that alone reads it and has the same x as its other
// factor, directly or by another DequantizeLinear of the same tensor. The Mul's index. (The same with HardSigmoid is no
// hard_swish: its alpha is the float next to 1/6.)
std::optional<std::size_t> find_gate(const GraphIndex& index, std::size_t sigmoid);

// The Mul by a constant number that alone reads `value`.
struct Scaling {
  std::size_t mul = 0;
  double factor = 1.0;
};
std::optional<Scaling> find_scaling(const GraphIndex& index, const std::string& value);

}  // namespace vaip::frontend
