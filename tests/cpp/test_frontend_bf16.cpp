// Float models: which layers are claimed with the conversion to bfloat16, and what the conversion makes of the graph.
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/half.h"
#include "check.h"
#include "frontend/bf16_conversion.h"
#include "frontend/bf16_rounding.h"
#include "onnx_builder.h"

using namespace vaip::test;
namespace frontend = vaip::frontend;
namespace ir = vaip::ir;
using frontend::Recognition;
using ir::DType;
using Kind = ir::Activation::Kind;

namespace {

Recognition converted(const frontend::OnnxGraph& graph) {
  return frontend::recognise(graph, {frontend::Malformed::error, true});
}

bool all_claimed(const Recognition& r) {
  for (const std::string& reason : r.reasons)
    if (!reason.empty()) std::fprintf(stderr, "  %s\n", reason.c_str());
  return std::all_of(r.reasons.begin(), r.reasons.end(), [](const auto& reason) { return reason.empty(); });
}

// "Cast Conv Cast"
std::string operators(const ir::Graph& graph) {
  std::string text;
  for (const ir::Layer& layer : graph.layers) text += (text.empty() ? "" : " ") + layer.op;
  return text;
}

const ir::Layer* layer_of(const ir::Graph& graph, const std::string& name) {
  for (const ir::Layer& layer : graph.layers)
    if (layer.name == name) return &layer;
  std::fprintf(stderr, "  no layer %s\n", name.c_str());
  return nullptr;
}

DType type_in(const ir::Graph& graph, const std::string& layer, std::size_t input) {
  const ir::Layer* found = layer_of(graph, layer);
  return found ? graph.value(found->inputs.at(input)).dtype : DType::undefined;
}
DType type_out(const ir::Graph& graph, const std::string& layer) {
  const ir::Layer* found = layer_of(graph, layer);
  return found ? graph.value(found->outputs.at(0)).dtype : DType::undefined;
}

std::vector<float> ramp(std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 1.0F + static_cast<float>(i) / 1000.0F;
  return values;
}

struct FloatModel : OnnxBuilder {
  std::string tensor(const std::string& name, ir::Shape shape, DType dtype = DType::f32) {
    return input(name, dtype, std::move(shape));
  }
  std::string weights(const std::string& name, const ir::Shape& shape) {
    return floats(name, shape, ramp(ir::element_count(shape)));
  }
  std::string op(const std::string& type, std::vector<std::string> inputs, const std::string& out,
                 Attributes attributes = {}, const std::string& domain = "") {
    node(type, std::move(inputs), {out}, std::move(attributes), domain);
    return out;
  }
  void ends(const std::string& name, DType dtype = DType::f32) {
    graph.values[name].dtype = dtype;
    output(name);
  }
};

}  // namespace

TEST(a_convolution_rounds_its_weights_and_keeps_its_bias) {
  FloatModel m;
  m.tensor("x", {1, 3, 8, 8});
  m.op("Conv", {"x", m.weights("w", {4, 3, 3, 3}), m.weights("b", {4})}, "c");
  m.op("Relu", {"c"}, "y");
  m.ends("y");
  CHECK(!all_claimed(frontend::recognise(m.graph)));
  const Recognition r = converted(m.graph);
  CHECK(all_claimed(r));
  CHECK_EQ(r.units.size(), 1u);  // the Relu joins it

  const ir::Graph graph = frontend::lower(m.graph, true);
  CHECK_EQ(operators(graph), "Cast Conv Cast");
  CHECK(graph.value(graph.inputs[0]).name == "x" && graph.value(graph.inputs[0]).dtype == DType::f32);
  CHECK(graph.value(graph.outputs[0]).name == "y" && graph.value(graph.outputs[0]).dtype == DType::f32);
  CHECK(type_in(graph, "n_c", 0) == DType::bf16);
  CHECK(type_in(graph, "n_c", 1) == DType::bf16);
  CHECK(type_in(graph, "n_c", 2) == DType::f32);
  CHECK(type_out(graph, "n_c") == DType::bf16);
  CHECK(layer_of(graph, "n_c")->as<ir::ConvAttrs>()->activation.kind == Kind::relu);

  const ir::Value& weight = graph.value(layer_of(graph, "n_c")->inputs[1]);
  CHECK_EQ(weight.constant->size_bytes, 2u * 108u);
  const std::vector<float> exact = ramp(108);
  for (std::size_t i = 0; i < exact.size(); ++i)
    CHECK_EQ(weight.constant->as<std::uint16_t>()[i], vaip::to_bfloat16(exact[i]));
  const auto kept =
      std::count_if(graph.values.begin(), graph.values.end(), [](const ir::Value& v) { return v.name == "w"; });
  CHECK_EQ(kept, 1);  // the float32 weights are not held beside the rounded ones
}

