// Recognition of layers that repeat or pick elements, compare them, or make indices, and of plain integers and
// booleans.
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "check.h"
#include "onnx_builder.h"

using namespace vaip::test;
using vaip::frontend::recognise;
using vaip::frontend::Recognition;
namespace ir = vaip::ir;
using ir::DType;

namespace {

constexpr std::int64_t kInt32 = 6, kInt64 = 7, kBool = 9, kFloat16 = 10, kFloat = 1;  // onnx.TensorProto.DataType

// A model whose node of interest makes `r`.
struct Model {
  OnnxBuilder m;
  Recognition r;

  explicit Model(int opset = 17) { m.opset = opset; }
  Model& recognised() {
    r = recognise(m.graph);
    return *this;
  }
  std::string reason(const std::string& node = "n_r") const {
    for (std::size_t i = 0; i < m.graph.nodes.size(); ++i) {
      if (m.graph.nodes[i].name == node) return r.reasons[i];
    }
    return "no such node";
  }
  bool declined(const std::string& part) const {
    const bool found = reason().find(part) != std::string::npos;
    if (!found) std::fprintf(stderr, "  reason '%s' lacks '%s'\n", reason().c_str(), part.c_str());
    return found;
  }
  const ir::Layer& layer(const std::string& node = "n_r") const {
    static const ir::Layer none{};
    if (!reason(node).empty()) std::fprintf(stderr, "  %s\n", reason(node).c_str());
    const vaip::frontend::Unit* unit = unit_of(r, node);
    CHECK(unit != nullptr);
    return unit ? unit->layer : none;
  }
  template <typename Attrs>
  Attrs as(const std::string& node = "n_r") const {
    const Attrs* attrs = layer(node).as<Attrs>();
    CHECK(attrs != nullptr);
    return attrs ? *attrs : Attrs{};
  }
  const ir::Value& output(std::size_t i = 0, const std::string& node = "n_r") const {
    static const ir::Value none{};
    const ir::Layer& found = layer(node);
    return i < found.outputs.size() ? r.graph.value(found.outputs[i]) : none;
  }
  std::string shape(std::size_t i = 0) const { return ir::to_string(output(i).shape); }
};

// x (uint8) -> DQ -> op(x, more...) -> Q.
Model one(const std::string& op, ir::Shape x, const std::vector<std::string>& more = {}, Attributes attributes = {},
          const std::function<void(OnnxBuilder&)>& prepare = {}, int opset = 17) {
  Model model(opset);
  model.m.quantized_input("x", std::move(x));
  if (prepare) prepare(model.m);
  std::vector<std::string> inputs = {"x_f"};
  inputs.insert(inputs.end(), more.begin(), more.end());
  model.m.node(op, inputs, {"r"}, std::move(attributes));
  model.m.quantized_output("r", "y");
  return model.recognised();
}

}  // namespace

TEST(repeats_and_blocks) {
  const auto ints = [](const char* name, Ints values) {
    return [name, values](OnnxBuilder& m) { m.ints(name, values); };
  };
  CHECK_EQ(one("Expand", {3, 1}, {"s"}, {}, ints("s", {2, 1, 4})).shape(), "2x3x4");
  CHECK_EQ(one("Tile", {3, 1}, {"s"}, {}, ints("s", {2, 5})).shape(), "6x5");
  CHECK(one("Tile", {3, 1}, {"s"}, {}, ints("s", {2, 5}), 1).declined("before 6"));
  CHECK(one("Expand", {3, 1}, {"s"}, {}, [](OnnxBuilder& m) {
          m.input("s", DType::s64, {2});
        }).declined("shape `s` is computed at run time; it must be a constant"));
  CHECK(one("Tile", {3, 1}, {"s"}, {}, [](OnnxBuilder& m) {
          m.input("s", DType::s64, {2});
        }).declined("repeats `s` is computed at run time"));

  const Model depth =
      one("DepthToSpace", {1, 8, 2, 3}, {}, {{"blocksize", std::int64_t{2}}, {"mode", std::string("CRD")}});
  CHECK_EQ(depth.shape(), "1x2x4x6");
  CHECK(depth.as<ir::SpaceDepthAttrs>().order == ir::SpaceDepthAttrs::Order::crd);
  const Model space = one("SpaceToDepth", {1, 2, 4, 6}, {}, {{"blocksize", std::int64_t{2}}});
  CHECK_EQ(space.shape(), "1x8x2x3");
  CHECK(space.as<ir::SpaceDepthAttrs>().op == ir::SpaceDepthAttrs::Op::space_to_depth);
}

