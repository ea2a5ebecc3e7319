// Shape inference of layers that move elements. Slices are worked out by walking.
#include <limits>
#include <string>
#include <utility>

#include "base/error.h"
#include "check.h"
#include "ir/graph.h"
#include "one_layer.h"

using namespace vaip::test;
namespace ir = vaip::ir;
using ir::kDynamic;

TEST(reshape_resolves_zeros_ones_and_dynamic_dimensions) {
  const auto reshaped = [](Shape spec, Shape input, bool allow_zero = false) {
    ir::ReshapeAttrs attrs;
    attrs.spec = std::move(spec);
    attrs.allow_zero = allow_zero;
    return infer(attrs, {std::move(input)});
  };
  CHECK_EQ(reshaped({0, -1}, {2, 3, 4}), "2x12");
  CHECK_EQ(reshaped({0, -1}, {kDynamic, 3, 4}), "?x12");  // the unknown dimension was copied, so the rest is known
  CHECK_EQ(reshaped({-1, 12}, {kDynamic, 3, 4}), "?x12");
  CHECK_EQ(reshaped({6, 4}, {kDynamic, 3, 4}), "6x4");
  CHECK_EQ(reshaped({}, {1, 1}), "scalar");
  CHECK_EQ(reshaped({0, 2}, {0, 3}, true), "0x2");
  CHECK_THROWS(reshaped({5, -1}, {2, 3}), "no dimension fits");
  CHECK_THROWS(reshaped({5}, {2, 3}), "another number of elements");
  CHECK_THROWS(reshaped({-1, -1}, {2, 3}), "more than one -1");
  CHECK_THROWS(reshaped({2, 3, 0}, {2, 3}), "entry 2");
  CHECK_THROWS(reshaped({-2}, {2}), "entry -2");
  const std::int64_t big = std::int64_t{1} << 40;
  CHECK_THROWS(reshaped({big, big, big}, {2, 3}), "64 bits");

  ir::ReshapeAttrs flatten;
  flatten.op = ir::ReshapeAttrs::Op::flatten;
  flatten.spec = {-2};
  CHECK_EQ(infer(flatten, {{2, 3, 4, 5}}), "6x20");
  flatten.spec = {4};
  CHECK_EQ(infer(flatten, {{2, 3, 4, 5}}), "120x1");
  flatten.spec = {1};
  CHECK_EQ(infer(flatten, {{kDynamic, 3, 4}}), "?x12");

  ir::ReshapeAttrs squeeze;
  squeeze.op = ir::ReshapeAttrs::Op::squeeze;
  CHECK_EQ(infer(squeeze, {{1, 3, 1}}), "3");
  CHECK_THROWS(infer(squeeze, {{1, kDynamic}}), "only at run time");
  squeeze.spec = {-1};
  CHECK_EQ(infer(squeeze, {{1, kDynamic, 1}}), "1x?");
  squeeze.spec = {1};
  CHECK_THROWS(infer(squeeze, {{1, 3, 1}}), "size 3");

  ir::ReshapeAttrs unsqueeze;
  unsqueeze.op = ir::ReshapeAttrs::Op::unsqueeze;
  unsqueeze.spec = {-1, 0};
  CHECK_EQ(infer(unsqueeze, {{3, 4}}), "1x3x4x1");
  unsqueeze.spec = {0, 0};
  CHECK_THROWS(infer(unsqueeze, {{3}}), "given twice");
}

TEST(slices_agree_with_walking) {
  int checked = 0;
  const std::int64_t far = std::numeric_limits<std::int64_t>::max();
  for (std::int64_t size = 0; size <= 5; ++size)
    for (const std::int64_t start :
         {std::int64_t{-7}, std::int64_t{-2}, std::int64_t{0}, std::int64_t{1}, std::int64_t{4}, far})
      for (const std::int64_t end :
           {-far - 1, std::int64_t{-6}, std::int64_t{-1}, std::int64_t{0}, std::int64_t{3}, far})
        for (const std::int64_t step : {std::int64_t{-2}, std::int64_t{-1}, std::int64_t{1}, std::int64_t{3}}) {
          // Python's rule: negative indices count from the end, then both are clamped into what the direction can
          // reach.
          const auto clamp = [&](std::int64_t i) {
            if (i < 0) i += size;
            const std::int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
            return i < low ? low : i > high ? high : i;
          };
          std::int64_t count = 0;
          for (std::int64_t i = clamp(start); step > 0 ? i < clamp(end) : i > clamp(end); i += step) ++count;
          CHECK_EQ(infer(ir::SliceAttrs{{start}, {end}, {1}, {step}}, {{2, size}}), "2x" + std::to_string(count));
          ++checked;
        }
  CHECK_EQ(checked, 6 * 6 * 6 * 4);
  const std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
  CHECK_EQ(infer(ir::SliceAttrs{{-1}, {lowest}, {0}, {lowest}}, {{4}}), "1");
  CHECK_EQ(infer(ir::SliceAttrs{{0}, {2}, {}, {}}, {{4, kDynamic}}), "2x?");
  CHECK_EQ(infer(ir::SliceAttrs{{0}, {2}, {-1}, {}}, {{4, kDynamic}}), "4x?");
  CHECK_THROWS(infer(ir::SliceAttrs{{0}, {2}, {0}, {0}}, {{4}}), "step of 0");
  CHECK_THROWS(infer(ir::SliceAttrs{{0, 0}, {2}, {}, {}}, {{4, 4}}), "differ in length");
  CHECK_THROWS(infer(ir::SliceAttrs{{0, 0}, {2, 2}, {}, {}}, {{4}}), "more axes");
}