// No operator of a model is left out because its tensors are float.
TEST(every_kind_of_layer_is_claimed) {
  FloatModel m;
  m.opset = 18;
  m.tensor("x", {2, 6, 8});
  m.input("ids", DType::s64, {2, 6});
  m.op("Gather", {m.weights("table", {10, 8}), "ids"}, "e");
  m.op("Add", {"x", "e"}, "a");
  m.op("LayerNormalization", {"a", m.weights("g", {8}), m.weights("h", {8})}, "n");
  m.op("MatMul", {"n", m.weights("w1", {8, 8})}, "q");
  m.op("Transpose", {"n"}, "kt", {{"perm", Ints{0, 2, 1}}});
  m.op("MatMul", {"q", "kt"}, "s");
  m.op("Softmax", {"s"}, "p");
  m.op("MatMul", {"p", "n"}, "o");
  m.op("Gelu", {"o"}, "gelu");
  m.op("ReduceMean", {"gelu", m.ints("axes", {1})}, "mean", {{"keepdims", std::int64_t{0}}});
  m.op("Gemm", {"mean", m.weights("w2", {4, 8}), m.weights("b2", {4})}, "logits", {{"transB", std::int64_t{1}}});
  m.op("Greater", {"logits", m.floats("zero", {}, {0.0F})}, "positive");
  m.op("Where", {"positive", "logits", m.floats("low", {}, {-1.0F})}, "chosen");
  m.op("Cast", {"positive"}, "mask", {{"to", std::int64_t{1}}});
  m.op("Mul", {"chosen", "mask"}, "masked");
  m.op("ArgMax", {"masked"}, "best", {{"axis", std::int64_t{1}}});
  m.ends("masked");
  m.ends("best", DType::s64);
  const Recognition r = converted(m.graph);
  CHECK(all_claimed(r));
  const ir::Graph graph = frontend::lower(m.graph, true);
  for (const ir::Value& value : graph.values) {
    const bool at_edge = value.name == "x" || value.name == "masked";
    const bool in_registers = value.name == "b2" || value.name == "g" || value.name == "h";
    if (!at_edge && !in_registers) CHECK(value.dtype != DType::f32);
  }
  CHECK(type_in(graph, "n_e", 0) == DType::bf16);
  CHECK(type_in(graph, "n_e", 1) == DType::s64);
  CHECK(type_out(graph, "n_positive") == DType::boolean);
  CHECK_EQ(std::count_if(graph.layers.begin(), graph.layers.end(), [](const auto& l) { return l.op == "Cast"; }),
           3);  // x, the mask's own, masked
}

TEST(half_precision_models_are_converted_too) {
  FloatModel m;
  m.tensor("x", {2, 4}, DType::f16);
  std::vector<std::uint16_t> halves(16, vaip::to_float16(1.00048828125F));  // lost in bfloat16
  m.constant("w", DType::f16, {4, 4}, halves);
  m.op("MatMul", {"x", "w"}, "y");
  m.op("Cast", {"y"}, "z", {{"to", std::int64_t{1}}});
  m.ends("y", DType::f16);
  m.ends("z");
  CHECK(all_claimed(converted(m.graph)));
  const ir::Graph graph = frontend::lower(m.graph, true);
  CHECK(graph.value(graph.inputs[0]).dtype == DType::f16);
  CHECK(graph.value(graph.outputs[0]).dtype == DType::f16);
  CHECK(graph.value(graph.outputs[1]).dtype == DType::f32);
  const ir::Value& weight = graph.value(layer_of(graph, "n_y")->inputs[1]);
  CHECK(weight.dtype == DType::bf16);
  CHECK_EQ(weight.constant->as<std::uint16_t>()[0], vaip::to_bfloat16(1.0F));
}

