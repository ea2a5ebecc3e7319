// Recognition of what is no layer: reasons that say what to change, and models that are errors.
#include <string>
#include <vector>

#include "base/error.h"
#include "check.h"
#include "recognition.h"

using namespace vaip::test;
namespace frontend = vaip::frontend;
namespace ir = vaip::ir;

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
