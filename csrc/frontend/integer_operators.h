// Operators whose tensors are integers with no Q and DQ around them.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "frontend/onnx_graph.h"

namespace vaip::frontend {

// Where an operator lists the parameters of its tensors among its inputs: QLinearConv and its kind.
struct QLinearInputs {
  std::vector<std::size_t> tensors;  // behind each of them come its scale and its zero point
  std::size_t output_scale = 0;      // the output's scale, and its zero point behind it
};
std::optional<QLinearInputs> qlinear_inputs(const Node& node);

// Operators of ai.onnx that only move or select the elements of their first input. What an integer tensor's scale and
// zero point are, those of the result are, too.
bool moves_elements(const Node& node);

}  // namespace vaip::frontend
