// Recognition: which nodes become which units, what the values' parameters are, and the reasons of what is left.
#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"
#include "check.h"
#include "ir/binding.h"
#include "onnx_builder.h"

using namespace vaip::test;
using vaip::frontend::recognise;
using vaip::frontend::Recognition;
using vaip::frontend::Unit;
namespace frontend = vaip::frontend;
namespace ir = vaip::ir;
using ir::DType;
using Kind = ir::Activation::Kind;

namespace {

std::string nodes_of(const Recognition& r, const std::string& layer) {
  const Unit* unit = unit_of(r, layer);
  if (!unit) return "no such layer";
  std::string text;
  for (const std::string& name : unit->layer.onnx_nodes) text += (text.empty() ? "" : " ") + name;
  return text;
}
const ir::Value& input_of(const Recognition& r, const std::string& layer, std::size_t i) {
  return r.graph.value(unit_of(r, layer)->layer.inputs[i]);
}
const ir::Value& output_of(const Recognition& r, const std::string& layer, std::size_t i = 0) {
  return r.graph.value(unit_of(r, layer)->layer.outputs[i]);
}
std::string reason_of(const frontend::OnnxGraph& graph, const std::string& node) {
  const Recognition r = recognise(graph);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (graph.nodes[i].name == node) return r.reasons[i];
  }
  return "no such node";
}
bool all_claimed(const Recognition& r) {
  return std::all_of(r.reasons.begin(), r.reasons.end(), [](const std::string& reason) { return reason.empty(); });
}
bool mentions(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) std::fprintf(stderr, "  '%s' lacks '%s'\n", text.c_str(), part.c_str());
  return found;
}

// x_q -> DQ -> Conv(w, b) -> c; the caller decides what follows.
OnnxBuilder conv_model(const ir::Shape& input = {1, 3, 8, 8}) {
  OnnxBuilder m;
  m.quantized_input("x", input);
  m.weight("w", {4, 3, 3, 3});
  m.constant<std::int32_t>("b", DType::s32, {4}, {1, 2, 3, 4});
  m.dq("b", "b_f", 0.125F, 0, DType::s32);
  m.node("Conv", {"x_f", "w_f", "b_f"}, {"c"}, {{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 2}}});
  return m;
}

}  // namespace

TEST(a_convolution_takes_in_its_dq_activation_and_q) {
  OnnxBuilder m = conv_model();
  m.node("Relu", {"c"}, {"r"});
  m.quantized_output("r", "y");
  const Recognition r = recognise(m.graph);
  CHECK_EQ(r.units.size(), 1u);
  CHECK_EQ(nodes_of(r, "n_c"), "n_c n_x_f n_w_f n_b_f n_r n_y");
  CHECK(all_claimed(r));
  const ir::Layer& layer = r.graph.layers[0];
  CHECK_EQ(layer.op, "Conv");
  const auto* attrs = layer.as<ir::ConvAttrs>();
  CHECK(attrs->kernel == (Ints{3, 3}) && attrs->strides == (Ints{2, 2}) && attrs->dilations == (Ints{1, 1}));
  CHECK(attrs->pads == (Ints{1, 1, 1, 1}) && attrs->groups == 1 && attrs->activation.kind == Kind::relu);
  const ir::Value& x = input_of(r, "n_c", 0);
  CHECK_EQ(x.name, "x");
  CHECK(x.dtype == DType::u8 && x.quant->scale[0] == 0.5F && x.quant->zero_point[0] == 128 && !x.constant);
  const ir::Value& w = input_of(r, "n_c", 1);
  CHECK(w.dtype == DType::s8 && w.constant && w.quant->scale[0] == 0.25F && w.quant->zero_point[0] == 0);
  const ir::Value& b = input_of(r, "n_c", 2);
  CHECK(b.dtype == DType::s32 && b.constant && b.quant->scale[0] == 0.125F && b.constant->as<std::int32_t>()[3] == 4);
  const ir::Value& y = output_of(r, "n_c");
  CHECK_EQ(y.name, "y");
  CHECK_EQ(ir::to_string(y.shape), "1x4x4x4");
  CHECK(y.quant->scale[0] == 0.5F && y.dtype == DType::u8);
  CHECK(r.graph.inputs == std::vector<ir::ValueId>{layer.inputs[0]});
  CHECK(r.graph.outputs == std::vector<ir::ValueId>{layer.outputs[0]});
  CHECK(r.units[0].nodes[0] == 3);  // the anchor first
}

