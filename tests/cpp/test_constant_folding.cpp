// Shapes and sizes that are known before a model runs become constants; their nodes go.
#include "frontend/constant_folding.h"

#include <limits>
#include <string>
#include <vector>

#include "check.h"
#include "onnx_builder.h"

using namespace vaip::test;
using vaip::frontend::fold_constants;
using vaip::frontend::integer_elements;
namespace ir = vaip::ir;
using ir::DType;
using ir::kDynamic;

namespace {

constexpr std::int64_t kInt32 = 6, kBool = 9, kFloat = 1;  // onnx.TensorProto.DataType

struct Model : OnnxBuilder {
  std::string op(const std::string& type, std::vector<std::string> inputs, Attributes attributes = {}) {
    std::string name = "v" + std::to_string(graph.nodes.size() + 1);
    node(type, std::move(inputs), {name}, std::move(attributes));
    return name;
  }
  std::string scalar(const std::string& name, std::int64_t value) {
    return constant<std::int64_t>(name, DType::s64, {}, {value});
  }
  // The elements of a value after folding, as "shape: elements"; "-" where it is no constant.
  std::string folded(const std::string& name) const {
    const auto found = graph.constants.find(name);
    if (found == graph.constants.end()) return "-";
    std::string text = ir::to_string(found->second.shape) + ":";
    for (const std::int64_t v : integer_elements(found->second, name)) text += " " + std::to_string(v);
    return text;
  }
  // The same of one node, which must have gone.
  std::string fold(const std::string& type, std::vector<std::string> inputs, Attributes attributes = {}) {
    const std::string name = op(type, std::move(inputs), std::move(attributes));
    fold_constants(graph);
    if (graph.constants.count(name) != 0) CHECK(graph.nodes.empty());
    graph.nodes.clear();
    const std::string text = folded(name);
    graph.constants.erase(name);
    return text;
  }
};

}  // namespace

TEST(a_reshape_to_a_computed_shape) {
  // As PyTorch exports x.view(x.size(0), -1, 4) of a tensor with a static shape.
  Model m;
  m.quantized_input("x", {2, 3, 8});
  m.graph.values["x_f"] = {DType::f32, true, {2, 3, 8}};
  const std::string size = m.op("Gather", {m.op("Shape", {"x_f"}), m.scalar("zero", 0)});
  const std::string wide = m.op("Unsqueeze", {size, m.ints("axes", {0})});
  const std::string target = m.op("Concat", {wide, m.ints("rest", {-1, 4})}, {{"axis", std::int64_t{0}}});
  m.node("Reshape", {"x_f", target}, {"r"});
  m.quantized_output("r", "y");
  fold_constants(m.graph);
  CHECK_EQ(m.folded(target), "3: 2 -1 4");
  CHECK_EQ(m.graph.nodes.size(), 3u);  // DQ, Reshape, Q
  const auto recognition = vaip::frontend::recognise(m.graph);
  const auto* unit = unit_of(recognition, "n_r");
  CHECK(unit != nullptr);
  if (unit) CHECK_EQ(ir::to_string(recognition.graph.value(unit->layer.outputs[0]).shape), "2x6x4");
}

TEST(known_dimensions_of_a_dynamic_shape) {
  Model m;
  m.input("x", DType::f32, {kDynamic, 3, 8});
  const std::string shape = m.op("Shape", {"x"});
  const std::string known = m.op("Gather", {shape, m.ints("last", {-1})});
  const std::string unknown = m.op("Gather", {shape, m.ints("first", {0})});
  const std::string product = m.op("Mul", {known, unknown});
  m.output(product);
  m.node("Relu", {known}, {"reader"});
  fold_constants(m.graph);
  CHECK_EQ(m.folded(known), "1: 8");
  CHECK_EQ(m.folded(unknown), "-");
  CHECK_EQ(m.graph.nodes.size(), 4u);  // Shape, the unknown Gather, Mul, Relu

  Model alone;  // a Shape of which only known elements were read goes as well
  alone.input("x", DType::f32, {kDynamic, 3});
  const std::string channels =
      alone.op("Slice", {alone.op("Shape", {"x"}), alone.ints("one", {1}), alone.ints("two", {2})});
  alone.node("Relu", {channels}, {"reader"});
  fold_constants(alone.graph);
  CHECK_EQ(alone.folded(channels), "1: 3");
  CHECK_EQ(alone.graph.nodes.size(), 1u);
}

