// Recognition of what joins a layer: activations, constant factors, pads, and weights that are quantized in the graph.
#include <algorithm>
#include <string>
#include <vector>

#include "check.h"
#include "recognition.h"

using namespace vaip::test;
namespace frontend = vaip::frontend;
namespace ir = vaip::ir;
using Kind = ir::Activation::Kind;

TEST(gated_activations) {
  // x * sigmoid(x) between Q and DQ, each reader with a DQ of its own
  OnnxBuilder own;
  own.quantized_input("x", {1, 4});
  own.dq("x", "x_f2");
  own.node("Sigmoid", {"x_f"}, {"s"});
  own.node("Mul", {"x_f2", "s"}, {"p"});
  own.quantized_output("p", "y");
  Recognition r = recognise(own.graph);
  CHECK(all_claimed(r));
  CHECK_EQ(r.units.size(), 1u);
  CHECK_EQ(nodes_of(r, "n_p"), "n_p n_x_f2 n_s n_x_f n_y");
  CHECK(unit_of(r, "n_p")->layer.as<ir::ElementwiseAttrs>()->function.kind == Kind::swish);

  // read with other parameters: not the same x
  OnnxBuilder other = own;
  other.floats("x_f2_s", {}, {0.25F});
  CHECK(mentions(reason_of(other.graph, "n_p"), "differs from that of `x`"));
  CHECK(unit_of(recognise(other.graph), "n_s") != nullptr);

  // of another tensor: two layers, claimed together because the value between them is float
  own.graph.nodes[1].inputs[0] = own.input("z", DType::u8, {1, 4});
  r = recognise(own.graph);
  CHECK(output_of(r, "n_s").dtype == DType::f32);
  CHECK_EQ(nodes_of(r, "n_p"), "n_p n_x_f2 n_s n_y");

  // rounded in between: separate layers, because a single function would not round there
  OnnxBuilder rounded;
  rounded.quantized_input("x", {1, 4});
  rounded.node("Sigmoid", {"x_f"}, {"s"});
  rounded.q("s", "s_q", 1.0F / 256, 0);
  rounded.dq("s_q", "s_f", 1.0F / 256, 0);
  rounded.node("Mul", {"x_f", "s_f"}, {"p"});
  rounded.quantized_output("p", "y");
  r = recognise(rounded.graph);
  CHECK(all_claimed(r));
  CHECK_EQ(r.units.size(), 2u);
  CHECK(unit_of(r, "n_p")->layer.as<ir::ArithmeticAttrs>());

  // behind a convolution
  OnnxBuilder conv = conv_model();
  conv.node("Sigmoid", {"c"}, {"s"});
  conv.node("Mul", {"s", "c"}, {"p"});
  conv.quantized_output("p", "y");
  r = recognise(conv.graph);
  CHECK(all_claimed(r));
  CHECK_EQ(r.units.size(), 1u);
  CHECK(unit_of(r, "n_c")->layer.as<ir::ConvAttrs>()->activation.kind == Kind::swish);
  conv.output("s");  // needed outside: the convolution's result stays float
  CHECK(output_of(recognise(conv.graph), "n_c").dtype == DType::f32);
  conv.graph.outputs.pop_back();
  conv.graph.nodes[4].op_type = "HardSigmoid";  // float(1/6) * x is not x / 6
  CHECK(output_of(recognise(conv.graph), "n_c").dtype == DType::f32);
}

TEST(activations_with_constant_parameters_join_the_layer) {
  OnnxBuilder m = conv_model();
  m.floats("lo", {}, {0});
  m.dq(m.constant<std::uint8_t>("hi", DType::u8, {}, {140}), "hi_f");  // (140 - 128) * 0.5
  m.node("Clip", {"c", "lo", "hi_f"}, {"r"});
  m.quantized_output("r", "y");
  Recognition r = recognise(m.graph);
  CHECK(all_claimed(r));
  ir::Activation activation = unit_of(r, "n_c")->layer.as<ir::ConvAttrs>()->activation;
  CHECK(activation.kind == Kind::clip && activation.alpha == 0.0 && activation.beta == 6.0);
  CHECK(mentions(nodes_of(r, "n_c"), "n_hi_f"));

  m.graph.inputs.push_back("lo");
  m.graph.constants.erase("lo");
  r = recognise(m.graph);
  CHECK(output_of(r, "n_c").dtype == DType::f32);
  CHECK(mentions(reason_of(m.graph, "n_r"), "min `lo` is not a constant"));

  OnnxBuilder prelu = conv_model();
  prelu.node("PRelu", {"c", prelu.floats("slope", {1}, {0.25F})}, {"r"});
  prelu.quantized_output("r", "y");
  activation = unit_of(recognise(prelu.graph), "n_c")->layer.as<ir::ConvAttrs>()->activation;
  CHECK(activation.kind == Kind::leaky_relu && activation.alpha == 0.25);
}

