#include "ir/graph.h"

namespace vaip::ir {

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
