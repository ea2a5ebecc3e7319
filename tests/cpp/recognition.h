// What tests of recognition ask about its result, and a model with a convolution to begin with.
#pragma once

#include <algorithm>
#include <cstdio>
#include <string>

#include "onnx_builder.h"

namespace vaip::test {

using frontend::recognise;
using frontend::Recognition;
using frontend::Unit;
using ir::DType;

inline std::string nodes_of(const Recognition& r, const std::string& layer) {
  const Unit* unit = unit_of(r, layer);
  if (!unit) return "no such layer";
  std::string text;
  for (const std::string& name : unit->layer.onnx_nodes) text += (text.empty() ? "" : " ") + name;
  return text;
}
inline const ir::Value& input_of(const Recognition& r, const std::string& layer, std::size_t i) {
  return r.graph.value(unit_of(r, layer)->layer.inputs[i]);
}
inline const ir::Value& output_of(const Recognition& r, const std::string& layer, std::size_t i = 0) {
  return r.graph.value(unit_of(r, layer)->layer.outputs[i]);
}
inline std::string reason_of(const frontend::OnnxGraph& graph, const std::string& node) {
  const Recognition r = recognise(graph);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (graph.nodes[i].name == node) return r.reasons[i];
  }
  return "no such node";
}
inline bool all_claimed(const Recognition& r) {
  return std::all_of(r.reasons.begin(), r.reasons.end(), [](const std::string& reason) { return reason.empty(); });
}
inline bool mentions(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) std::fprintf(stderr, "  '%s' lacks '%s'\n", text.c_str(), part.c_str());
  return found;
}

// x_q -> DQ -> Conv(w, b) -> c; the caller decides what follows.
inline OnnxBuilder conv_model(const ir::Shape& input = {1, 3, 8, 8}) {
  OnnxBuilder m;
  m.quantized_input("x", input);
  m.weight("w", {4, 3, 3, 3});
  m.constant<std::int32_t>("b", DType::s32, {4}, {1, 2, 3, 4});
  m.dq("b", "b_f", 0.125F, 0, DType::s32);
  m.node("Conv", {"x_f", "w_f", "b_f"}, {"c"}, {{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 2}}});
  return m;
}

}  // namespace vaip::test
