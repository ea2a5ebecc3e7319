// Shape inference of layers that compute. Windows are worked out by counting.
#include <string>

#include "base/error.h"
#include "check.h"
#include "ir/graph.h"
#include "one_layer.h"

using namespace vaip::test;
namespace ir = vaip::ir;
using ir::kDynamic;

TEST(window_sizes_agree_with_counting) {
  int checked = 0;
  for (std::int64_t size = 1; size <= 9; ++size)
    for (std::int64_t k = 1; k <= 4; ++k)
      for (std::int64_t stride = 1; stride <= 3; ++stride)
        for (std::int64_t dilation = 1; dilation <= 2; ++dilation)
          for (std::int64_t begin = 0; begin < k; ++begin)
            for (std::int64_t end = 0; end < k; ++end)
              for (const bool ceil_mode : {false, true}) {
                const std::int64_t extent = (k - 1) * dilation + 1, total = size + begin + end;
                if (extent > total) continue;
                std::int64_t count = 0;
                for (std::int64_t at = 0; at < total; at += stride) {
                  const bool inside = at + extent <= total;
                  // Rounding up adds at most one position, the first that does not fit.
                  const bool first_beyond = !inside && at - stride + extent <= total && at - stride + extent != total;
                  if (inside || (ceil_mode && first_beyond && at < begin + size)) ++count;
                }
                ir::PoolAttrs pool;
                pool.kernel = {k};
                pool.strides = {stride};
                pool.dilations = {dilation};
                pool.pads = {begin, end};
                pool.ceil_mode = ceil_mode;
                CHECK_EQ(infer(pool, {{2, 3, size}}), "2x3x" + std::to_string(count));
                ++checked;
              }
  CHECK(checked > 1000);
}

TEST(auto_pad_keeps_the_size_and_puts_the_odd_pixel_where_it_belongs) {
  using AutoPad = ir::ConvAttrs::AutoPad;
  CHECK(ir::explicit_pads({224, 7}, {7, 2}, {2, 1}, {1, 1}, {}, AutoPad::same_upper) == (Shape{2, 0, 3, 1}));
  CHECK(ir::explicit_pads({224, 7}, {7, 2}, {2, 1}, {1, 1}, {}, AutoPad::same_lower) == (Shape{3, 1, 2, 0}));
  CHECK(ir::explicit_pads({5}, {1}, {3}, {1}, {}, AutoPad::same_upper) == (Shape{0, 0}));  // stride above the kernel
  CHECK(ir::explicit_pads({8}, {3}, {1}, {2}, {}, AutoPad::same_upper) == (Shape{2, 2}));
  CHECK(ir::explicit_pads({kDynamic}, {3}, {1}, {1}, {}, AutoPad::same_upper) == (Shape{1, 1}));
  CHECK_THROWS(ir::explicit_pads({kDynamic}, {3}, {2}, {1}, {}, AutoPad::same_upper), "stride of 2");
  CHECK(ir::explicit_pads({8}, {3}, {1}, {1}, {1, 2}, AutoPad::valid) == (Shape{0, 0}));
  CHECK(ir::explicit_pads({8}, {3}, {1}, {1}, {1, 2}, AutoPad::notset) == (Shape{1, 2}));
  CHECK(ir::explicit_pads({8}, {3}, {1}, {1}, {}, AutoPad::notset) == (Shape{0, 0}));
  CHECK_THROWS(ir::explicit_pads({8}, {3}, {1}, {1}, {1}, AutoPad::notset), "1 pads");

  ir::ConvAttrs same = conv({2, 2}, {}, {1, 1});
  same.auto_pad = AutoPad::same_lower;
  CHECK_EQ(infer(same, {{1, 3, 7, 8}, {4, 3, 5, 5}}), "1x4x4x4");
}

