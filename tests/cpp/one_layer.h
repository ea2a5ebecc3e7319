// A graph of one layer, for the tests of shape inference.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ir/graph.h"

namespace vaip::test {

using ir::Shape;

// A graph of one layer: values of the given shapes in, `outputs` values out.
struct OneLayer {
  ir::Graph graph;
  ir::Layer layer;
  OneLayer(ir::LayerAttrs attrs, const std::vector<Shape>& inputs, std::size_t outputs = 1) {
    layer.name = "the_layer";
    layer.op = "Op";
    layer.attrs = std::move(attrs);
    for (const Shape& shape : inputs) layer.inputs.push_back(graph.add_value({"in", ir::DType::u8, shape, {}, {}}));
    for (std::size_t i = 0; i < outputs; ++i)
      layer.outputs.push_back(graph.add_value({"out", ir::DType::u8, {}, {}, {}}));
    graph.layers = {layer};
    graph.inputs = layer.inputs;
    graph.outputs = layer.outputs;
  }
  std::vector<Shape> all() const { return ir::infer_shapes(graph, layer); }
  std::string shape() const { return ir::to_string(all()[0]); }
};
inline std::string infer(ir::LayerAttrs attrs, const std::vector<Shape>& inputs) {
  return OneLayer(std::move(attrs), inputs).shape();
}

inline ir::ConvAttrs conv(Shape strides, Shape pads, Shape dilations, std::int64_t groups = 1) {
  ir::ConvAttrs attrs;
  attrs.strides = std::move(strides);
  attrs.pads = std::move(pads);
  attrs.dilations = std::move(dilations);
  attrs.groups = groups;
  return attrs;
}

}  // namespace vaip::test
