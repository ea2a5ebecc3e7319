// Recognition of the operators that list scales and zero points among their inputs.
#include <string>
#include <vector>

#include "base/error.h"
#include "check.h"
#include "one_op.h"

using namespace vaip::test;
namespace ir = vaip::ir;
using ir::DType;

TEST(qlinear_conv) {
  OnnxBuilder m;
  m.input("x", DType::u8, {1, 3, 8, 8});
  m.s8("w", {4, 3, 3, 3});
  m.floats("xs", {}, {0.5F});
  m.scalar_zero_point("xz", DType::u8, 128);
  m.floats("ws", {4}, {1, 2, 3, 4});
  m.constant<std::int8_t>("wz", DType::s8, {4}, {0, 0, 0, 0});
  m.floats("ys", {}, {0.25F});
  m.scalar_zero_point("yz", DType::s8, -3);
  m.constant<std::int32_t>("b", DType::s32, {4}, {1, 2, 3, 4});
  m.node("QLinearConv", {"x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"}, {"y"}, {{"strides", Ints{2, 2}}});
  m.dq("y", "y_f", 0.25F, -3, DType::s8);
  m.node("Relu", {"y_f"}, {"r"});
  m.quantized_output("r", "out");
  Recognition r = recognise(m.graph);
  CHECK_EQ(r.units.size(), 2u);
  const ir::Layer& layer = r.graph.layers[0];
  CHECK_EQ(layer.op, "QLinearConv");
  CHECK(layer.as<ir::ConvAttrs>()->strides == (Ints{2, 2}));
  CHECK(r.graph.value(layer.inputs[1]).quant->scale == (std::vector<float>{1, 2, 3, 4}));
  const ir::Value& bias = r.graph.value(layer.inputs[2]);
  CHECK(bias.dtype == DType::s32 && bias.quant->scale == (std::vector<float>{0.5F, 1, 1.5F, 2}) &&
        bias.quant->axis == 0);
  const ir::Value& y = r.graph.value(layer.outputs[0]);
  CHECK(y.dtype == DType::s8 && y.quant->zero_point[0] == -3 && y.name == "y");
  CHECK_EQ(ir::to_string(y.shape), "1x4x3x3");
  CHECK_EQ(r.graph.layers[1].inputs[0], layer.outputs[0]);

  m.graph.nodes[0].inputs.resize(8);
  CHECK_EQ(recognise(m.graph).graph.layers[0].inputs[2], ir::kNoValue);
  m.graph.constants.erase("w");
  m.input("w", DType::s8, {4, 3, 3, 3});
  r = recognise(m.graph);
  CHECK(r.reasons[0].find("per-channel scales or zero points of activations") == 0);
  m.graph.nodes[0].inputs.resize(5);
  CHECK_THROWS(recognise(m.graph), "input 5 is missing");
}

TEST(qlinear_operators_of_microsoft) {
  OnnxBuilder m;
  m.input("a", DType::u8, {2, 4, 6, 6});
  m.input("b", DType::u8, {2, 4, 6, 6});
  m.floats("s", {}, {0.5F});
  m.floats("t", {1}, {0.25F});
  m.scalar_zero_point("z", DType::u8, 9);
  const std::string ms = "com.microsoft";
  m.node("QLinearAdd", {"a", "s", "z", "b", "t", "z", "t", "z"}, {"sum"}, {}, ms);
  m.node("QLinearConcat", {"s", "z", "sum", "t", "z", "a", "s", "z"}, {"cat"}, {{"axis", std::int64_t{1}}}, ms);
  m.node("QLinearAveragePool", {"cat", "s", "z", "s", "z"}, {"pool"}, {{"kernel_shape", Ints{2, 2}}}, ms);
  m.node("QLinearGlobalAveragePool", {"pool", "s", "z", "t"}, {"mean"}, {}, ms);
  m.node("QLinearLeakyRelu", {"mean", "t", "", "s", "z"}, {"y"}, {{"alpha", 0.5F}}, ms);
  m.output("y");
  m.graph.values["mean"] = {DType::u8, false, {}};
  const Recognition r = recognise(m.graph);
  for (const std::string& reason : r.reasons) CHECK_EQ(reason, "");
  CHECK_EQ(r.units.size(), 5u);
  CHECK(r.graph.layers[0].as<ir::ArithmeticAttrs>() && r.graph.layers[1].as<ir::ConcatAttrs>() &&
        r.graph.layers[2].as<ir::PoolAttrs>() && r.graph.layers[3].as<ir::ReduceAttrs>());
  CHECK(r.graph.layers[4].as<ir::ElementwiseAttrs>()->function.alpha == 0.5);
  const ir::Value& mean = r.graph.value(r.graph.layers[3].outputs[0]);
  CHECK(mean.quant->scale[0] == 0.25F && mean.quant->zero_point[0] == 0);  // absent: 0 of the tensor's type
  CHECK_EQ(ir::to_string(mean.shape), "2x8x1x1");

  m.graph.nodes[3].attributes["channels_last"] = std::int64_t{1};
  CHECK(recognise(m.graph).graph.layers[3].as<ir::ReduceAttrs>()->axes == (Ints{1, 2}));
  m.graph.nodes[2].attributes["channels_last"] = std::int64_t{1};
  CHECK(recognise(m.graph).reasons[2].find("channels_last pools are not supported") == 0);
  m.graph.nodes[1].inputs.pop_back();
  CHECK_THROWS(recognise(m.graph), "has 7 inputs");
}