TEST(conv_shapes) {
  CHECK_EQ(infer(conv({2, 2}, {3, 3, 3, 3}, {1, 1}), {{1, 3, 224, 224}, {64, 3, 7, 7}, {64}}), "1x64x112x112");
  CHECK_EQ(infer(conv({1}, {}, {1}, 2), {{kDynamic, 4, kDynamic}, {8, 2, 3}}), "?x8x?");  // 1-D, grouped, dynamic
  CHECK_EQ(infer(conv({1, 1, 1}, {}, {2, 1, 1}), {{1, 2, 5, 4, 3}, {6, 2, 3, 2, 1}}), "1x6x1x3x3");
  CHECK_THROWS(infer(conv({1}, {}, {1}), {{1, 4, 8}, {8, 2, 3}}),
               "expects 2 input channels (input shapes 1x4x8, 8x2x3)");
  CHECK_THROWS(infer(conv({1}, {}, {1}, 3), {{1, 6, 8}, {8, 2, 3}}), "divide into 3 groups");
  CHECK_THROWS(infer(conv({1}, {}, {1}), {{1, 2, 2}, {8, 2, 3}}), "larger than the padded input");
  CHECK_THROWS(infer(conv({1}, {}, {1}), {{1, 2, 8}, {8, 2, 3}, {7}}), "bias must have 8");
  CHECK_THROWS(infer(conv({1, 1}, {}, {1}), {{1, 2, 8}, {8, 2, 3}}), "strides has 2 entries");
  CHECK_THROWS(infer(conv({0}, {}, {1}), {{1, 2, 8}, {8, 2, 3}}), "strides has the entry 0");
  CHECK_THROWS(infer(conv({1}, {}, {1}), {{2, 8}, {8, 2}}), "rank of 3");
}

TEST(conv_transpose_shapes) {
  ir::ConvTransposeAttrs attrs;
  CHECK_EQ(infer(attrs, {{1, 4, 5}, {4, 3, 3}}), "1x3x7");
  attrs.strides = {2, 2};
  attrs.pads = {1, 1, 1, 1};
  CHECK_EQ(infer(attrs, {{1, 4, 5, 6}, {4, 3, 4, 4}, {3}}), "1x3x10x12");
  attrs.output_padding = {1, 0};
  CHECK_EQ(infer(attrs, {{kDynamic, 4, 5, kDynamic}, {4, 3, 3, 3}}), "?x3x10x?");
  attrs.dilations = {2, 1};
  CHECK_EQ(infer(attrs, {{1, 4, 5, 6}, {4, 3, 3, 3}}), "1x3x12x11");
  attrs.groups = 2;
  CHECK_EQ(infer(attrs, {{1, 4, 5, 6}, {4, 3, 3, 3}, {6}}), "1x6x12x11");
  CHECK_THROWS(infer(attrs, {{1, 4, 5, 6}, {4, 3, 3, 3}, {3}}), "bias must have 6");
  CHECK_THROWS(infer(attrs, {{1, 6, 5, 6}, {4, 3, 3, 3}}), "expects 4 input channels");
  CHECK_THROWS(infer(attrs, {{1, 3, 5, 6}, {3, 3, 3, 3}}), "divide into 2 groups");
  CHECK_THROWS(infer(attrs, {{1, 4, 1, 1}, {4, 3, 1, 1}}), "leave nothing of dimension 2");
  ir::ConvTransposeAttrs given;
  given.strides = {3};
  given.output_shape = {10};
  CHECK_EQ(infer(given, {{1, 4, 5}, {4, 3, 2}}), "1x3x10");
  // 14 pixels without pads: 4 too many.
  CHECK(ir::transposed_pads(given, {5}, {2}) == (Shape{2, 2}));
  given.output_shape = {11};
  CHECK(ir::transposed_pads(given, {5}, {2}) == (Shape{2, 1}));
  given.auto_pad = ir::ConvAttrs::AutoPad::same_upper;
  CHECK(ir::transposed_pads(given, {5}, {2}) == (Shape{1, 2}));
  given.output_shape = {};
  CHECK_EQ(infer(given, {{1, 4, 5}, {4, 3, 5}}), "1x3x15");
  given.auto_pad = ir::ConvAttrs::AutoPad::valid;
  given.pads = {1, 1};
  CHECK_EQ(infer(given, {{1, 4, 5}, {4, 3, 2}}), "1x3x14");
}