TEST(constant_factors_of_the_xint8_flow_join_the_layer) {
  OnnxBuilder pool;
  pool.quantized_input("x", {1, 2, 7, 7});
  pool.node("GlobalAveragePool", {"x_f"}, {"g"});
  pool.node("Mul", {"g", pool.floats("k", {}, {1.0048828125F})}, {"p"});
  pool.quantized_output("p", "y");
  Recognition r = recognise(pool.graph);
  CHECK(all_claimed(r));
  CHECK_EQ(nodes_of(r, "n_g"), "n_g n_x_f n_p n_y");
  ir::Activation activation = unit_of(r, "n_g")->layer.as<ir::ReduceAttrs>()->activation;
  CHECK(activation.kind == Kind::linear && activation.alpha == 1.0048828125 && activation.beta == 0.0);
  pool.floats("k", {1, 2, 1, 1}, {1, 2});  // not one number
  CHECK(output_of(recognise(pool.graph), "n_g").dtype == DType::f32);

  OnnxBuilder gate;
  gate.quantized_input("x", {1, 4});
  gate.node("HardSigmoid", {"x_f"}, {"h"}, {{"alpha", 0.16666667F}});
  gate.node("Mul", {gate.floats("k", {1}, {1.00012207F}), "h"}, {"p"});
  gate.quantized_output("p", "y");
  r = recognise(gate.graph);
  CHECK(all_claimed(r));
  activation = unit_of(r, "n_h")->layer.as<ir::ElementwiseAttrs>()->function;
  CHECK(activation.kind == Kind::scaled_hard_sigmoid && activation.alpha == 0.16666667F &&
        activation.beta == 1.00012207F);
  gate.graph.nodes[1].attributes["beta"] = 0.25F;
  CHECK(output_of(recognise(gate.graph), "n_h").dtype == DType::f32);
}

TEST(zeros_around_an_average_pool_are_its_pads) {
  OnnxBuilder m;
  m.quantized_input("x", {1, 2, 6, 6});
  m.node("Pad", {"x_f", m.ints("pads", {0, 0, 1, 0, 0, 0, 1, 2}), m.floats("v", {}, {0})}, {"p"});
  m.node("AveragePool", {"p"}, {"a"}, {{"kernel_shape", Ints{3, 3}}, {"pads", Ints{0, 0, 0, 0}}});
  m.quantized_output("a", "y");
  Recognition r = recognise(m.graph);
  CHECK(all_claimed(r));
  CHECK_EQ(nodes_of(r, "n_a"), "n_a n_p n_x_f n_y");
  const auto* attrs = unit_of(r, "n_a")->layer.as<ir::PoolAttrs>();
  CHECK(attrs->count_include_pad && attrs->pads == (Ints{1, 0, 1, 2}));
  CHECK_EQ(ir::to_string(output_of(r, "n_a").shape), "1x2x6x6");
  m.floats("v", {}, {1});  // not zeros: two layers, of which the second reads float
  r = recognise(m.graph);
  CHECK(output_of(r, "n_p").dtype == DType::f32);
  CHECK(unit_of(r, "n_a") && input_of(r, "n_a", 0).name == "p");
  m.floats("v", {}, {0});
  m.ints("pads", {0, 1, 1, 0, 0, 0, 1, 2});  // channels, too
  CHECK(unit_of(recognise(m.graph), "n_p") != nullptr);
}