// What onnxruntime's fusions leave: one node, several layers.
TEST(fused_operators_become_several_layers) {
  FloatModel m;
  m.tensor("x", {2, 6, 8});
  m.input("mask", DType::s32, {2, 6});
  m.op("Attention", {"x", m.weights("w", {8, 24}), m.weights("b", {24}), "mask"}, "a", {{"num_heads", std::int64_t{2}}},
       "com.microsoft");
  m.op("SkipLayerNormalization", {"a", "x", m.weights("g", {8}), m.weights("h", {8}), m.weights("sb", {8})}, "s", {},
       "com.microsoft");
  m.op("FusedMatMul", {"s", m.weights("w1", {8, 8})}, "f", {{"alpha", 0.5F}, {"transB", std::int64_t{1}}},
       "com.microsoft");
  m.op("BiasGelu", {"f", m.weights("gb", {8})}, "g1", {}, "com.microsoft");
  m.op("FastGelu", {"g1"}, "y", {}, "com.microsoft");
  m.ends("y");
  CHECK(!all_claimed(frontend::recognise(m.graph)));
  const Recognition r = converted(m.graph);
  CHECK(all_claimed(r));
  const ir::Graph graph = frontend::lower(m.graph, true);
  CHECK_EQ(ir::to_string(graph.value(layer_of(graph, "n_a/scores")->outputs[0]).shape), "2x2x6x6");
  CHECK(layer_of(graph, "n_a/scores")->as<ir::MatMulAttrs>()->transpose_b);
  CHECK_EQ(layer_of(graph, "n_a/scores")->as<ir::MatMulAttrs>()->alpha, 0.5);  // one over the root of 4
  CHECK_EQ(ir::to_string(graph.value(layer_of(graph, "n_a")->outputs[0]).shape), "2x6x8");
  CHECK_EQ(layer_of(graph, "n_s/add")->inputs.size(), 3u);
  CHECK_EQ(layer_of(graph, "n_f")->as<ir::MatMulAttrs>()->alpha, 0.5);
  CHECK(layer_of(graph, "n_g1")->as<ir::ArithmeticAttrs>()->activation.kind == Kind::gelu);
  for (const ir::Layer& layer : graph.layers) {
    if (layer.op != "Cast") CHECK(!layer.onnx_nodes.empty());
  }
}

// Layers that a quantizer left out: their weights are float, what they read is quantized.
TEST(quantized_tensors_become_floats_where_the_other_factor_is_one) {
  FloatModel m;
  m.quantized_input("q", {2, 4});
  m.tensor("x", {4, 4});
  m.op("MatMul", {"q_f", m.weights("w", {4, 4})}, "by_weights");
  m.op("MatMul", {"x", m.op("Transpose", {"q_f"}, "q_t")}, "on_the_right");
  m.ends("by_weights");
  m.ends("on_the_right");
  CHECK(!all_claimed(frontend::recognise(m.graph)));
  CHECK(all_claimed(converted(m.graph)));
  const ir::Graph graph = frontend::lower(m.graph, true);
  for (const auto& [layer, position] : {std::pair("n_by_weights", 0U), std::pair("n_on_the_right", 1U)}) {
    const ir::Value& factor = graph.value(layer_of(graph, layer)->inputs[position]);
    CHECK(factor.dtype == DType::bf16);
    CHECK(!factor.quant);
    CHECK(layer_of(graph, std::string(layer) + "/dequantized")->as<ir::DequantizeAttrs>() != nullptr);
  }
}

TEST(unsupported_forms_have_a_reason) {
  FloatModel m;
  m.tensor("x", {2, 6, 8});
  m.tensor("past", {2, 2, 2, 3, 4});
  m.op("Attention", {"x", m.weights("w", {8, 24}), m.weights("b", {24}), "", "past"}, "a",
       {{"num_heads", std::int64_t{2}}}, "com.microsoft");
  m.ends("a");
  CHECK(converted(m.graph).reasons[0].find("its input past is not supported") != std::string::npos);

  FloatModel doubles;
  doubles.tensor("x", {2, 4}, DType::f64);
  doubles.op("Relu", {"x"}, "y");
  doubles.ends("y", DType::f64);
  CHECK(converted(doubles.graph).reasons[0].find("is double; convert the model to float") != std::string::npos);
}

namespace {

std::string round_trip(FloatModel& m, const std::string& in, const std::string& out) {
  const std::string scale = m.floats(out + "_s", {}, {1.0F});
  const std::string zero = m.constant<std::uint16_t>(out + "_z", DType::bf16, {}, {0});
  m.op("ExtendedQuantizeLinear", {in, scale, zero}, out + "_q", {}, "com.amd.quark");
  m.graph.values[out + "_q"] = {DType::bf16, false, {}};
  return m.op("ExtendedDequantizeLinear", {out + "_q", scale, zero}, out, {}, "com.amd.quark");
}

}  // namespace

// The layer between two of Quark's pairs rounds as they do: they cost nothing.
TEST(pairs_of_bf16_are_roundings) {
  FloatModel m;
  m.tensor("x", {2, 4});
  m.op("MatMul", {round_trip(m, "x", "xr"), round_trip(m, m.weights("w", {4, 4}), "wr")}, "y");
  round_trip(m, "y", "yr");
  m.ends("yr");
  CHECK(!frontend::is_quantized(m.graph));
  CHECK(all_claimed(converted(m.graph)));
  const ir::Graph graph = frontend::lower(m.graph, true);
  CHECK_EQ(operators(graph), "Cast MatMul ExtendedDequantizeLinear Cast");
  CHECK(layer_of(graph, "n_yr")->as<ir::ReshapeAttrs>() != nullptr);  // a view
  CHECK(type_in(graph, "n_y", 1) == DType::bf16);
}

