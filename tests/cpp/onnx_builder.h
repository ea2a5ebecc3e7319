// Small ONNX graphs by hand, for tests of the frontend.
#pragma once

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "frontend/constants.h"
#include "frontend/onnx_graph.h"
#include "frontend/recognise.h"

namespace vaip::test {

using frontend::Attribute;
using Attributes = std::map<std::string, Attribute>;
using Ints = std::vector<std::int64_t>;

class OnnxBuilder {
 public:
  frontend::OnnxGraph graph;
  int opset = 17;

  std::string input(const std::string& name, ir::DType dtype, ir::Shape shape) {
    graph.inputs.push_back(name);
    graph.values[name] = {dtype, true, std::move(shape)};
    return name;
  }
  void output(const std::string& name) { graph.outputs.push_back(name); }

  template <typename T>
  std::string constant(const std::string& name, ir::DType dtype, ir::Shape shape, const std::vector<T>& elements) {
    std::vector<std::byte> bytes(elements.size() * sizeof(T));
    if (!bytes.empty()) std::memcpy(bytes.data(), elements.data(), bytes.size());
    graph.constants[name] = {dtype, std::move(shape), frontend::make_constant(std::move(bytes))};
    return name;
  }
  std::string floats(const std::string& name, ir::Shape shape, const std::vector<float>& elements) {
    return constant(name, ir::DType::f32, std::move(shape), elements);
  }
  std::string ints(const std::string& name, const Ints& elements) {
    return constant(name, ir::DType::s64, {static_cast<std::int64_t>(elements.size())}, elements);
  }
  // A weight-like tensor of ones.
  std::string s8(const std::string& name, const ir::Shape& shape) {
    return constant(name, ir::DType::s8, shape,
                    std::vector<std::int8_t>(static_cast<std::size_t>(ir::element_count(shape)), 1));
  }
  std::string scalar_zero_point(const std::string& name, ir::DType dtype, int value) {
    switch (dtype) {
      case ir::DType::u8:
        return constant<std::uint8_t>(name, dtype, {}, {static_cast<std::uint8_t>(value)});
      case ir::DType::s8:
        return constant<std::int8_t>(name, dtype, {}, {static_cast<std::int8_t>(value)});
      case ir::DType::u16:
        return constant<std::uint16_t>(name, dtype, {}, {static_cast<std::uint16_t>(value)});
      case ir::DType::s16:
        return constant<std::int16_t>(name, dtype, {}, {static_cast<std::int16_t>(value)});
      default:
        return constant<std::int32_t>(name, dtype, {}, {value});
    }
  }

  frontend::Node& node(const std::string& op, std::vector<std::string> inputs, std::vector<std::string> outputs,
                       Attributes attributes = {}, const std::string& domain = "") {
    frontend::Node n;
    n.id = graph.nodes.size();
    n.name = "n_" + outputs[0];
    n.op_type = op;
    n.domain = domain;
    n.since_version = domain.empty() ? opset : 1;
    n.inputs = std::move(inputs);
    n.outputs = std::move(outputs);
    n.attributes = std::move(attributes);
    graph.nodes.push_back(std::move(n));
    return graph.nodes.back();
  }

  // QuantizeLinear/DequantizeLinear with a scalar scale and zero point of their own.
  std::string q(const std::string& in, const std::string& out, float scale = 0.5F, int zero_point = 128,
                ir::DType dtype = ir::DType::u8) {
    node("QuantizeLinear", {in, floats(out + "_s", {}, {scale}), scalar_zero_point(out + "_z", dtype, zero_point)},
         {out});
    return out;
  }
  std::string dq(const std::string& in, const std::string& out, float scale = 0.5F, int zero_point = 128,
                 ir::DType dtype = ir::DType::u8) {
    node("DequantizeLinear", {in, floats(out + "_s", {}, {scale}), scalar_zero_point(out + "_z", dtype, zero_point)},
         {out});
    return out;
  }
  // A quantized graph input `name` of type uint8, and the float that a DequantizeLinear makes of it.
  std::string quantized_input(const std::string& name, ir::Shape shape, float scale = 0.5F) {
    return dq(input(name, ir::DType::u8, std::move(shape)), name + "_f", scale);
  }
  // A constant weight of ones behind a DequantizeLinear.
  std::string weight(const std::string& name, const ir::Shape& shape) {
    return dq(s8(name, shape), name + "_f", 0.25F, 0, ir::DType::s8);
  }
  // QuantizeLinear to a graph output.
  void quantized_output(const std::string& value, const std::string& name) { output(q(value, name)); }
};

inline const frontend::Unit* unit_of(const frontend::Recognition& r, const std::string& layer) {
  for (const frontend::Unit& unit : r.units) {
    if (unit.layer.name == layer) return &unit;
  }
  return nullptr;
}

}  // namespace vaip::test