TEST(single_operators) {
  Model m;
  m.input("x", DType::f32, {2, 3, 4});
  m.ints("a", {7, -7, 6});
  m.ints("b", {2, 2, 0});
  m.ints("c", {2, 2, -3});
  m.ints("minus", {-1});
  m.scalar("five", 5);
  m.constant<std::int64_t>("matrix", DType::s64, {2, 2}, {1, 2, 3, 4});
  CHECK_EQ(m.fold("Shape", {"x"}), "3: 2 3 4");
  CHECK_EQ(m.fold("Shape", {"x"}, {{"start", std::int64_t{-2}}, {"end", std::int64_t{2}}}), "1: 3");
  CHECK_EQ(m.fold("Size", {"x"}), "scalar: 24");
  CHECK_EQ(m.fold("Add", {"a", "five"}), "3: 12 -2 11");
  CHECK_EQ(m.fold("Sub", {"a", "c"}), "3: 5 -9 9");
  CHECK_EQ(m.fold("Mul", {"matrix", "minus"}), "2x2: -1 -2 -3 -4");
  CHECK_EQ(m.fold("Div", {"a", "c"}), "3: 3 -3 -2");  // towards zero
  CHECK_EQ(m.fold("Div", {"a", "b"}), "-");           // by zero: the run's business
  CHECK_EQ(m.fold("Equal", {"b", "c"}), "3: 1 1 0");
  CHECK_EQ(m.fold("Gather", {"matrix", "minus"}, {{"axis", std::int64_t{1}}}), "2x1: 2 4");
  CHECK_EQ(m.fold("Gather", {"a", "five"}), "-");  // out of range
  CHECK_EQ(m.fold("Concat", {"matrix", "matrix"}, {{"axis", std::int64_t{-1}}}), "2x4: 1 2 1 2 3 4 3 4");
  CHECK_EQ(m.fold("Squeeze", {"minus"}), "scalar: -1");
  CHECK_EQ(m.fold("Unsqueeze", {"a", "minus"}), "3x1: 7 -7 6");
  CHECK_EQ(m.fold("Unsqueeze", {"a"}, {{"axes", Ints{0}}}), "1x3: 7 -7 6");
  CHECK_EQ(m.fold("Reshape", {"matrix", "minus"}), "4: 1 2 3 4");
  CHECK_EQ(m.fold("Slice", {"a", "minus", m.ints("far", {std::numeric_limits<std::int64_t>::min()}),
                            m.ints("axis", {0}), "minus"}),
           "3: 6 -7 7");
  CHECK_EQ(m.fold("Slice", {"a"}, {{"starts", Ints{1}}, {"ends", Ints{9}}}), "2: -7 6");
  CHECK_EQ(m.fold("Cast", {"a"}, {{"to", kBool}}), "3: 1 1 1");
  CHECK_EQ(m.fold("Cast", {m.ints("wide", {(std::int64_t{1} << 32) + 5})}, {{"to", kInt32}}), "1: 5");
  CHECK_EQ(m.fold("Range", {"five", m.scalar("end", -1), m.scalar("step", -2)}), "3: 5 3 1");
  CHECK_EQ(m.fold("Range", {"five", m.scalar("same", 5), m.scalar("one", 1)}), "0:");
  CHECK_EQ(m.fold("Where", {m.constant<std::uint8_t>("mask", DType::boolean, {3}, {1, 0, 1}), "a", "five"}),
           "3: 7 5 6");
  const vaip::frontend::TensorData nine{
      DType::s64, {1}, vaip::frontend::make_constant(std::vector<std::byte>(8, std::byte{1}))};
  CHECK_EQ(m.fold("ConstantOfShape", {m.ints("pair", {1, 2})}, {{"value", nine}}),
           "1x2: 72340172838076673 72340172838076673");
  CHECK_EQ(m.fold("Add", {m.ints("most", {std::numeric_limits<std::int64_t>::max()}), "five"}), "-");  // overflows
  CHECK_EQ(m.fold("Add", {"a", "x"}), "-");
}

TEST(floats_made_of_integers) {
  Model m;
  const std::string zeros = m.op("ConstantOfShape", {m.ints("shape", {2, 2})});
  const std::string reals = m.op("Cast", {m.ints("a", {3, -1})}, {{"to", kFloat}});
  m.node("Relu", {zeros}, {"r1"});
  m.node("Relu", {reals}, {"r2"});
  fold_constants(m.graph);
  CHECK_EQ(m.graph.nodes.size(), 2u);
  const auto values = vaip::frontend::float_elements(m.graph.constants.at(reals), reals);
  CHECK(values == std::vector<float>({3.0F, -1.0F}));
  CHECK_EQ(vaip::frontend::float_elements(m.graph.constants.at(zeros), zeros).size(), 4u);
}

TEST(outputs_and_what_subgraphs_read_stay) {
  Model m;
  m.ints("a", {1});
  const std::string output = m.op("Add", {"a", "a"});
  const std::string later = m.op("Add", {output, "a"});
  const std::string read_inside = m.op("Mul", {"a", "a"});
  m.node("If", {later}, {"r"}).implicit_inputs = {read_inside};
  m.output(output);
  m.output("r");
  fold_constants(m.graph);
  CHECK_EQ(m.graph.nodes.size(), 3u);
  CHECK_EQ(m.folded(output), "-");
  CHECK_EQ(m.folded(later), "1: 3");
  CHECK_EQ(m.folded(read_inside), "-");
}

TEST(large_tensors_are_data) {
  Model m;
  const std::string big = m.op("ConstantOfShape", {m.ints("shape", {1 << 20, 1 << 20, 1 << 30})});
  const std::string range =
      m.op("Range", {m.scalar("a", 0), m.scalar("b", std::numeric_limits<std::int64_t>::max()), m.scalar("c", 1)});
  m.output(m.op("Relu", {big}));
  m.output(m.op("Relu", {range}));
  fold_constants(m.graph);
  CHECK_EQ(m.graph.nodes.size(), 4u);
}

VAIP_TEST_MAIN()