TEST(normalization_shapes) {
  using Op = ir::NormalizationAttrs::Op;
  ir::NormalizationAttrs attrs;
  CHECK_EQ(infer(attrs, {{2, 3, 4}, {4}, {4}}), "2x3x4");
  attrs.axis = 1;
  CHECK_EQ(infer(attrs, {{2, 3, kDynamic}, {3, 4}, {1, 4}}), "2x3x?");
  CHECK_THROWS(infer(attrs, {{2, 3, 4}, {5}}), "broadcast");
  CHECK_THROWS(infer(attrs, {{2, 3, 4}, {2, 3, 4}}), "normalised dimensions");
  attrs.axis = 3;
  CHECK_THROWS(infer(attrs, {{2, 3, 4}, {4}}), "axis 3");
  attrs.op = Op::instance;
  CHECK_EQ(infer(attrs, {{2, 3, 4}, {3}, {3}}), "2x3x4");
  CHECK_THROWS(infer(attrs, {{2, 3, 4}, {3}, {4}}), "one element per channel");
  CHECK_THROWS(infer(attrs, {{2, 3}, {3}, {3}}), "rank");
  attrs.op = Op::group;
  attrs.groups = 2;
  CHECK_EQ(infer(attrs, {{2, 6, 4}, {2}, {6}}), "2x6x4");
  CHECK_THROWS(infer(attrs, {{2, 5, 4}, {5}, {5}}), "divide into 2 groups");
  attrs.op = Op::batch;
  CHECK_EQ(infer(attrs, {{2, 3}, {3}, {3}, {3}, {3}}), "2x3");
  CHECK_THROWS(infer(attrs, {{2, 3}, {3}, {3}, {2}, {3}}), "input 3 must have one element per channel");
  attrs.op = Op::l2;
  attrs.axis = -2;
  CHECK_EQ(infer(attrs, {{2, 3}}), "2x3");
}

TEST(matmul_shapes_follow_numpy) {
  ir::MatMulAttrs plain;
  CHECK_EQ(infer(plain, {{2, 3}, {3, 4}}), "2x4");
  CHECK_EQ(infer(plain, {{3}, {3, 4}}), "4");
  CHECK_EQ(infer(plain, {{2, 3}, {3}}), "2");
  CHECK_EQ(infer(plain, {{3}, {3}}), "scalar");
  CHECK_EQ(infer(plain, {{5, 1, 2, 3}, {6, 3, 4}}), "5x6x2x4");
  CHECK_EQ(infer(plain, {{kDynamic, 2, 3}, {3, 4}}), "?x2x4");
  CHECK_THROWS(infer(plain, {{2, 3}, {4, 5}}), "inner dimensions 3 and 4");
  ir::MatMulAttrs gemm;
  gemm.transpose_a = gemm.transpose_b = true;
  CHECK_EQ(infer(gemm, {{3, 2}, {4, 3}, {4}}), "2x4");
  CHECK_EQ(infer(gemm, {{3, 2}, {4, 3}, {2, 1}}), "2x4");
  CHECK_THROWS(infer(gemm, {{3, 2}, {4, 3}, {5}}), "broadcast");
  CHECK_THROWS(infer(gemm, {{3, 1}, {4, 3}, {2, 4}}), "broadcast");
}

TEST(elementwise_and_reduction_shapes) {
  ir::ArithmeticAttrs sum;
  CHECK_EQ(infer(sum, {{2, 1}, {3}, {1, 1}}), "2x3");
  CHECK_THROWS(infer(sum, {{2}, {3}}), "Op `the_layer`");
  ir::ArithmeticAttrs prelu;
  prelu.op = ir::ArithmeticAttrs::Op::prelu;
  CHECK_EQ(infer(prelu, {{1, 8, 4, 4}, {8, 1, 1}}), "1x8x4x4");
  CHECK_THROWS(infer(prelu, {{8}, {2, 8}}), "slope");
  CHECK_THROWS(infer(prelu, {{1, 8}, {2, 8}}), "slope");

  ir::ReduceAttrs reduce;
  CHECK_EQ(infer(reduce, {{2, 3, 4}}), "1x1x1");
  reduce.axes = {-1, 0};
  CHECK_EQ(infer(reduce, {{2, 3, 4}}), "1x3x1");
  reduce.keepdims = false;
  CHECK_EQ(infer(reduce, {{2, kDynamic, 4}}), "?");
  reduce.axes = {0, -3};
  CHECK_THROWS(infer(reduce, {{2, 3, 4}}), "given twice");
  reduce.axes = {3};
  CHECK_THROWS(infer(reduce, {{2, 3, 4}}), "axis 3");
  reduce.axes = {};
  reduce.noop_with_empty_axes = true;
  CHECK_EQ(infer(reduce, {{2, 3}}), "2x3");
  ir::ReduceAttrs global;
  global.all_from_axis2 = true;
  CHECK_EQ(infer(global, {{2, 3, 4, 5}}), "2x3x1x1");
  CHECK_THROWS(infer(global, {{2, 3}}), "rank 3");

  ir::SoftmaxAttrs softmax;
  CHECK_EQ(infer(softmax, {{2, 3}}), "2x3");
  softmax.axis = 2;
  CHECK_THROWS(infer(softmax, {{2, 3}}), "axis 2");
  softmax.flatten_to_2d = true;
  CHECK_EQ(infer(softmax, {{2, 3}}), "2x3");
}

VAIP_TEST_MAIN()
