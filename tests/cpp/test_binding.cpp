// What becomes known once shapes are bound: dimensions, what is computed with them, and the layers that read these.
#include "ir/binding.h"

#include <string>
#include <vector>

#include "base/error.h"
#include "check.h"
#include "frontend/recognise.h"
#include "onnx_builder.h"
#include "runtime/evaluate.h"
#include "runtime/executor.h"

using namespace vaip::test;
using vaip::frontend::recognise;
using vaip::frontend::Recognition;
namespace ir = vaip::ir;
namespace runtime = vaip::runtime;
using ir::DType;
using ir::kDynamic;

namespace {

// x, uint8 [batch, sequence, 6] behind a DequantizeLinear, and integers computed from its shape.
struct Model : OnnxBuilder {
  Model() { quantized_input("x", {kDynamic, kDynamic, 6}); }

  std::string op(const std::string& type, std::vector<std::string> inputs, Attributes attributes = {}) {
    std::string name = "v" + std::to_string(graph.nodes.size());
    node(type, std::move(inputs), {name}, std::move(attributes));
    return name;
  }
  std::string number(std::int64_t value) {
    const std::string name = "number " + std::to_string(graph.constants.size());
    return constant<std::int64_t>(name, DType::s64, {}, {value});
  }
  std::string list(const std::vector<std::int64_t>& values) {
    return ints("list " + std::to_string(graph.constants.size()), values);
  }
  std::string size(std::int64_t axis) { return op("Gather", {op("Shape", {"x_f"}), number(axis)}); }
  std::string size_list(std::int64_t axis) { return op("Unsqueeze", {size(axis), list({0})}); }
  std::string concat(std::vector<std::string> parts) {
    return op("Concat", std::move(parts), {{"axis", std::int64_t{0}}});
  }
};

ir::Graph bind(const Recognition& r, const std::vector<ir::Shape>& shapes) {
  return ir::bind_shapes(r.graph, shapes, {}, runtime::evaluate);
}

const ir::Value& named(const ir::Graph& graph, const std::string& name) {
  for (const ir::Value& value : graph.values) {
    if (value.name == name) return value;
  }
  vaip::fail(vaip::ErrorKind::internal, "no value ", name);
}

std::string integers(const ir::Value& value) {
  if (!value.constant) return "not known";
  std::string text = ir::to_string(value.shape) + ":";
  const auto* elements = value.constant->as<std::int64_t>();
  for (std::int64_t i = 0; i < ir::element_count(value.shape); ++i) text += " " + std::to_string(elements[i]);
  return text;
}

std::string layers(const ir::Graph& graph) {
  std::string text;
  for (const ir::Layer& layer : graph.layers) text += (text.empty() ? "" : " ") + layer.op;
  return text;
}

}  // namespace

TEST(a_computed_target_is_known_once_shapes_are) {
  Model m;
  const std::string target = m.concat({m.size_list(0), m.size_list(1), m.list({3, -1})});
  m.quantized_output(m.op("Reshape", {"x_f", target}), "y");
  const Recognition r = recognise(m.graph);
  for (const std::string& reason : r.reasons) CHECK_EQ(reason, "");
  CHECK_EQ(ir::to_string(r.graph.value(r.graph.outputs[0]).shape), "?x?x3x?");

  const ir::Graph bound = bind(r, {{2, 5, 6}});
  CHECK_EQ(layers(bound), "Reshape");
  CHECK_EQ(bound.layers[0].inputs.size(), 1u);
  CHECK_EQ(integers(named(bound, target)), "4: 2 5 3 -1");
  CHECK_EQ(ir::to_string(bound.value(bound.outputs[0]).shape), "2x5x3x2");
  CHECK_EQ(ir::to_string(bind(r, {{3, 3, 6}}).value(bound.outputs[0]).shape), "3x3x3x2");
  CHECK_THROWS(ir::bind_shapes(r.graph, {{2, 5, 6}}), "is not known before the model runs");  // nobody to evaluate
}

TEST(a_target_of_which_every_element_is_known_needs_no_input) {
  Model m;
  m.quantized_output(m.op("Reshape", {"x_f", m.concat({m.list({-1}), m.size_list(2)})}), "y");
  const Recognition r = recognise(m.graph);
  const vaip::frontend::Unit* unit = nullptr;
  for (const auto& u : r.units) unit = u.layer.op == "Reshape" ? &u : unit;
  CHECK(unit && unit->layer.inputs.size() == 1);
  CHECK_EQ(ir::to_string(bind(r, {{2, 5, 6}}).value(r.graph.outputs[0]).shape), "10x6");
}