TEST(quantized_models_are_known_as_such) {
  FloatModel m;
  m.tensor("x", {2, 4});
  m.op("Relu", {"x"}, "y");
  CHECK(!frontend::is_quantized(m.graph));
  m.q("y", "yq");
  CHECK(frontend::is_quantized(m.graph));
  FloatModel dynamic;
  dynamic.tensor("x", {2, 4});
  dynamic.node("DynamicQuantizeLinear", {"x"}, {"q", "s", "z"});
  CHECK(frontend::is_quantized(dynamic.graph));
}

// Around quantized layers: what they leave to a float layer is bfloat16, their own edges stay float32.
TEST(float_islands_of_quantized_models) {
  FloatModel m;
  m.tensor("x", {1, 4});
  m.q("x", "xq");
  m.dq("xq", "xf");
  m.op("MatMul", {"xf", m.weight("w", {4, 4})}, "a");
  m.op("Softmax", {"a"}, "p");
  m.op("Mul", {"p", "p"}, "m");
  m.q("m", "mq");
  m.dq("mq", "y");
  m.ends("y");
  CHECK(all_claimed(converted(m.graph)));
  const ir::Graph graph = frontend::lower(m.graph, true);
  CHECK(graph.value(graph.inputs[0]).dtype == DType::f32);
  CHECK(graph.value(graph.outputs[0]).dtype == DType::f32);
  CHECK(type_in(graph, "n_xq", 0) == DType::f32);
  CHECK(type_out(graph, "n_a") == DType::bf16);
  CHECK(type_out(graph, "n_p") == DType::bf16);
  CHECK(type_out(graph, "n_m") == DType::u8);
  CHECK_EQ(std::count_if(graph.layers.begin(), graph.layers.end(), [](const auto& l) { return l.op == "Cast"; }), 0);
}

// Quantization at run time works on float32.
TEST(dynamic_quantization_reads_float32) {
  FloatModel m;
  m.tensor("x", {2, 4});
  m.op("Relu", {"x"}, "r");
  m.node("DynamicQuantizeLinear", {"r"}, {"q", "s", "z"});
  m.op("Sqrt", {"s"}, "y");
  m.ends("y");
  CHECK(all_claimed(converted(m.graph)));
  const ir::Graph graph = frontend::lower(m.graph, true);
  CHECK_EQ(operators(graph), "Cast Relu Cast DynamicQuantizeLinear Cast Sqrt Cast");
  CHECK(type_in(graph, "n_q", 0) == DType::f32);
}

// Weights of integers before float activations stand for real numbers.
TEST(quantized_constants_of_float_layers_are_dequantized) {
  FloatModel m;
  m.tensor("x", {2, 4});
  m.op("MatMul", {"x", m.weight("w", {4, 4})}, "y");
  m.ends("y");
  CHECK(all_claimed(converted(m.graph)));
  const ir::Graph graph = frontend::lower(m.graph, true);
  const ir::Value& weight = graph.value(layer_of(graph, "n_y")->inputs[1]);
  CHECK(weight.dtype == DType::bf16 && !weight.quant);
  CHECK_EQ(vaip::from_bfloat16(weight.constant->as<std::uint16_t>()[0]), 0.25F);
}

// The bias that exporters add behind a product is part of its sum; what is no bias is not.
TEST(an_added_bias_belongs_to_the_product) {
  FloatModel m;
  m.tensor("x", {2, 3, 8});
  const std::string sum =
      m.op("Add", {m.weights("bias", {4}), m.op("MatMul", {"x", m.weights("w", {8, 4})}, "p")}, "s");
  m.op("Add", {m.op("MatMul", {m.op("Relu", {sum}, "r"), m.weights("v", {4, 3})}, "q"), m.weights("table", {3, 3})},
       "y");
  m.ends("y");
  const Recognition r = converted(m.graph);
  CHECK(all_claimed(r));
  const ir::Graph graph = frontend::executable(r);
  CHECK_EQ(operators(graph), "Cast MatMul MatMul Add Cast");
  const ir::Layer& first = graph.layers[1];
  CHECK_EQ(first.onnx_nodes.size(), 3u);
  CHECK(first.as<ir::MatMulAttrs>()->activation.kind == Kind::relu);
  CHECK(graph.value(first.inputs[2]).dtype == DType::f32 && graph.value(first.inputs[2]).name == "bias");
}

VAIP_TEST_MAIN()