TEST(gathers) {
  Model rows;
  rows.m.input("i", DType::s64, {2, 5});
  rows.m.weight("table", {30, 8});
  rows.m.node("Gather", {"table_f", "i"}, {"r"});
  rows.m.node("Relu", {"r"}, {"z"});
  rows.m.quantized_output("z", "y");
  rows.recognised();
  // Without Q behind it the result keeps the table's parameters.
  CHECK_EQ(rows.shape(), "2x5x8");
  CHECK(rows.output().dtype == DType::s8 && rows.output().quant && rows.output().quant->scale[0] == 0.25F);
  CHECK_EQ(rows.r.graph.inputs.size(), 1u);
  CHECK(rows.r.graph.value(rows.r.graph.inputs[0]).dtype == DType::s64);

  const auto with_indices = [](DType dtype) { return [dtype](OnnxBuilder& m) { m.input("i", dtype, {4}); }; };
  CHECK_EQ(one("Gather", {3, 9}, {"i"}, {{"axis", std::int64_t{-1}}}, with_indices(DType::s32)).shape(), "3x4");
  CHECK(one("Gather", {3, 9}, {"i"}, {}, with_indices(DType::u8)).declined("the indices are uint8"));
  CHECK(one("Gather", {3, 9}, {"i"}, {}, with_indices(DType::f32)).declined("indices `i`"));
  CHECK_EQ(one("GatherElements", {3, 9}, {"i"}, {{"axis", std::int64_t{1}}},
               [](OnnxBuilder& m) { m.input("i", DType::s64, {2, 4}); })
               .shape(),
           "2x4");
  const Model nd = one("GatherND", {3, 9, 5}, {"i"}, {{"batch_dims", std::int64_t{1}}},
                       [](OnnxBuilder& m) { m.input("i", DType::s64, {3, 7, 1}); });
  CHECK_EQ(nd.shape(), "3x7x5");
  CHECK_EQ(nd.as<ir::GatherAttrs>().batch_dims, 1);

  Model floats;
  floats.m.input("i", DType::s64, {2});
  floats.m.floats("table", {2, 1}, {1, 2});
  floats.m.node("Gather", {"table", "i"}, {"r"});
  floats.m.output("r");
  CHECK(floats.recognised().declined("table `table` is float; quantize it"));
  Model per_row;
  per_row.m.input("i", DType::s64, {2});
  per_row.m.node("DequantizeLinear", {per_row.m.s8("t", {2, 3}), per_row.m.floats("s", {2}, {1, 2})}, {"t_f"},
                 {{"axis", std::int64_t{0}}});
  per_row.m.node("Gather", {"t_f", "i"}, {"r"});
  per_row.m.output("r");
  CHECK(per_row.recognised().declined("per-channel parameters of the constant"));
}

TEST(indices_made) {
  const Model arg = one("ArgMax", {2, 5}, {}, {{"keepdims", std::int64_t{0}}, {"select_last_index", std::int64_t{1}}});
  CHECK(arg.output().dtype == DType::s64 && !arg.output().quant);
  CHECK_EQ(arg.shape(), "5");
  CHECK(arg.as<ir::ArgAttrs>().select_last);

  const auto top = [](int opset, bool as_input) {
    Model model(opset);
    model.m.quantized_input("x", {2, 5});
    if (as_input) model.m.ints("k", {3});
    Attributes attributes;
    if (!as_input) attributes["k"] = std::int64_t{3};
    model.m.node("TopK", as_input ? std::vector<std::string>{"x_f", "k"} : std::vector<std::string>{"x_f"}, {"r", "i"},
                 attributes);
    model.m.quantized_output("r", "y");
    model.m.output("i");
    return model.recognised();
  };
  for (const bool as_input : {true, false}) {
    const Model model = top(as_input ? 11 : 9, as_input);
    CHECK_EQ(model.as<ir::TopKAttrs>().k, 3);
    CHECK_EQ(model.shape(), "2x3");
    CHECK_EQ(model.shape(1), "2x3");
    CHECK(model.output(0).dtype == DType::u8 && model.output(1).dtype == DType::s64);
  }

  const Model sums = one("CumSum", {2, 5}, {"a"}, {{"reverse", std::int64_t{1}}},
                         [](OnnxBuilder& m) { m.constant<std::int64_t>("a", DType::s64, {}, {-1}); });
  CHECK(sums.as<ir::CumSumAttrs>().reverse && sums.as<ir::CumSumAttrs>().axis == -1);
}

