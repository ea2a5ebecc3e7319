// Recognition of data movement and Resize: both forms of what moved from attributes to inputs, and what is declined.
#include <string>
#include <vector>

#include "base/error.h"
#include "check.h"
#include "one_op.h"

using namespace vaip::test;
namespace ir = vaip::ir;
using ir::DType;

TEST(pads) {
  const auto old = OneOp({2, 3}, 10).op("Pad", {}, {{"pads", Ints{0, 1, 0, 1}}, {"value", 2.0F}}).as<ir::PadAttrs>();
  CHECK(old.pads == (Ints{0, 1, 0, 1}) && old.value == 2.0 && old.axes.empty());
  OneOp by_input({2, 3}, 18);
  by_input.m.dq(by_input.m.constant<std::uint8_t>("v", DType::u8, {}, {130}), "v_f");
  by_input.op("Pad", {by_input.m.ints("pads", {1, 1}), "v_f", by_input.m.ints("axes", {-1})},
              {{"mode", std::string("constant")}});
  CHECK(by_input.as<ir::PadAttrs>().value == 1.0 && by_input.as<ir::PadAttrs>().axes == Ints{-1});
  CHECK_EQ(by_input.shape(), "2x5");
  OneOp reflect({2, 3});
  CHECK(reflect.op("Pad", {reflect.m.ints("pads", {0, 1, 0, 1})}, {{"mode", std::string("reflect")}})
            .as<ir::PadAttrs>()
            .mode == ir::PadAttrs::Mode::reflect);
  OneOp computed({2, 3});
  CHECK(declined(computed.op("Pad", {computed.m.input("p", DType::s64, {4})}), "pads `p` is computed at run time"));
}

TEST(reshapes) {
  OneOp reshape({2, 3, 4});
  CHECK(reshape.op("Reshape", {reshape.m.ints("s", {0, -1})}, {{"allowzero", std::int64_t{0}}})
            .as<ir::ReshapeAttrs>()
            .spec == (Ints{0, -1}));
  CHECK_EQ(reshape.shape(), "2x12");
  OneOp computed({2, 3});
  CHECK(declined(computed.op("Reshape", {computed.m.input("s", DType::s64, {1})}),
                 "shape `s` is computed at run time; it must be a constant"));
  CHECK_EQ(OneOp({2, 3, 4}).op("Flatten", {}, {{"axis", std::int64_t{-1}}}).shape(), "6x4");
  CHECK_EQ(OneOp({2, 3, 4}).op("Flatten").shape(), "2x12");
  CHECK_EQ(OneOp({1, 3, 1}, 12).op("Squeeze", {}, {{"axes", Ints{0}}}).shape(), "3x1");
  OneOp squeeze({1, 3, 1});
  CHECK_EQ(squeeze.op("Squeeze", {squeeze.m.ints("a", {-1})}).shape(), "1x3");
  CHECK_EQ(OneOp({1, 3, 1}).op("Squeeze").shape(), "3");
  CHECK(declined(OneOp({1, ir::kDynamic}).op("Squeeze"), "known only at run time"));
  OneOp unsqueeze({3});
  CHECK_EQ(unsqueeze.op("Unsqueeze", {unsqueeze.m.ints("a", {0, 2})}).shape(), "1x3x1");
  CHECK_EQ(OneOp({3}, 11).op("Unsqueeze", {}, {{"axes", Ints{1}}}).shape(), "3x1");
  CHECK(OneOp({3}).op("Identity").as<ir::ReshapeAttrs>().op == ir::ReshapeAttrs::Op::identity);
  CHECK(OneOp({2, 3, 4}).op("Transpose", {}, {{"perm", Ints{2, 0, 1}}}).as<ir::TransposeAttrs>().perm ==
        (Ints{2, 0, 1}));
  CHECK_EQ(OneOp({2, 3, 4}).op("Transpose").shape(), "4x3x2");
}