TEST(an_output_that_is_wanted_as_float_stays_float) {
  OnnxBuilder m = conv_model();
  m.node("Relu", {"c"}, {"r"});
  m.output("c");  // so the Relu cannot be part of the layer
  m.graph.values["r"] = {DType::f32, true, {1, 4, 4, 4}};
  m.quantized_output("r", "y");
  const Recognition r = recognise(m.graph);
  CHECK(output_of(r, "n_c").dtype == DType::f32 && !output_of(r, "n_c").quant);
  CHECK_EQ(output_of(r, "n_c").name, "c");
  CHECK(unit_of(r, "n_c")->layer.as<ir::ConvAttrs>()->activation.kind == Kind::none);
  CHECK_EQ(nodes_of(r, "n_r"), "n_r n_c n_y");  // claimed together with the Conv, whose float result it reads
  CHECK_EQ(input_of(r, "n_r", 0).name, "c");
}

TEST(a_value_that_is_only_moved_or_selected_stays_integers_without_q_and_dq) {
  OnnxBuilder m;
  m.quantized_input("x", {1, 3, 8, 8});
  m.node("MaxPool", {"x_f"}, {"p"}, {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}});
  m.node("Relu", {"p"}, {"r"});  // part of the pool's layer: nothing reads p but it
  m.node("Flatten", {"r"}, {"f"});
  m.weight("w", {48, 2});
  m.node("Gemm", {"f", "w_f"}, {"g"});
  m.quantized_output("g", "y");
  Recognition r = recognise(m.graph);
  CHECK(all_claimed(r));
  CHECK_EQ(r.units.size(), 3u);
  const ir::Value pooled = output_of(r, "n_p"), source = input_of(r, "n_p", 0);
  CHECK(pooled.dtype == source.dtype && pooled.quant && pooled.quant == source.quant);
  CHECK(input_of(r, "n_g", 0).dtype == source.dtype && input_of(r, "n_g", 0).quant == source.quant);

  m.output("r");  // the float values are wanted, too
  r = recognise(m.graph);
  CHECK(all_claimed(r));
  CHECK_EQ(r.units.size(), 4u);
  const auto dequantized = std::find_if(
      r.units.begin(), r.units.end(), [](const Unit& unit) { return unit.layer.as<ir::DequantizeAttrs>() != nullptr; });
  CHECK(dequantized != r.units.end());
  CHECK_EQ(r.graph.value(dequantized->layer.outputs[0]).name, "r");
  CHECK_EQ(dequantized->layer.op, "DequantizeLinear");
  CHECK_EQ(r.graph.outputs.size(), 2u);
}

TEST(a_product_needs_integers) {
  OnnxBuilder m = conv_model();
  m.node("Sigmoid", {"c"}, {"s"});
  m.output("c");
  m.weight("w2", {2, 4, 1, 1});
  m.node("Conv", {"s", "w2_f"}, {"d"});
  m.quantized_output("d", "y");
  CHECK(mentions(reason_of(m.graph, "n_d"), "input `s` is float; quantize it"));
}

TEST(two_quantizations_of_one_result_are_two_layers) {
  OnnxBuilder m = conv_model();
  m.quantized_output("c", "y1");
  m.output(m.q("c", "y2", 0.25F, 7));
  const Recognition r = recognise(m.graph);
  CHECK(all_claimed(r));
  CHECK(output_of(r, "n_c").dtype == DType::f32);
  CHECK(unit_of(r, "n_y1")->layer.as<ir::QuantizeAttrs>() && unit_of(r, "n_y2")->layer.as<ir::QuantizeAttrs>());
  CHECK_EQ(r.graph.outputs.size(), 2u);
  CHECK_EQ(r.graph.value(r.graph.outputs[1]).quant->zero_point[0], 7);
}

