// Recognition of products, arithmetic, scalar functions, normalizations and reductions: the attributes of the layers,
// both forms of what moved from attributes to inputs, and the combinations that are declined.
#include <limits>
#include <string>
#include <vector>

#include "check.h"
#include "one_op.h"

using namespace vaip::test;
namespace ir = vaip::ir;
using ir::DType;
using Kind = ir::Activation::Kind;

namespace {

ir::Activation function_of(const std::string& op, Attributes attributes = {}, int opset = 17,
                           const std::string& domain = "") {
  return OneOp({1, 4}, opset).op(op, {}, std::move(attributes), domain).as<ir::ElementwiseAttrs>().function;
}

}  // namespace

TEST(convolutions) {
  const auto conv = [](ir::Shape x, ir::Shape w, Attributes attributes) {
    OneOp one(std::move(x));
    return one.op("Conv", {one.m.weight("w", w)}, std::move(attributes));
  };
  CHECK_EQ(conv({1, 4, 8, 8}, {4, 1, 3, 3}, {{"group", std::int64_t{4}}, {"dilations", Ints{2, 2}}}).shape(),
           "1x4x4x4");
  CHECK_EQ(conv({1, 4, 8}, {6, 4, 3}, {{"strides", Ints{2}}}).shape(), "1x6x3");
  CHECK_EQ(conv({1, 2, 4, 5, 6}, {3, 2, 1, 2, 3}, {}).shape(), "1x3x4x4x4");
  CHECK_EQ(conv({1, 1, 7, 7}, {1, 1, 3, 3}, {{"auto_pad", std::string("SAME_LOWER")}, {"strides", Ints{2, 2}}}).shape(),
           "1x1x4x4");
  CHECK(conv({1, 1, 7, 7}, {1, 1, 3, 3}, {{"auto_pad", std::string("VALID")}}).as<ir::ConvAttrs>().auto_pad ==
        ir::ConvAttrs::AutoPad::valid);
  CHECK(declined(conv({1, 1, 2, 2, 2, 2}, {1, 1, 1, 1, 1, 1}, {}), "1 to 3 spatial dimensions"));
}