TEST(ranges_and_sizes) {
  Model m;
  const std::string range = m.op("Range", {m.number(10), m.size(1), m.number(-3)});
  const std::string count = m.op("Size", {"x_f"});
  const std::string last = m.op("Shape", {"x_f"}, {{"start", std::int64_t{-2}}});
  for (const std::string& value : {range, count, last}) m.output(value);
  m.quantized_output("x_f", "y");
  const Recognition r = recognise(m.graph);
  const ir::Graph bound = bind(r, {{2, 3, 6}});
  CHECK_EQ(integers(named(bound, range)), "3: 10 7 4");
  CHECK_EQ(integers(named(bound, count)), "scalar: 36");
  CHECK_EQ(integers(named(bound, last)), "2: 3 6");
  CHECK_EQ(integers(named(bind(r, {{2, 10, 6}}), range)), "0:");
  CHECK_EQ(integers(named(bind(r, {{2, 9, 6}}), range)), "1: 10");

  Model still;
  still.output(still.op("Range", {still.number(0), still.size(1), still.number(0)}));
  CHECK_THROWS(bind(recognise(still.graph), {{2, 3, 6}}), "delta is 0");
}

// Known results that are outputs: the executor copies them there.
TEST(a_known_result_may_be_an_output) {
  Model m;
  const std::string doubled = m.op("Mul", {m.op("Shape", {"x_f"}), m.list({2})});
  m.output(doubled);
  m.quantized_output("x_f", "y");
  const ir::Graph bound = bind(recognise(m.graph), {{2, 3, 6}});
  const runtime::Executor executor(bound);
  std::vector<std::uint8_t> x(36, 9), y(36, 0);
  std::vector<std::int64_t> sizes(3, 0);
  const std::vector<const void*> inputs = {x.data()};
  const std::vector<void*> outputs = {sizes.data(), y.data()};
  executor.run({inputs.data(), inputs.size()}, {outputs.data(), outputs.size()});
  CHECK(sizes == std::vector<std::int64_t>({4, 6, 12}));
  CHECK(y == x);
}

TEST(layers_of_which_only_the_shape_is_read_are_not_executed) {
  Model m;
  const std::string moved = m.op("Transpose", {"x_f"}, {{"perm", std::vector<std::int64_t>{2, 0, 1}}});
  m.quantized_output(m.op("Reshape", {"x_f", m.op("Shape", {moved})}), "y");
  const ir::Graph bound = bind(recognise(m.graph), {{2, 5, 6}});
  CHECK_EQ(layers(bound), "Reshape");
  CHECK_EQ(ir::to_string(bound.value(bound.outputs[0]).shape), "6x2x5");
}

// A cluster may be handed the target by another one.
TEST(elements_of_an_input_that_shapes_are_computed_from) {
  OnnxBuilder m;
  m.quantized_input("x", {kDynamic, 6});
  m.input("rows", DType::s64, {1});
  m.input("mask", DType::boolean, {kDynamic, 6});
  m.ints("six", {6});
  m.node("Concat", {"rows", "six", "six"}, {"target"}, {{"axis", std::int64_t{0}}});
  m.node("Reshape", {"x_f", "target"}, {"shaped"});
  m.node("Expand", {"mask", "target"}, {"wide"});
  m.node("Where", {"wide", "shaped", "shaped"}, {"chosen"});
  m.quantized_output("chosen", "y");
  const ir::Graph graph = vaip::frontend::lower(m.graph);
  CHECK(ir::content_inputs(graph) == std::vector<bool>({false, true, false}));
  const auto bind_to = [&](std::int64_t rows) {
    const std::vector<std::optional<ir::Constant>> contents = {std::nullopt, ir::integer_constant(DType::s64, {rows})};
    return ir::bind_shapes(graph, {{12, 6}, {1}, {1, 6}}, contents, runtime::evaluate);
  };
  CHECK_EQ(ir::to_string(bind_to(2).value(graph.outputs[0]).shape), "2x6x6");
  CHECK_THROWS(bind_to(5), "has another number of elements");
  CHECK_THROWS(ir::bind_shapes(graph, {{12, 6}, {1}, {1, 6}}, {}, runtime::evaluate), "`target` is computed from more");
}

TEST(targets_that_depend_on_data_are_declined) {
  Model m;
  m.input("given", DType::s64, {2});
  m.node("Reshape", {"x_f", "given"}, {"shaped"});
  m.quantized_output("shaped", "y");
  const Recognition r = recognise(m.graph);
  std::string reasons;
  for (const std::string& reason : r.reasons) reasons += reason;
  CHECK(reasons.find("shape `given` is computed at run time") != std::string::npos);
}

VAIP_TEST_MAIN()