TEST(per_channel_weights_and_negative_axes) {
  OnnxBuilder m;
  m.quantized_input("x", {1, 3, 8, 8});
  m.s8("w", {4, 3, 1, 1});
  m.floats("ws", {4}, {1, 2, 3, 4});
  m.node("DequantizeLinear", {"w", "ws"}, {"w_f"}, {{"axis", std::int64_t{-4}}});  // no zero point
  m.node("Conv", {"x_f", "w_f"}, {"c"});
  m.quantized_output("c", "y");
  Recognition r = recognise(m.graph);
  CHECK(all_claimed(r));
  const ir::Value& w = input_of(r, "n_c", 1);
  CHECK(w.quant->scale == (std::vector<float>{1, 2, 3, 4}) && w.quant->axis == 0 &&
        w.quant->zero_point == std::vector<int>(4, 0));
  CHECK_EQ(unit_of(r, "n_c")->layer.inputs[2], ir::kNoValue);

  m.graph.nodes[1].attributes["axis"] = std::int64_t{1};
  CHECK_THROWS(recognise(m.graph), "has 4 scales along axis 1 of 4x3x1x1");
  m.floats("ws", {3}, {1, 2, 3});
  CHECK(mentions(reason_of(m.graph, "n_c"), "weight `w` has per-channel parameters along axis 1"));
  m.floats("ws", {1}, {2});  // one entry: per tensor, whatever the axis
  r = recognise(m.graph);
  CHECK(all_claimed(r) && input_of(r, "n_c", 1).quant->per_tensor());
  m.graph.nodes[1].attributes["axis"] = std::int64_t{9};
  CHECK(all_claimed(recognise(m.graph)));
}

TEST(a_shared_dq_belongs_to_each_unit_and_becomes_a_layer_where_its_float_is_wanted) {
  OnnxBuilder m;
  m.quantized_input("x", {1, 4});
  m.node("Relu", {"x_f"}, {"a"});
  m.quantized_output("a", "ya");
  m.node("Sigmoid", {"x_f"}, {"b"});
  m.quantized_output("b", "yb");
  Recognition r = recognise(m.graph);
  CHECK(all_claimed(r));
  CHECK_EQ(r.units.size(), 2u);
  CHECK_EQ(nodes_of(r, "n_a"), "n_a n_x_f n_ya");
  CHECK_EQ(nodes_of(r, "n_b"), "n_b n_x_f n_yb");
  CHECK_EQ(r.graph.inputs.size(), 1u);

  m.node("Det", {"x_f"}, {"l"});
  r = recognise(m.graph);
  CHECK_EQ(r.units.size(), 3u);
  CHECK(r.graph.layers[0].as<ir::DequantizeAttrs>());  // first, in topological order
  CHECK_EQ(nodes_of(r, "n_x_f"), "n_x_f");
  CHECK_EQ(output_of(r, "n_x_f").name, "x_f");
  CHECK_EQ(input_of(r, "n_x_f", 0).name, "x");  // two values
  CHECK(reason_of(m.graph, "n_l").rfind("VAIP has no such layer on the IPU: ", 0) ==
        0);  // whoever prints it names the node

  m.graph.nodes.pop_back();
  m.output("x_f");
  CHECK_EQ(recognise(m.graph).units.size(), 3u);
  m.graph.outputs.pop_back();
  m.node("Loop", {}, {"l"}).has_subgraph = true;
  m.graph.nodes.back().implicit_inputs = {"x_f"};
  CHECK_EQ(recognise(m.graph).units.size(), 3u);
  CHECK(mentions(reason_of(m.graph, "n_l"), "control flow"));
}

TEST(a_shared_constant_is_claimed_with_its_reader_and_made_float_for_others) {
  OnnxBuilder m;
  m.quantized_input("x", {1, 4});
  m.weight("w", {4, 2});
  m.node("MatMul", {"x_f", "w_f"}, {"p"});
  m.quantized_output("p", "y");
  m.node("LRN", {"w_f"}, {"l"});
  Recognition r = recognise(m.graph);
  CHECK(unit_of(r, "n_w_f") && unit_of(r, "n_w_f")->layer.as<ir::DequantizeAttrs>());
  CHECK(input_of(r, "n_w_f", 0).constant.has_value());
  m.graph.nodes[2].op_type = "LRN";  // nothing claims the weight now
  r = recognise(m.graph);
  CHECK(mentions(reason_of(m.graph, "n_w_f"), "belongs to a constant that no claimed node reads"));
}