TEST(transposed_convolutions) {
  const auto transposed = [](ir::Shape x, ir::Shape w, Attributes attributes) {
    OneOp one(std::move(x));
    return one.op("ConvTranspose", {one.m.weight("w", w)}, std::move(attributes));
  };
  const OneOp two = transposed({1, 4, 5, 5}, {4, 3, 4, 4}, {{"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}});
  CHECK_EQ(two.shape(), "1x3x10x10");
  CHECK(two.as<ir::ConvTransposeAttrs>().kernel == (Ints{4, 4}));
  CHECK_EQ(two.layer().inputs[2], ir::kNoValue);
  const OneOp grouped = transposed(
      {1, 4, 5}, {4, 3, 2},
      {{"group", std::int64_t{2}}, {"dilations", Ints{3}}, {"strides", Ints{2}}, {"output_padding", Ints{1}}});
  CHECK_EQ(grouped.shape(), "1x6x13");
  CHECK_EQ(transposed({1, 1, 5}, {1, 1, 3}, {{"output_shape", Ints{6}}}).shape(), "1x1x6");
  CHECK_EQ(transposed({1, 1, 5}, {1, 1, 3}, {{"auto_pad", std::string("SAME_UPPER")}, {"strides", Ints{2}}}).shape(),
           "1x1x10");
  CHECK(declined(transposed({1, 1, 2, 2, 2, 2}, {1, 1, 1, 1, 1, 1}, {}), "1 to 3 spatial dimensions"));
  CHECK_EQ(transposed({1, 4, 5}, {4, 3, 2}, {}).layer().op, "ConvTranspose");

  // Per-channel scales lie along the output channels, which are the weight's second axis.
  const auto per_channel = [](std::int64_t axis) {
    OneOp one({1, 3, 5});
    const std::string w = one.m.weight("w", {3, 3, 2});
    one.m.floats("w_f_s", {3}, {0.5F, 0.25F, 0.125F});
    one.m.constant<std::int8_t>("w_f_z", DType::s8, {3}, {0, 0, 0});
    one.m.graph.nodes.back().attributes["axis"] = axis;
    return one.op("ConvTranspose", {w});
  };
  CHECK_EQ(per_channel(1).shape(), "1x3x6");
  CHECK(declined(per_channel(0), "only the output channels' axis 1"));

  // A Relu behind it is part of the layer.
  OnnxBuilder relu;
  relu.quantized_input("x", {1, 2, 3});
  relu.node("ConvTranspose", {"x_f", relu.weight("w", {2, 2, 2})}, {"c"});
  relu.node("Relu", {"c"}, {"r"});
  relu.quantized_output("r", "y");
  const Recognition r = recognise(relu.graph);
  CHECK_EQ(r.units.size(), 1u);
  CHECK(r.units[0].layer.as<ir::ConvTransposeAttrs>()->activation.kind == Kind::relu);
}

TEST(normalizations) {
  using Op = ir::NormalizationAttrs::Op;
  const auto normalization = [](const std::string& type, ir::Shape x, const ir::Shape& parameter, std::size_t count,
                                Attributes attributes = {}, int opset = 17, const std::string& domain = "") {
    OneOp one(std::move(x), opset);
    std::vector<std::string> inputs;
    const auto elements = static_cast<std::size_t>(ir::element_count(parameter));
    for (std::size_t i = 0; i < count; ++i) {
      // the scale quantized, the others float
      if (i == 0) inputs.push_back(one.m.weight("p", parameter));
      if (i != 0)
        inputs.push_back(one.m.floats("p" + std::to_string(i), parameter, std::vector<float>(elements, 1.0F)));
    }
    return one.op(type, inputs, std::move(attributes), domain);
  };
  auto attrs = normalization("LayerNormalization", {2, 3, 4}, {4}, 2).as<ir::NormalizationAttrs>();
  CHECK(attrs.op == Op::layer && attrs.axis == -1 && attrs.epsilon == static_cast<double>(1e-5F));
  attrs = normalization("LayerNormalization", {2, 3, 4}, {3, 4}, 1, {{"axis", std::int64_t{1}}, {"epsilon", 0.25F}})
              .as<ir::NormalizationAttrs>();
  CHECK(attrs.axis == 1 && attrs.epsilon == 0.25);
  CHECK(normalization("RMSNormalization", {2, 4}, {4}, 1, {}, 23).as<ir::NormalizationAttrs>().op == Op::rms);
  CHECK(normalization("SimplifiedLayerNormalization", {2, 4}, {4}, 1).as<ir::NormalizationAttrs>().op == Op::rms);
  for (const auto& [type, domain] :
       {std::pair{"InstanceNormalization", ""}, std::pair{"ExtendedInstanceNormalization", "com.amd.quark"},
        std::pair{"VitisInstanceNormalization", "com.vai.quantize"}})
    CHECK(normalization(type, {2, 3, 4}, {3}, 2, {}, 17, domain).as<ir::NormalizationAttrs>().op == Op::instance);
  for (const std::int64_t per : {2, 6}) {  // version 18: a number per group; 21: one per channel
    attrs =
        normalization("GroupNormalization", {2, 6, 4}, {per}, 2, {{"num_groups", std::int64_t{2}}}, per == 2 ? 18 : 21)
            .as<ir::NormalizationAttrs>();
    CHECK(attrs.op == Op::group && attrs.groups == 2);
  }
  CHECK(normalization("BatchNormalization", {2, 3, 4, 4}, {3}, 4).as<ir::NormalizationAttrs>().op == Op::batch);
  CHECK(declined(normalization("BatchNormalization", {2, 3, 4}, {3}, 4, {{"training_mode", std::int64_t{1}}}),
                 "training_mode"));
  CHECK(declined(normalization("BatchNormalization", {2, 3, 4}, {3}, 4, {{"spatial", std::int64_t{0}}}, 7), "spatial"));
  CHECK(declined(normalization("BatchNormalization", {2, 3, 4}, {3}, 4, {}, 6), "opset versions before 7"));
  CHECK(OneOp({2, 3}).op("LpNormalization").as<ir::NormalizationAttrs>().op == Op::l2);
  attrs = OneOp({2, 3})
              .op("LpNormalization", {}, {{"p", std::int64_t{1}}, {"axis", std::int64_t{0}}})
              .as<ir::NormalizationAttrs>();
  CHECK(attrs.op == Op::l1 && attrs.axis == 0);
  CHECK(declined(normalization("SkipLayerNormalization", {2, 3, 4}, {4}, 2, {}, 17, "com.microsoft"),
                 "write it as Add and LayerNormalization"));

  OneOp computed({2, 4});
  computed.m.quantized_input("s", {4});
  CHECK(declined(computed.op("LayerNormalization", {"s_f"}), "scale `s_f` is not constant"));

  OneOp mean({2, 4});
  mean.m.node("LayerNormalization", {"x_f", mean.m.weight("p", {4})}, {"r", "mean"});
  mean.m.quantized_output("r", "y");
  mean.r = recognise(mean.m.graph);
  CHECK(mean.as<ir::NormalizationAttrs>().op == Op::layer);  // nothing reads it
  CHECK_EQ(mean.layer().outputs.size(), 1u);
  mean.m.output("mean");
  mean.r = recognise(mean.m.graph);
  CHECK(declined(mean, "output 1 (`mean`)"));
}

TEST(operators_written_out_as_float_nodes) {
  // y = (x - mean) / sqrt(mean((x - mean)^2) + eps) * scale + bias
  const auto layer_norm = [](const Ints& axes) {
    OnnxBuilder m;
    m.quantized_input("x", {2, 3, 4});
    m.node("ReduceMean", {"x_f"}, {"mean"}, {{"axes", axes}});
    m.node("Sub", {"x_f", "mean"}, {"d"});
    m.node("Pow", {"d", m.floats("two", {}, {2})}, {"d2"});
    m.node("ReduceMean", {"d2"}, {"variance"}, {{"axes", axes}});
    m.node("Add", {"variance", m.floats("eps", {}, {0.25F})}, {"v"});
    m.node("Sqrt", {"v"}, {"s"});
    m.node("Div", {"d", "s"}, {"n"});
    m.node("Mul", {"n", m.floats("scale", {4}, {1, 2, 3, 4})}, {"m"});
    m.node("Add", {m.weight("bias", {4}), "m"}, {"r"});
    m.quantized_output("r", "y");
    return m;
  };
  using Op = ir::NormalizationAttrs::Op;
  OnnxBuilder m = layer_norm({-1});
  Recognition r = recognise(m.graph);
  CHECK_EQ(r.units.size(), 1u);
  for (const std::string& reason : r.reasons) CHECK_EQ(reason, "");
  const auto* attrs = r.units[0].layer.as<ir::NormalizationAttrs>();
  CHECK(attrs && attrs->op == Op::layer && attrs->axis == -1 && attrs->epsilon == 0.25);
  CHECK_EQ(r.units[0].layer.inputs.size(), 3u);
  CHECK_EQ(r.units[0].layer.name, "n_r");

  m.output("n");  // a value in between that is needed elsewhere: separate layers
  CHECK(recognise(m.graph).units.size() > 1);
  CHECK(recognise(layer_norm({0}).graph).units.size() > 1);  // not over the last dimensions
  CHECK(recognise(layer_norm({2}).graph).units.size() == 1);
  m = layer_norm({-1});
  m.floats("two", {}, {3});
  CHECK(recognise(m.graph).units.size() > 1);

  OnnxBuilder rms;
  rms.quantized_input("x", {2, 3, 4});
  rms.node("Mul", {"x_f", "x_f"}, {"x2"});
  rms.node("ReduceMean", {"x2"}, {"square"}, {{"axes", Ints{1, 2}}});
  rms.node("Add", {rms.floats("eps", {}, {0.25F}), "square"}, {"v"});
  rms.node("Sqrt", {"v"}, {"s"});
  rms.node("Reciprocal", {"s"}, {"i"});
  rms.node("Mul", {"x_f", "i"}, {"r"});
  rms.quantized_output("r", "y");
  r = recognise(rms.graph);
  CHECK_EQ(r.units.size(), 1u);
  attrs = r.units[0].layer.as<ir::NormalizationAttrs>();
  CHECK(attrs && attrs->op == Op::rms && attrs->axis == -2);

  // Gelu, x * (1 + erf(x / sqrt(2))) * 0.5, behind a convolution that stays as it is
  OnnxBuilder gelu;
  gelu.quantized_input("x", {1, 2, 4});
  gelu.node("Conv", {"x_f", gelu.weight("w", {2, 2, 1})}, {"c"});
  gelu.node("Div", {"c", gelu.floats("root", {}, {1.4142135F})}, {"d"});
  gelu.node("Erf", {"d"}, {"e"});
  gelu.node("Add", {"e", gelu.floats("one", {}, {1})}, {"f"});
  gelu.node("Mul", {"c", "f"}, {"p"});
  gelu.node("Mul", {"p", gelu.floats("half", {}, {0.5F})}, {"r"});
  gelu.quantized_output("r", "y");
  r = recognise(gelu.graph);
  CHECK_EQ(r.units.size(), 2u);
  CHECK(unit_of(r, "n_r")->layer.as<ir::ElementwiseAttrs>()->function.kind == Kind::gelu);
  gelu.floats("root", {}, {1.5F});
  CHECK(recognise(gelu.graph).units.size() > 2);
  gelu.floats("root", {}, {1.4142135F});
  vaip::frontend::Node &product = gelu.graph.nodes[gelu.graph.nodes.size() - 3],
                       &last = gelu.graph.nodes[gelu.graph.nodes.size() - 2];
  CHECK(product.op_type == "Mul" && last.op_type == "Mul");
  product.inputs = {"half", "f"};  // x * (0.5 * (1 + erf(...)))
  last.inputs = {"c", "p"};
  r = recognise(gelu.graph);
  CHECK_EQ(r.units.size(), 2u);
  CHECK(unit_of(r, "n_r")->layer.as<ir::ElementwiseAttrs>()->function.kind == Kind::gelu);
}

TEST(gemm_and_matmul) {
  OneOp gemm({6, 2});
  gemm.m.floats("b", {3}, {1, 2, 3});
  gemm.op("Gemm", {gemm.m.weight("w", {3, 6}), "b"},
          {{"transA", std::int64_t{1}}, {"transB", std::int64_t{1}}, {"alpha", 2.0F}, {"beta", 0.5F}});
  const auto& attrs = gemm.as<ir::MatMulAttrs>();
  CHECK(attrs.transpose_a && attrs.transpose_b && attrs.alpha == 2.0 && attrs.beta == 0.5);
  CHECK_EQ(gemm.shape(), "2x3");
  CHECK(!gemm.r.graph.value(gemm.layer().inputs[2]).quant && gemm.r.graph.value(gemm.layer().inputs[2]).constant);

  OneOp without_bias({2, 6});
  without_bias.op("Gemm", {without_bias.m.weight("w", {6, 3})});
  CHECK_EQ(without_bias.as<ir::MatMulAttrs>().alpha, 1.0);
  CHECK_EQ(without_bias.layer().inputs[2], ir::kNoValue);

  OneOp products({2, 4, 5});
  products.m.quantized_input("k", {5, 3});
  products.op("MatMul", {"k_f"});
  CHECK_EQ(products.shape(), "2x4x3");
  CHECK_EQ(products.r.graph.inputs.size(), 2u);

  OneOp float_weight({2, 4});
  CHECK(declined(float_weight.op("MatMul", {float_weight.m.floats("w", {4, 1}, {1, 2, 3, 4})}),
                 "weight `w` is float; quantize it"));

  const auto per_channel = [](ir::Shape w, std::int64_t axis, std::vector<float> scales) {
    OneOp one({2, 4});
    const auto count = static_cast<std::int64_t>(scales.size());
    one.m.node("DequantizeLinear", {one.m.s8("w", w), one.m.floats("ws", {count}, scales)}, {"w_f"}, {{"axis", axis}});
    return one.op("MatMul", {"w_f"});
  };
  (void)per_channel({4, 2}, -1, {1, 2}).as<ir::MatMulAttrs>();
  CHECK(declined(per_channel({4, 2}, 0, {1, 2, 3, 4}), "per-channel parameters along axis 0"));
  CHECK(declined(per_channel({4}, 0, {1, 2, 3, 4}), "per-channel parameters along axis 0"));
}

TEST(arithmetic) {
  using Op = ir::ArithmeticAttrs::Op;
  const std::vector<std::pair<std::string, Op>> table = {{"Add", Op::add}, {"Sub", Op::sub}, {"Mul", Op::mul},
                                                         {"Div", Op::div}, {"Min", Op::min}, {"Max", Op::max},
                                                         {"Sum", Op::add}, {"Pow", Op::pow}};
  for (const auto& [name, op] : table) {
    OneOp one({2, 1, 4});
    one.m.quantized_input("k", {3, 1}, 0.25F);
    CHECK(one.op(name, {"k_f"}).as<ir::ArithmeticAttrs>().op == op);
    CHECK_EQ(one.shape(), "2x3x4");
    OneOp with_float({2, 4});
    CHECK(with_float.op(name, {with_float.m.floats("k", {}, {2})}).as<ir::ArithmeticAttrs>().op == op);
    CHECK(!with_float.r.graph.value(with_float.layer().inputs[1]).quant);
    OneOp with_quantized({2, 4});
    (void)with_quantized.op(name, {with_quantized.m.weight("k", {1, 4})}).as<ir::ArithmeticAttrs>();
  }
  OneOp sum({2, 4});
  sum.m.quantized_input("k", {4});
  CHECK_EQ(sum.op("Sum", {"k_f", "x_f"}).layer().inputs.size(), 3u);
  CHECK(OneOp({2, 4}).op("Max").as<ir::ElementwiseAttrs>().function.kind == Kind::identity);
  OneOp relu({2, 4});
  relu.m.node("Add", {"x_f", "x_f"}, {"a"});
  relu.m.node("Relu", {"a"}, {"r"});
  relu.m.quantized_output("r", "y");
  relu.r = recognise(relu.m.graph);
  CHECK(unit_of(relu.r, "n_a")->layer.as<ir::ArithmeticAttrs>()->activation.kind == Kind::relu);

  OneOp prelu({1, 3, 2, 2});
  CHECK(prelu.op("PRelu", {prelu.m.weight("slope", {3, 1, 1})}).as<ir::ArithmeticAttrs>().op == Op::prelu);
  OneOp floats({2});
  CHECK(declined(floats.op("Add", {floats.m.input("f", DType::f32, {2})}), "input `f` is float"));
  OneOp constants({2});
  constants.m.floats("k", {2}, {1, 2});
  constants.m.node("Add", {"k", "k"}, {"r"});
  constants.r = recognise(constants.m.graph);
  CHECK(declined(constants, "all of its inputs are constants"));
}

TEST(scalar_functions) {
  const std::vector<std::pair<std::string, Kind>> table = {{"Relu", Kind::relu},
                                                           {"Sigmoid", Kind::sigmoid},
                                                           {"HardSwish", Kind::hard_swish},
                                                           {"Tanh", Kind::tanh},
                                                           {"Softplus", Kind::softplus},
                                                           {"Mish", Kind::mish},
                                                           {"Exp", Kind::exp},
                                                           {"Log", Kind::log},
                                                           {"Sqrt", Kind::sqrt},
                                                           {"Reciprocal", Kind::reciprocal},
                                                           {"Neg", Kind::neg},
                                                           {"Abs", Kind::abs},
                                                           {"Erf", Kind::erf},
                                                           {"Floor", Kind::floor},
                                                           {"Ceil", Kind::ceil},
                                                           {"Round", Kind::round},
                                                           {"Sign", Kind::sign},
                                                           {"Softsign", Kind::softsign},
                                                           {"Sin", Kind::sin},
                                                           {"Cos", Kind::cos}};
  for (const auto& [name, kind] : table) CHECK(function_of(name).kind == kind);
  ir::Activation a = function_of("LeakyRelu");
  CHECK(a.kind == Kind::leaky_relu && a.alpha == static_cast<double>(0.01F));
  CHECK_EQ(function_of("LeakyRelu", {{"alpha", 0.25F}}).alpha, 0.25);
  CHECK_EQ(function_of("Elu").alpha, 1.0);
  a = function_of("HardSigmoid");
  CHECK(a.kind == Kind::hard_sigmoid && a.alpha == static_cast<double>(0.2F) && a.beta == 0.5);
  CHECK(function_of("Gelu", {}, 20).kind == Kind::gelu);
  CHECK(function_of("Gelu", {{"approximate", std::string("tanh")}}, 20).kind == Kind::gelu_tanh);
  CHECK(function_of("Gelu", {}, 17, "com.microsoft").kind == Kind::gelu);
  a = function_of("Swish", {}, 24);
  CHECK(a.kind == Kind::swish && a.alpha == 1.0);
  CHECK_EQ(function_of("Swish", {{"alpha", 2.0F}}, 24).alpha, 2.0);
  a = function_of("QuickGelu", {}, 17, "com.microsoft");
  CHECK(a.kind == Kind::swish && a.alpha == static_cast<double>(1.702F));
  a = function_of("Celu", {{"alpha", 0.5F}});
  CHECK(a.kind == Kind::celu && a.alpha == 0.5);
  CHECK_EQ(function_of("Celu").alpha, 1.0);
  a = function_of("Selu");
  CHECK(a.kind == Kind::selu && a.alpha == static_cast<double>(1.6732632F) &&
        a.beta == static_cast<double>(1.0507010F));
  CHECK_EQ(function_of("Selu", {{"gamma", 2.0F}}).beta, 2.0);
  a = function_of("Shrink", {{"bias", 0.25F}});
  CHECK(a.kind == Kind::shrink && a.alpha == 0.5 && a.beta == 0.25);
  CHECK_EQ(function_of("Shrink", {{"lambd", 1.5F}}).alpha, 1.5);
  a = function_of("ThresholdedRelu");
  CHECK(a.kind == Kind::thresholded_relu && a.alpha == 1.0);
  CHECK(declined(OneOp({4}).op("Tan"), "VAIP has no such layer"));

  a = function_of("Clip", {{"min", -1.0F}, {"max", 6.0F}}, 6);
  CHECK(a.kind == Kind::clip && a.alpha == -1.0 && a.beta == 6.0);
  OneOp clip({4});
  a = clip.op("Clip", {"", clip.m.floats("hi", {}, {6})}).as<ir::ElementwiseAttrs>().function;
  CHECK(a.alpha == static_cast<double>(std::numeric_limits<float>::lowest()) && a.beta == 6.0);
  CHECK_EQ(function_of("Clip").beta, static_cast<double>(std::numeric_limits<float>::max()));
}

TEST(softmax_of_both_meanings) {
  auto attrs = OneOp({2, 3, 4}, 13).op("Softmax").as<ir::SoftmaxAttrs>();
  CHECK(attrs.axis == -1 && !attrs.log && !attrs.flatten_to_2d);
  attrs = OneOp({2, 3, 4}, 12).op("LogSoftmax").as<ir::SoftmaxAttrs>();
  CHECK(attrs.axis == 1 && attrs.log && attrs.flatten_to_2d);
  CHECK_EQ(OneOp({2, 3, 4}).op("Softmax", {}, {{"axis", std::int64_t{1}}}).as<ir::SoftmaxAttrs>().axis, 1);
}

TEST(pools_and_reductions) {
  OneOp pool({1, 2, 6, 6});
  const auto& max = pool.op("MaxPool", {},
                            {{"kernel_shape", Ints{3, 3}},
                             {"strides", Ints{2, 2}},
                             {"ceil_mode", std::int64_t{1}},
                             {"dilations", Ints{1, 1}}})
                        .as<ir::PoolAttrs>();
  CHECK(max.op == ir::PoolAttrs::Op::max && max.ceil_mode);
  CHECK_EQ(pool.shape(), "1x2x3x3");
  const auto average =
      OneOp({1, 2, 6})
          .op("AveragePool", {},
              {{"kernel_shape", Ints{2}}, {"count_include_pad", std::int64_t{1}}, {"pads", Ints{1, 0}}})
          .as<ir::PoolAttrs>();
  CHECK(average.op == ir::PoolAttrs::Op::average && average.count_include_pad && average.pads == (Ints{1, 0}));
  OneOp indices({1, 2, 6});
  indices.m.node("MaxPool", {"x_f"}, {"r", "i"}, {{"kernel_shape", Ints{2}}});
  indices.r = recognise(indices.m.graph);
  CHECK(declined(indices, "Indices"));

  const auto global = OneOp({1, 2, 6, 6}).op("GlobalMaxPool").as<ir::ReduceAttrs>();
  CHECK(global.op == ir::ReduceAttrs::Op::max && global.all_from_axis2);
  CHECK_EQ(OneOp({1, 2, 6, 6}).op("GlobalAveragePool").shape(), "1x2x1x1");

  OneOp by_attribute({2, 3, 4});
  CHECK(by_attribute.op("ReduceMean", {}, {{"axes", Ints{-1}}, {"keepdims", std::int64_t{0}}})
            .as<ir::ReduceAttrs>()
            .axes == Ints{-1});
  CHECK_EQ(by_attribute.shape(), "2x3");
  OneOp by_input({2, 3, 4}, 18);
  CHECK(by_input.op("ReduceMax", {by_input.m.ints("axes", {0, 1})}).as<ir::ReduceAttrs>().op ==
        ir::ReduceAttrs::Op::max);
  CHECK_EQ(by_input.shape(), "1x1x4");
  using Reduction = ir::ReduceAttrs::Op;
  const std::vector<std::pair<std::string, Reduction>> others = {
      {"ReduceProd", Reduction::prod},      {"ReduceL1", Reduction::l1},
      {"ReduceL2", Reduction::l2},          {"ReduceSumSquare", Reduction::sum_square},
      {"ReduceLogSum", Reduction::log_sum}, {"ReduceLogSumExp", Reduction::log_sum_exp}};
  for (const auto& [name, op] : others) CHECK(OneOp({2, 3}).op(name).as<ir::ReduceAttrs>().op == op);
  CHECK_EQ(OneOp({2, 3}, 18).op("ReduceMin").shape(), "1x1");
  CHECK_EQ(OneOp({2, 3}).op("ReduceSum", {}, {{"noop_with_empty_axes", std::int64_t{1}}}).shape(), "2x3");
  OneOp computed({2, 3}, 18);
  CHECK(declined(computed.op("ReduceSum", {computed.m.input("axes", DType::s64, {1})}),
                 "axes `axes` is computed at run time"));
}

VAIP_TEST_MAIN()