TEST(other_movement_shapes) {
  CHECK_EQ(infer(ir::ConcatAttrs{-1}, {{2, 3}, {2, 4}}), "2x7");
  CHECK_EQ(infer(ir::ConcatAttrs{1}, {{kDynamic, 3}, {2, kDynamic}}), "2x?");
  CHECK_THROWS(infer(ir::ConcatAttrs{1}, {{2, 3}, {3, 3}}), "dimension 0");
  CHECK_THROWS(infer(ir::ConcatAttrs{1}, {{2, 3}, {2}}), "same rank");

  ir::PadAttrs pad;
  pad.pads = {1, 2, 3, -1};
  CHECK_EQ(infer(pad, {{4, 5}}), "8x6");
  pad.axes = {-1, 0};
  CHECK_EQ(infer(pad, {{4, 5}}), "5x9");
  pad.pads = {0, -5, 0, 0};
  CHECK_THROWS(infer(pad, {{4, 5}}), "take away more");
  pad.pads = {1};
  CHECK_THROWS(infer(pad, {{4, 5}}), "1 pads");
  ir::PadAttrs reflect;
  reflect.mode = ir::PadAttrs::Mode::reflect;
  reflect.pads = {4, 0};
  CHECK_THROWS(infer(reflect, {{4}}), "reflection");

  CHECK_EQ(infer(ir::TransposeAttrs{}, {{2, 3, 4}}), "4x3x2");
  CHECK_EQ(infer(ir::TransposeAttrs{{0, 2, 1}}, {{kDynamic, 3, 4}}), "?x4x3");
  CHECK_THROWS(infer(ir::TransposeAttrs{{0, 0, 1}}, {{2, 3, 4}}), "given twice");
  CHECK_THROWS(infer(ir::TransposeAttrs{{0, 1}}, {{2, 3, 4}}), "2 entries");

  const auto split = [](ir::SplitAttrs attrs, Shape input, std::size_t parts) {
    std::string text;
    for (const Shape& s : OneLayer(std::move(attrs), {std::move(input)}, parts).all()) text += ir::to_string(s) + " ";
    return text;
  };
  CHECK_EQ(split({1, {}}, {2, 6}, 3), "2x2 2x2 2x2 ");
  CHECK_EQ(split({1, {}}, {2, 7}, 3), "2x3 2x3 2x1 ");
  CHECK_EQ(split({0, {1, 4}}, {5}, 2), "1 4 ");
  CHECK_EQ(split({0, {1, 4}}, {kDynamic}, 2), "1 4 ");
  CHECK_THROWS(split({0, {1, 3}}, {5}, 2), "do not add up");
  CHECK_THROWS(split({0, {1, 5}}, {5}, 2), "do not add up");
  CHECK_THROWS(split({0, {5}}, {5}, 2), "1 sizes for 2 outputs");

  ir::ResizeAttrs resize;
  resize.scales = {1.0, 0.7F};
  CHECK_EQ(infer(resize, {{3, 10}}), "3x7");  // 10 * 0.7f in float32
  resize.axes = {-1};
  resize.scales = {2.5};
  CHECK_EQ(infer(resize, {{kDynamic, 3}}), "?x7");
  resize.scales = {};
  resize.sizes = {9};
  CHECK_EQ(infer(resize, {{kDynamic, kDynamic}}), "?x9");
  resize.sizes = {9, 9};
  CHECK_THROWS(infer(resize, {{2, 2}}), "2 scales or sizes");
  resize.sizes = {};
  resize.scales = {-1.0};
  CHECK_THROWS(infer(resize, {{2, 2}}), "scale of -1");
}

VAIP_TEST_MAIN()