TEST(requantization_and_edges) {
  OnnxBuilder m;
  m.input("x", DType::f32, {ir::kDynamic, 4});
  m.q("x", "a", 0.5F, 3);
  m.dq("a", "a_f", 0.5F, 3);
  m.q("a_f", "b", 0.25F, -5, DType::s8);
  m.dq("b", "y", 0.25F, -5, DType::s8);
  m.output("y");
  const Recognition r = recognise(m.graph);
  CHECK(all_claimed(r));
  CHECK_EQ(r.units.size(), 3u);
  CHECK(r.graph.layers[0].as<ir::QuantizeAttrs>() && r.graph.layers[1].as<ir::RequantizeAttrs>() &&
        r.graph.layers[2].as<ir::DequantizeAttrs>());
  CHECK_EQ(nodes_of(r, "n_b"), "n_b n_a_f");
  CHECK_EQ(ir::to_string(output_of(r, "n_y").shape), "?x4");
  const ir::Graph bound = ir::bind_shapes(r.graph, {{7, 4}});
  CHECK_EQ(ir::to_string(bound.value(bound.outputs[0]).shape), "7x4");
}

TEST(amds_names_of_q_and_dq) {
  for (const auto& [domain, prefix] :
       {std::pair{"com.amd.quark", "Extended"}, std::pair{"com.vai.quantize", "Vitis"}}) {
    const std::string quantize = std::string(prefix) + "QuantizeLinear",
                      dequantize = std::string(prefix) + "DequantizeLinear";
    OnnxBuilder m;
    m.input("x", DType::u8, {1, 4, 5, 5});
    m.floats("s", {}, {0.5F});
    m.scalar_zero_point("z", DType::u8, 3);
    m.s8("w", {2, 4, 1, 1});
    m.floats("ws", {2}, {0.5F, 0.25F});
    m.constant<std::int8_t>("wz", DType::s8, {2}, {0, 0});
    m.node(dequantize, {"x", "s", "z"}, {"x_f"}, {}, domain);
    m.node(dequantize, {"w", "ws", "wz"}, {"w_f"}, {}, domain);
    m.node("Conv", {"x_f", "w_f"}, {"c"});
    m.node(quantize, {"c", "s", "z"}, {"y"}, {}, domain);
    m.output("y");
    const Recognition r = recognise(m.graph);
    CHECK(all_claimed(r));
    CHECK_EQ(r.units.size(), 1u);
    CHECK_EQ(r.graph.value(r.graph.layers[0].inputs[1]).quant->axis, 0);  // where the node names none; ONNX's is 1

    m.graph.nodes[0].domain = "com.example";
    CHECK(mentions(recognise(m.graph).reasons[0], "(domain com.example)"));
  }
}

TEST(integers_that_are_only_moved_keep_their_parameters) {
  OnnxBuilder m;
  m.input("x", DType::u8, {1, 4, 6, 6});
  m.node("MaxPool", {"x"}, {"p"}, {{"kernel_shape", Ints{2, 2}}});
  m.node("Transpose", {"p"}, {"t"});
  m.dq("t", "t_f", 0.25F, 7);
  m.node("Relu", {"t_f"}, {"r"});
  m.quantized_output("r", "y");
  const Recognition r = recognise(m.graph);
  CHECK(all_claimed(r));
  for (const char* name : {"n_p", "n_t"}) {
    const ir::Value& value = output_of(r, name);
    CHECK(value.dtype == DType::u8 && value.quant->scale[0] == 0.25F && value.quant->zero_point[0] == 7);
  }

  OnnxBuilder alone;  // nothing tells what the integers stand for: themselves
  alone.input("x", DType::s8, {1, 4, 6, 6});
  alone.node("MaxPool", {"x"}, {"y"}, {{"kernel_shape", Ints{2, 2}}});
  alone.output("y");
  CHECK(output_of(recognise(alone.graph), "n_y").quant->scale[0] == 1.0F);

  OnnxBuilder sum;
  sum.input("x", DType::f32, {4});
  sum.q("x", "a");
  sum.graph.values["a"] = {DType::u8, true, {4}};
  sum.node("Add", {"a", "a"}, {"y"});  // of the integers, not of what they stand for
  sum.output("y");
  CHECK(recognise(sum.graph).reasons[1] == "input `a` is uint8; tensors are read through a DequantizeLinear only");
}