TEST(slices_splits_and_concatenations) {
  CHECK_EQ(OneOp({4, 6}, 9).op("Slice", {}, {{"starts", Ints{1}}, {"ends", Ints{-1}}, {"axes", Ints{1}}}).shape(),
           "4x4");
  OneOp slice({4, 6});
  slice.op("Slice",
           {slice.m.ints("s", {5}), slice.m.ints("e", {0}), slice.m.ints("a", {-1}), slice.m.ints("st", {-2})});
  CHECK(slice.as<ir::SliceAttrs>().steps == Ints{-2});
  CHECK_EQ(slice.shape(), "4x3");
  OneOp int32({4});
  int32.m.constant<std::int32_t>("s", DType::s32, {1}, {1});
  CHECK_EQ(int32.op("Slice", {"s", int32.m.ints("e", {3})}).shape(), "2");

  // Each output with a Q of its own, or none.
  OneOp split({2, 6}, 18);
  split.m.node("Split", {"x_f", split.m.ints("sizes", {1, 5})}, {"r", "r2"}, {{"axis", std::int64_t{1}}});
  split.m.quantized_output("r", "y");
  split.m.output("r2");
  split.r = recognise(split.m.graph);
  CHECK(split.as<ir::SplitAttrs>().sizes == (Ints{1, 5}));
  CHECK(split.r.graph.value(split.layer().outputs[0]).quant && !split.r.graph.value(split.layer().outputs[1]).quant);
  CHECK_EQ(ir::to_string(split.r.graph.value(split.layer().outputs[1]).shape), "2x5");
  OneOp uneven({7}, 18);
  uneven.m.node("Split", {"x_f"}, {"r", "r2"}, {{"num_outputs", std::int64_t{2}}});
  uneven.r = recognise(uneven.m.graph);
  CHECK_EQ(ir::to_string(uneven.r.graph.value(uneven.layer().outputs[1]).shape), "3");
  OneOp old({6}, 11);
  old.m.node("Split", {"x_f"}, {"r", "r2"}, {{"split", Ints{4, 2}}});
  old.r = recognise(old.m.graph);
  CHECK_EQ(ir::to_string(old.r.graph.value(old.layer().outputs[0]).shape), "4");

  OneOp concat({2, 3});
  concat.m.quantized_input("k", {2, 1}, 0.125F);
  CHECK_EQ(concat.op("Concat", {"k_f", concat.m.floats("f", {2, 2}, {1, 2, 3, 4})}, {{"axis", std::int64_t{-1}}})
               .as<ir::ConcatAttrs>()
               .axis,
           -1);
  CHECK_EQ(concat.shape(), "2x6");
  // The order of the units is one in which they can run, wherever the Q nodes stand.
  OneOp order({4}, 18);
  order.m.node("Split", {"x_f"}, {"r", "r2"});
  order.m.q("r", "a_q");
  order.m.dq("a_q", "a_f");
  order.m.node("Relu", {"a_f"}, {"t"});
  order.m.quantized_output("t", "y1");
  order.m.quantized_output("r2", "y2");
  order.r = recognise(order.m.graph);
  CHECK_EQ(order.r.graph.layers[0].op, "Split");
  CHECK_EQ(order.r.graph.layers[1].op, "Relu");
}

TEST(resizes) {
  using R = ir::ResizeAttrs;
  const auto resize = [](std::vector<float> scales, Ints sizes, Attributes attributes, int opset = 13) {
    OneOp one({1, 1, 4, 6}, opset);
    const auto n = static_cast<std::int64_t>(scales.size());
    one.m.floats("roi", {0}, {});
    return one.op(
        "Resize",
        {"roi", scales.empty() ? "" : one.m.floats("sc", {n}, scales), sizes.empty() ? "" : one.m.ints("sz", sizes)},
        std::move(attributes));
  };
  OneOp nearest =
      resize({1, 1, 2, 2}, {},
             {{"coordinate_transformation_mode", std::string("asymmetric")}, {"nearest_mode", std::string("floor")}});
  CHECK(nearest.as<R>().mode == R::Mode::nearest && nearest.as<R>().coordinates == R::Coordinates::asymmetric &&
        nearest.as<R>().nearest == R::Nearest::floor && nearest.as<R>().scales == (std::vector<double>{1, 1, 2, 2}));
  CHECK_EQ(nearest.shape(), "1x1x8x12");
  OneOp linear =
      resize({}, {1, 1, 2, 3},
             {{"mode", std::string("linear")}, {"coordinate_transformation_mode", std::string("pytorch_half_pixel")}});
  CHECK(linear.as<R>().mode == R::Mode::linear && linear.as<R>().sizes == (Ints{1, 1, 2, 3}));
  OneOp defaults = resize({2, 3}, {}, {{"axes", Ints{2, 3}}}, 18);
  CHECK(defaults.as<R>().coordinates == R::Coordinates::half_pixel &&
        defaults.as<R>().nearest == R::Nearest::round_prefer_floor);
  CHECK_EQ(defaults.shape(), "1x1x8x18");

  CHECK(declined(resize({1, 1, 2, 2}, {}, {{"mode", std::string("cubic")}}), "cubic"));
  CHECK(declined(resize({1, 1, 2, 2}, {}, {{"antialias", std::int64_t{1}}}, 18), "antialias"));
  CHECK(declined(resize({1, 1, 2, 2}, {}, {{"exclude_outside", std::int64_t{1}}}), "exclude_outside"));
  CHECK(declined(resize({1, 1, 2, 2}, {}, {{"coordinate_transformation_mode", std::string("tf_crop_and_resize")}}),
                 "tf_crop_and_resize"));
  CHECK(
      declined(resize({}, {1, 1, 8, 8}, {{"keep_aspect_ratio_policy", std::string("not_larger")}}, 18), "not_larger"));
  CHECK_THROWS(resize({1, 1, 2, 2}, {1, 1, 8, 12}, {}), "either scales or sizes");

  for (const char* name : {"Resize", "Upsample"}) {
    OneOp early({1, 1, 4, 6}, name == std::string("Resize") ? 10 : 9);
    early.op(name, {early.m.floats("sc", {4}, {1, 1, 2, 2})}, {{"mode", std::string("nearest")}});
    CHECK(early.as<R>().coordinates == R::Coordinates::asymmetric && early.as<R>().nearest == R::Nearest::floor);
    CHECK_EQ(early.shape(), "1x1x8x12");
  }
  CHECK_EQ(OneOp({1, 1, 4, 6}, 7).op("Upsample", {}, {{"scales", std::vector<float>{1, 1, 2, 2}}}).shape(), "1x1x8x12");
  OneOp shrinking({4}, 10);
  CHECK(declined(shrinking.op("Resize", {shrinking.m.floats("sc", {1}, {0.5F})}), "scales below 1"));
  OneOp computed({4});
  CHECK(declined(computed.op("Resize", {"", computed.m.input("sc", DType::f32, {1})}),
                 "scales `sc` is computed at run time"));
}

VAIP_TEST_MAIN()
