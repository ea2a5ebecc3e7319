#include "ir/graph.h"

#include "base/error.h"

namespace vaip::ir {
namespace {

void bind_input(Value& value, const Shape& shape) {
  const auto contradicts = [&] {
    if (shape.size() != value.shape.size() || !is_static(shape)) return true;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (value.shape[i] != kDynamic && value.shape[i] != shape[i]) return true;
    }
    return false;
  };
  if (contradicts()) {
    fail(ErrorKind::invalid_argument, "input `", value.name, "` has the shape ", to_string(shape),
         "; the model declares ", to_string(value.shape));
  }
  value.shape = shape;
}

}  // namespace

Graph bind_shapes(const Graph& graph, const std::vector<Shape>& input_shapes) {
  if (input_shapes.size() != graph.inputs.size()) {
    fail(ErrorKind::invalid_argument, input_shapes.size(), " input shapes were given; the model has ",
         graph.inputs.size(), " inputs");
  }
  Graph bound = graph;
  for (std::size_t i = 0; i < input_shapes.size(); ++i) bind_input(bound.value(bound.inputs[i]), input_shapes[i]);
  for (const Layer& layer : bound.layers) {
    const std::vector<Shape> shapes = infer_shapes(bound, layer);
    for (std::size_t i = 0; i < layer.outputs.size(); ++i) {
      if (layer.outputs[i] == kNoValue) continue;
      if (!is_static(shapes[i])) {
        fail(ErrorKind::internal, layer.op, " `", layer.name, "`: output ", i, " has the shape ", to_string(shapes[i]),
             " although all inputs are known");
      }
      bound.value(layer.outputs[i]).shape = shapes[i];
    }
  }
  return bound;
}

std::int64_t macs(const Graph& graph, const Layer& layer) {
  if (layer.as<ConvAttrs>() || layer.as<IntegerConvAttrs>()) {
    const Shape& weight = graph.value(layer.inputs[1]).shape;
    const Shape per_output(weight.begin() + 1, weight.end());
    return element_count(graph.value(layer.outputs[0]).shape) * element_count(per_output);
  }
  if (layer.as<ConvTransposeAttrs>()) {
    const Shape& weight = graph.value(layer.inputs[1]).shape;
    const Shape per_input(weight.begin() + 1, weight.end());
    return element_count(graph.value(layer.inputs[0]).shape) * element_count(per_input);
  }
  const auto* matmul = layer.as<MatMulAttrs>();
  if (matmul || layer.as<IntegerMatMulAttrs>()) {
    const Shape& a = graph.value(layer.inputs[0]).shape;
    const bool rows_first = matmul && matmul->transpose_a && a.size() > 1;
    const std::int64_t inner = rows_first ? a[a.size() - 2] : a.back();
    return element_count(graph.value(layer.outputs[0]).shape) * inner;
  }
  return 0;
}

}  // namespace vaip::ir