TEST(conditions) {
  Model model;
  model.m.quantized_input("x", {2, 3});
  model.m.input("mask", DType::boolean, {1, 3});
  model.m.node("Greater", {"x_f", model.m.floats("zero", {}, {0})}, {"c"});
  model.m.node("And", {"c", "mask"}, {"both"});
  model.m.node("Where", {"both", "x_f", model.m.floats("low", {}, {-8})}, {"r"});
  model.m.quantized_output("r", "y");
  model.recognised();
  CHECK(model.as<ir::ComparisonAttrs>("n_c").op == ir::ComparisonAttrs::Op::greater);
  CHECK(model.as<ir::LogicAttrs>("n_both").op == ir::LogicAttrs::Op::logical_and);
  CHECK(model.output(0, "n_both").dtype == DType::boolean);
  CHECK_EQ(model.layer().inputs.size(), 3u);
  CHECK(model.output().quant.has_value());

  Model shift;
  shift.m.input("a", DType::u8, {3});
  shift.m.input("b", DType::u8, {3});
  shift.m.node("BitShift", {"a", "b"}, {"r"}, {{"direction", std::string("RIGHT")}});
  shift.m.output("r");
  CHECK(shift.recognised().as<ir::LogicAttrs>().op == ir::LogicAttrs::Op::shift_right);
  CHECK(shift.output().dtype == DType::u8);

  Model floats;
  floats.m.input("c", DType::boolean, {3});
  floats.m.input("a", DType::f32, {3});
  floats.m.node("Where", {"c", "a", floats.m.floats("b", {}, {0})}, {"r"});
  floats.m.output("r");
  CHECK(floats.recognised().declined("input `a` is float; quantize it"));
  Model mixed;
  mixed.m.input("a", DType::s64, {3});
  mixed.m.input("b", DType::s32, {3});
  mixed.m.node("Equal", {"a", "b"}, {"r"});
  mixed.m.output("r");
  CHECK_THROWS(mixed.recognised(), "its inputs are int64 and int32");
}

TEST(casts) {
  const auto cast = [](DType from, std::int64_t to) {
    Model model;
    model.m.input("x", from, {3});
    model.m.node("Cast", {"x"}, {"r"}, {{"to", to}});
    model.m.output("r");
    return model.recognised();
  };
  CHECK(cast(DType::s64, kBool).output().dtype == DType::boolean);
  CHECK(cast(DType::boolean, kInt32).output().dtype == DType::s32);
  CHECK(cast(DType::s64, kFloat).output().dtype == DType::f32);
  CHECK(cast(DType::s64, kFloat16).declined("a cast to float16 is not supported"));
  CHECK(cast(DType::f32, kInt64).declined("is float; quantize it"));
  CHECK(one("Cast", {2}, {}, {{"to", kInt64}}).declined("a cast of quantized numbers to int64"));
  CHECK(one("Cast", {2}, {}, {{"to", kFloat}}).output().quant.has_value());  // from float to float: nothing happens
}

TEST(plain_tensors_are_moved_as_they_are) {
  Model model;
  model.m.input("x", DType::s64, {2, 3});
  model.m.node("Unsqueeze", {"x", model.m.ints("axes", {1})}, {"wide"});
  model.m.node("Concat", {"wide", "wide"}, {"r"}, {{"axis", std::int64_t{1}}});
  model.m.output("r");
  model.recognised();
  CHECK_EQ(model.shape(), "2x2x3");
  CHECK(model.output().dtype == DType::s64 && !model.output().quant);

  // An integer tensor that is read as a quantized one has parameters, and so has what is moved of it.
  Model hidden;
  hidden.m.input("x", DType::u8, {2, 3});
  hidden.m.node("Transpose", {"x"}, {"r"});
  hidden.m.dq("r", "r_f");
  hidden.m.node("Relu", {"r_f"}, {"z"});
  hidden.m.quantized_output("z", "y");
  CHECK(hidden.recognised().output().quant.has_value());
  Model before;
  before.m.q(before.m.input("x", DType::f32, {2, 3}), "q");
  before.m.graph.values["q"] = {DType::u8, true, {2, 3}};
  before.m.node("Transpose", {"q"}, {"r"});
  before.m.output("r");
  CHECK(before.recognised().output().quant.has_value());
}

TEST(floats_of_plain_integers_are_no_reason_to_compute) {
  // As exporters make attention masks: (1 - mask) * -10000, in float.
  Model model;
  model.m.input("mask", DType::s64, {1, 4});
  model.m.node("Cast", {"mask"}, {"f"}, {{"to", kFloat}});
  model.m.node("Sub", {model.m.floats("one", {}, {1}), "f"}, {"r"});
  model.m.output("r");
  CHECK(model.recognised().declined("all of its tensors are float or plain integers; quantize them"));

  // Beside a quantized tensor it is wanted.
  Model wanted;
  wanted.m.input("mask", DType::s64, {1, 4});
  wanted.m.quantized_input("x", {3, 4});
  wanted.m.node("Cast", {"mask"}, {"f"}, {{"to", kFloat}});
  wanted.m.node("Mul", {"x_f", "f"}, {"r"});
  wanted.m.quantized_output("r", "y");
  CHECK_EQ(wanted.recognised().shape(), "3x4");
  CHECK(unit_of(wanted.r, "n_f") != nullptr);
}

VAIP_TEST_MAIN()