TEST(an_interior_value_that_is_an_output_stays_one) {
  OnnxBuilder m;
  m.quantized_input("x", {1, 4});
  m.node("Relu", {"x_f"}, {"a"});
  m.q("a", "a_q");
  m.dq("a_q", "a_f");
  m.node("Tanh", {"a_f"}, {"t"});
  m.quantized_output("t", "y");
  m.output("a_q");
  const Recognition r = recognise(m.graph);
  CHECK(all_claimed(r));
  CHECK_EQ(r.graph.outputs.size(), 2u);
  CHECK_EQ(r.graph.value(r.graph.outputs[0]).name, "y");
  CHECK_EQ(r.graph.value(r.graph.outputs[1]).name, "a_q");
  CHECK(unit_of(r, "n_t")->layer.inputs[0] == r.graph.outputs[1]);
}

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

TEST(reasons_say_what_to_change) {
  OnnxBuilder m = conv_model();
  m.quantized_output("c", "y");
  const auto changed = [&](auto change) {
    OnnxBuilder copy = m;
    change(copy);
    return copy.graph;
  };
  CHECK(mentions(reason_of(changed([](OnnxBuilder& b) {
                             b.graph.nodes[3].inputs[1] = b.floats("wf", {4, 3, 3, 3}, std::vector<float>(108));
                           }),
                           "n_c"),
                 "weight `wf` is float; quantize it"));
  CHECK(mentions(
      reason_of(changed([](OnnxBuilder& b) { b.graph.constants.erase("w"), b.input("w", DType::s8, {4, 3, 3, 3}); }),
                "n_c"),
      "weight `w_f` is not constant"));
  CHECK(mentions(reason_of(changed([](OnnxBuilder& b) { b.graph.constants.erase("b_f_s"); }), "n_c"),
                 "DequantizeLinear `n_b_f`: scale `b_f_s` is not a constant"));
  CHECK(mentions(
      reason_of(changed([](OnnxBuilder& b) { b.graph.nodes[3].inputs[2] = b.input("bias", DType::f32, {4}); }), "n_c"),
      "bias `bias` is not constant"));
  CHECK(mentions(
      reason_of(changed([](OnnxBuilder& b) { b.graph.nodes[3].inputs[0] = b.input("xf", DType::f32, {1, 3, 8, 8}); }),
                "n_c"),
      "input `xf` is float; quantize it (no DequantizeLinear before it)"));
  CHECK(mentions(
      reason_of(changed([](OnnxBuilder& b) { b.graph.nodes[3].inputs[0] = b.input("xh", DType::f16, {1, 3, 8, 8}); }),
                "n_c"),
      "`xh` is float16; convert"));
  CHECK(mentions(reason_of(changed([](OnnxBuilder& b) { b.graph.nodes[3].inputs[0] = "x"; }), "n_c"), "`x` is uint8"));
  CHECK(mentions(reason_of(changed([](OnnxBuilder& b) { b.floats("y_s", {}, {0}); }), "n_y"),
                 "scale `y_s` is 0; it must be positive"));
  CHECK(mentions(reason_of(changed([](OnnxBuilder& b) { b.graph.nodes[3].since_version = 99; }), "n_c"),
                 "opset version 99"));
  CHECK(mentions(reason_of(changed([](OnnxBuilder& b) { b.graph.values["x"].has_shape = false; }), "n_c"),
                 "the shape of"));
  const frontend::OnnxGraph per_channel = changed([](OnnxBuilder& b) {
    b.floats("x_f_s", {3}, {1, 2, 3});
    b.constant<std::uint8_t>("x_f_z", DType::u8, {3}, {1, 2, 3});
  });
  CHECK(mentions(reason_of(per_channel, "n_c"), "per-channel scales or zero points of activations are not supported"));
  const frontend::OnnxGraph wide = changed([](OnnxBuilder& b) {
    b.graph.values["x"].dtype = DType::s32;
    b.scalar_zero_point("x_f_z", DType::s32, 0);
  });
  CHECK(mentions(reason_of(wide, "n_c"),
                 "activations of type int32 are not supported (supported: uint8, int8, uint16, int16)"));
  // One tensor read with two meanings: the first counts.
  const frontend::OnnxGraph two = changed([](OnnxBuilder& b) {
    b.dq("x", "other", 0.75F);
    b.node("Relu", {"other"}, {"r"});
  });
  CHECK(mentions(reason_of(two, "n_r"), "differs from that of `x`"));
  CHECK(reason_of(two, "n_c").empty());
}