TEST(float_weights_behind_q_and_dq_are_quantized_at_import) {
  OnnxBuilder m;
  m.quantized_input("x", {1, 6});
  // ties to even, saturation at both ends, zero point
  m.floats("w", {6, 1}, {0.25F, 0.75F, -0.25F, 1000.0F, -1000.0F, 1.0F});
  m.q("w", "w_q", 0.5F, 3, DType::s8);
  m.dq("w_q", "w_f", 0.5F, 3, DType::s8);
  m.node("MatMul", {"x_f", "w_f"}, {"p"});
  m.quantized_output("p", "y");
  Recognition r = recognise(m.graph);
  CHECK(all_claimed(r));
  CHECK_EQ(r.units.size(), 1u);
  CHECK_EQ(nodes_of(r, "n_p"), "n_p n_x_f n_w_f n_w_q n_y");
  const ir::Value& w = input_of(r, "n_p", 1);
  CHECK_EQ(w.name, "w_q");
  const auto* q = w.constant->as<std::int8_t>();
  CHECK((std::vector<int>(q, q + 6) == std::vector<int>{3, 5, 3, 127, -128, 5}));

  m.floats("w_f_s", {}, {0.25F});
  CHECK(mentions(reason_of(m.graph, "n_p"),
                 "DequantizeLinear `n_w_f`: its scale or zero point differs from that of `w_q`"));
}

TEST(per_channel_folding_follows_the_axis) {
  OnnxBuilder m;
  m.quantized_input("x", {1, 2});
  m.floats("w", {2, 3}, {1, 2, 3, 4, 5, 6});
  m.floats("s", {3}, {1, 2, 0.5F});
  m.node("QuantizeLinear", {"w", "s", m.constant<std::int8_t>("z", DType::s8, {3}, {0, 1, 0})}, {"w_q"},
         {{"axis", std::int64_t{-1}}});
  m.node("DequantizeLinear", {"w_q", "s", "z"}, {"w_f"}, {{"axis", std::int64_t{1}}});
  m.node("MatMul", {"x_f", "w_f"}, {"p"});
  m.quantized_output("p", "y");
  const Recognition r = recognise(m.graph);
  CHECK(all_claimed(r));
  const auto* q = input_of(r, "n_p", 1).constant->as<std::int8_t>();
  CHECK((std::vector<int>(q, q + 6) == std::vector<int>{1, 2, 6, 4, 3, 12}));  // 5 / 2 = 2.5 -> 2, + 1
}

TEST(types_come_from_zero_points_and_attributes) {
  for (const DType dtype : {DType::u8, DType::s8, DType::u16, DType::s16}) {
    OnnxBuilder m;
    m.input("x", DType::f32, {4});
    m.output(m.q("x", "y", 0.5F, 1, dtype));
    CHECK(output_of(recognise(m.graph), "n_y").dtype == dtype);
  }
  OnnxBuilder m;
  m.opset = 21;
  m.input("x", DType::f32, {4});
  m.node("QuantizeLinear", {"x", m.floats("s", {1}, {0.5F})}, {"y"});
  m.output("y");
  CHECK(output_of(recognise(m.graph), "n_y").dtype == DType::u8);
  m.graph.nodes[0].attributes["output_dtype"] = std::int64_t{3};
  m.graph.nodes[0].attributes["saturate"] = std::int64_t{1};
  CHECK(output_of(recognise(m.graph), "n_y").dtype == DType::s8);
  m.graph.nodes[0].attributes["output_dtype"] = std::int64_t{17};  // an 8-bit float
  CHECK(reason_of(m.graph, "n_y").find("quantizes to other") == 0);
  m.graph.nodes[0].attributes["output_dtype"] = std::int64_t{3};
  m.graph.nodes[0].inputs.push_back(m.scalar_zero_point("z", DType::u8, 0));
  CHECK_THROWS(recognise(m.graph), "output_dtype contradicts");
  m.graph.nodes[0].attributes.clear();
  m.graph.nodes[0].attributes["block_size"] = std::int64_t{2};
  CHECK(mentions(reason_of(m.graph, "n_y"), "blocked"));
  m.graph.nodes[0].attributes.clear();
  m.graph.nodes[0].domain = "com.microsoft";
  CHECK(all_claimed(recognise(m.graph)));
  m.graph.nodes[0].domain = "com.example";
  CHECK(mentions(reason_of(m.graph, "n_y"), "leave this one to another provider (domain com.example)"));
}

VAIP_TEST_MAIN()