TEST(qgemm) {
  OnnxBuilder m;
  m.input("a", DType::u8, {3, 4});
  m.s8("w", {2, 4});
  m.floats("s", {}, {0.5F});
  m.floats("ws", {2}, {1, 2});
  m.scalar_zero_point("z", DType::u8, 1);
  m.constant<std::int8_t>("wz", DType::s8, {2}, {0, 0});
  m.constant<std::int32_t>("c", DType::s32, {2}, {5, 6});
  m.node("QGemm", {"a", "s", "z", "w", "ws", "wz", "c"}, {"y"}, {{"transB", std::int64_t{1}}, {"alpha", 0.5F}},
         "com.microsoft");
  m.output("y");
  Recognition r = recognise(m.graph);
  const ir::Layer& layer = r.graph.layers.at(0);
  CHECK(layer.as<ir::MatMulAttrs>()->transpose_b && layer.as<ir::MatMulAttrs>()->beta == 0.5);
  CHECK(r.graph.value(layer.inputs[1]).quant->axis == 0);
  CHECK(r.graph.value(layer.inputs[2]).quant->scale == (std::vector<float>{0.5F, 1}));
  CHECK(r.graph.value(layer.outputs[0]).dtype == DType::f32);
  for (const char* input : {"s", "z"}) m.graph.nodes[0].inputs.emplace_back(input);
  r = recognise(m.graph);
  CHECK(r.graph.value(r.graph.layers.at(0).outputs[0]).dtype == DType::u8);
}

TEST(qlinear_matmul) {
  OnnxBuilder m;
  m.input("a", DType::u8, {ir::kDynamic, 4});
  m.s8("b", {4, 2});
  m.floats("s", {}, {0.5F});
  m.scalar_zero_point("az", DType::u8, 1);
  m.floats("bs", {2}, {1, 2});
  m.constant<std::int8_t>("bz", DType::s8, {2}, {0, 0});
  m.scalar_zero_point("yz", DType::u8, 9);
  m.node("QLinearMatMul", {"a", "s", "az", "b", "bs", "bz", "s", "yz"}, {"y"});
  m.output("y");
  const Recognition r = recognise(m.graph);
  CHECK_EQ(r.units.size(), 1u);
  CHECK_EQ(r.graph.value(r.graph.layers[0].inputs[1]).quant->axis, 1);
  CHECK_EQ(ir::to_string(r.graph.value(r.graph.outputs[0]).shape), "?x2");
  m.floats("s2", {4}, {1, 2, 3, 4});
  m.constant<std::uint8_t>("az", DType::u8, {4}, {0, 0, 0, 0});
  m.graph.nodes[0].inputs[1] = "s2";
  CHECK(recognise(m.graph).reasons[0].find("per-channel scales or zero points of activations") != std::string::npos);
}

VAIP_TEST_MAIN()