TEST(float_models_have_reasons_and_no_units) {
  OnnxBuilder m;
  m.input("x", DType::f32, {1, 4});
  m.node("Relu", {"x"}, {"a"});
  m.node("Softmax", {"a"}, {"y"}).name.clear();
  m.output("y");
  const Recognition r = recognise(m.graph);
  CHECK(r.units.empty() && r.graph.inputs.empty() && r.graph.outputs.empty());
  CHECK(r.reasons[0].find("input `x` is float") == 0);
  CHECK(r.reasons[1].find("input `a` comes from no DequantizeLinear") == 0);
}

TEST(shapes_are_inferred_where_the_model_declares_none) {
  OnnxBuilder m = conv_model({ir::kDynamic, 3, 8, 8});
  m.q("c", "c_q");
  m.dq("c_q", "c_f");
  m.node("GlobalAveragePool", {"c_f"}, {"g"});
  m.q("g", "g_q");
  m.dq("g_q", "g_f");
  m.node("Reshape", {"g_f", m.ints("shape", {0, -1})}, {"f"});
  m.quantized_output("f", "y");
  const Recognition r = recognise(m.graph);
  CHECK(all_claimed(r));
  CHECK_EQ(ir::to_string(output_of(r, "n_f").shape), "?x4");
}

TEST(lower_gives_the_graph_of_a_cluster) {
  OnnxBuilder m = conv_model();
  m.node("Relu", {"c"}, {"r"});
  m.quantized_output("r", "y");
  const ir::Graph graph = frontend::lower(m.graph);
  CHECK_EQ(graph.layers.size(), 1u);
  CHECK_EQ(graph.inputs.size(), 1u);
  CHECK_EQ(graph.outputs.size(), 1u);
  m.node("LRN", {"r"}, {"l"});
  CHECK_THROWS(frontend::lower(m.graph), "LRN `n_l`");
  m.graph.nodes.pop_back();
  m.output("nothing");
  CHECK_THROWS(frontend::lower(m.graph), "2 outputs, its layers write 1");
}

// Whatever the partition does, the nodes of units that share none with others must be recognised the same on their own.
TEST(each_unit_lowers_alone_to_the_same_layer) {
  OnnxBuilder m = conv_model();
  m.node("Sigmoid", {"c"}, {"s"});
  m.node("Mul", {"c", "s"}, {"p"});
  m.q("p", "p_q", 0.25F, 3);
  m.dq("p_q", "p1", 0.25F, 3);
  m.node("Split", {"p1", m.ints("sizes", {1, 3})}, {"sa", "sb"}, {{"axis", std::int64_t{1}}});
  m.q("sa", "sa_q");
  m.q("sb", "sb_q", 0.125F, -1, DType::s8);
  m.dq("sa_q", "sa_f");
  m.dq("sb_q", "sb_f", 0.125F, -1, DType::s8);
  m.node("Concat", {"sb_f", "sa_f"}, {"cc"}, {{"axis", std::int64_t{1}}});
  m.q("cc", "cc_q");
  m.dq("cc_q", "cc_f");
  m.q("cc_f", "rq", 0.75F, 1);
  m.dq("rq", "rf", 0.75F, 1);
  m.node("Flatten", {"rf"}, {"fl"});
  m.q("fl", "fl_q");
  m.dq("fl_q", "fl_f");
  m.floats("gw", {64, 2}, std::vector<float>(128, 0.5F));
  m.q("gw", "gw_q", 0.5F, 0, DType::s8);
  m.dq("gw_q", "gw_f", 0.5F, 0, DType::s8);
  m.node("Gemm", {"fl_f", "gw_f"}, {"g"});
  m.output("g");
  const Recognition whole = recognise(m.graph);
  CHECK(all_claimed(whole));
  CHECK_EQ(whole.units.size(), 6u);
  for (const Unit& unit : whole.units) {
    frontend::OnnxGraph cluster;
    cluster.constants = m.graph.constants;
    std::vector<std::size_t> nodes = unit.nodes;
    std::sort(nodes.begin(), nodes.end());
    for (const std::size_t i : nodes) cluster.nodes.push_back(m.graph.nodes[i]);
    for (const ir::ValueId id : unit.layer.inputs) {
      if (id == ir::kNoValue || whole.graph.value(id).constant) continue;
      cluster.inputs.push_back(whole.graph.value(id).name);
      cluster.values[cluster.inputs.back()] = {whole.graph.value(id).dtype, true, whole.graph.value(id).shape};
    }
    for (const ir::ValueId id : unit.layer.outputs) cluster.outputs.push_back(whole.graph.value(id).name);
    const ir::Graph alone = frontend::lower(cluster);
    CHECK_EQ(alone.layers.size(), 1u);
    CHECK_EQ(alone.layers[0].name, unit.layer.name);
    CHECK(alone.layers[0].onnx_nodes == unit.layer.onnx_nodes);
    CHECK_EQ(alone.layers[0].attrs.index(), unit.layer.attrs.index());
    for (std::size_t i = 0; i < alone.layers[0].outputs.size(); ++i) {
      const ir::Value& value = alone.value(alone.layers[0].outputs[i]);
      const ir::Value& expected = whole.graph.value(unit.layer.outputs[i]);
      CHECK(value.name == expected.name && value.dtype == expected.dtype && value.shape == expected.shape &&
            value.quant == expected.quant);
    }
  }
}

