// Graphs of recognised layers, without operators of ONNX behind them.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "partition/partition.h"

namespace vaip::test {

inline ir::ConvAttrs convolution(std::size_t spatial_dimensions) {
  ir::ConvAttrs attrs;
  attrs.kernel = attrs.strides = attrs.dilations = ir::Shape(spatial_dimensions, 1);
  attrs.pads = ir::Shape(2 * spatial_dimensions, 0);
  return attrs;
}

// A graph in which every node is a unit of its own unless said otherwise.
class Net {
 public:
  // A recognised layer of one node. Returns its output's name.
  std::string layer(const std::string& op, const std::vector<std::string>& inputs, ir::LayerAttrs attrs,
                    ir::DType dtype = ir::DType::u8) {
    const std::size_t node = add(op, inputs);
    frontend::Unit unit;
    unit.layer.name = graph.nodes[node].name;
    unit.layer.op = op;
    unit.layer.attrs = std::move(attrs);
    unit.nodes = {node};
    for (const std::string& input : inputs) unit.layer.inputs.push_back(value(input, dtype));
    unit.layer.outputs.push_back(value(graph.nodes[node].outputs[0], dtype));
    recognition.units.push_back(std::move(unit));
    return graph.nodes[node].outputs[0];
  }
  std::string conv(std::vector<std::string> inputs) {
    if (inputs.size() == 1) inputs.emplace_back("weight");
    return layer("Conv", inputs, convolution(2));
  }
  std::string relu(const std::string& input) {
    return layer("Relu", {input}, ir::ElementwiseAttrs{{ir::Activation::Kind::relu}});
  }
  std::string other(const std::string& op, const std::vector<std::string>& inputs) {
    const std::size_t node = add(op, inputs);
    recognition.reasons[node] = "no such layer";
    return graph.nodes[node].outputs[0];
  }
  // Makes a node part of a unit too (a shared DequantizeLinear, an activation).
  void share_with(std::size_t unit, std::size_t node) { recognition.units[unit].nodes.push_back(node); }
  frontend::Node& last() { return graph.nodes.back(); }

  partition::Partition partition(const partition::Config& config = {}) {
    recognition.reasons.resize(graph.nodes.size());
    return partition::partition(graph, recognition, config);
  }

  frontend::OnnxGraph graph;
  frontend::Recognition recognition;

 private:
  std::size_t add(const std::string& op, const std::vector<std::string>& inputs) {
    const std::size_t i = graph.nodes.size();
    frontend::Node node;
    node.id = i;
    node.name = "n" + std::to_string(i);
    node.op_type = op;
    node.inputs = inputs;
    node.outputs = {"v" + std::to_string(i)};
    graph.nodes.push_back(std::move(node));
    recognition.reasons.emplace_back();
    return i;
  }
  ir::ValueId value(const std::string& name, ir::DType dtype) {
    const auto found = std::find_if(recognition.graph.values.begin(), recognition.graph.values.end(),
                                    [&name](const ir::Value& v) { return v.name == name; });
    if (found != recognition.graph.values.end()) {
      return static_cast<ir::ValueId>(found - recognition.graph.values.begin());
    }
    ir::Value out;
    out.name = name;
    out.dtype = dtype;
    out.shape = {1, 4, 2, 2};
    if (ir::is_integer(dtype)) out.quant = ir::QuantParams{{0.5F}, {0}, 0};
    return recognition.graph.add_value(out);
  }
};

}  // namespace vaip::test
