// Recognition: which nodes become which units, and what the parameters of their values are.
#include <algorithm>
#include <string>
#include <vector>

#include "check.h"
#include "ir/binding.h"
#include "recognition.h"

using namespace vaip::test;
namespace frontend = vaip::frontend;
namespace ir = vaip::ir;
using Kind = ir::Activation::Kind;

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

VAIP_TEST_MAIN()