TEST(broken_models_are_errors) {
  OnnxBuilder m = conv_model();
  m.quantized_output("c", "y");
  const auto broken = [&](auto change) {
    OnnxBuilder copy = m;
    change(copy.graph);
    return copy.graph;
  };
  CHECK_THROWS(recognise(broken([](auto& g) { g.nodes[3].attributes["pads"] = 1.0F; })),
               "attribute pads has the wrong type");
  CHECK_THROWS(recognise(broken([](auto& g) { g.nodes[3].attributes["group"] = std::int64_t{3}; })), "Conv `n_c`");
  CHECK_THROWS(recognise(broken([](auto& g) { g.nodes[3].attributes["auto_pad"] = std::string("SAME"); })),
               "auto_pad is 'SAME'");
  CHECK_THROWS(recognise(broken([](auto& g) { g.nodes[3].inputs = {"x_f"}; })), "input 1 is missing");
  CHECK_THROWS(recognise(broken([](auto& g) { g.nodes[3].outputs.clear(); })), "has no output");
  CHECK_THROWS(recognise(broken([](auto& g) { g.nodes[4].outputs = {"c"}; })), "`c` already has a producer");
  CHECK_THROWS(recognise(broken([](auto& g) { std::swap(g.nodes[3], g.nodes[4]); })), "produced by a later node");
  CHECK_THROWS(recognise(broken([](auto& g) { g.nodes[4].inputs = {"c"}; })), "needs an input, a scale and an output");
  CHECK_THROWS(recognise(broken([](auto& g) {
                 g.constants["w"].constant.size_bytes = 5;
                 g.nodes[1].inputs[2] = "w";
               })),
               "5 bytes");
}

TEST(a_malformed_node_of_an_accepted_model_has_a_reason) {
  OnnxBuilder m = conv_model();
  m.quantized_output("c", "y");
  m.graph.nodes[3].attributes["auto_pad"] = std::string("SAME");
  const Recognition r = recognise(m.graph, {frontend::Malformed::reason});
  CHECK(mentions(r.reasons[3], "auto_pad is 'SAME'"));
  CHECK(unit_of(r, "n_c") == nullptr);
}

TEST(an_absent_first_output_is_no_layer) {
  OnnxBuilder m;
  m.quantized_input("x", {1, 2, 4});
  m.node("LSTM", {"x_f"}, {"", "h"});
  m.output("h");
  CHECK(mentions(reason_of(m.graph, "n_"), "no such layer"));
}

TEST(surplus_outputs_are_no_layer) {
  OnnxBuilder m;
  m.quantized_input("x", {1, 2, 4});
  m.node("Elu", {"x_f"}, {"e", "surplus"});
  m.quantized_output("e", "y");
  CHECK(mentions(reason_of(m.graph, "n_e"), "has 2 outputs; only the first 1 are supported"));
}

VAIP_TEST_MAIN()
