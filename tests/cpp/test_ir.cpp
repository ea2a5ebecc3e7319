// Types, shapes, scalar functions, shape inference. Oracles: ONNX's definitions worked out by counting (windows,
// slices), and reference values computed with Python's math module.
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "check.h"
#include "ir/binding.h"
#include "ir/graph.h"

namespace ir = vaip::ir;
using ir::kDynamic;
using ir::Shape;
using Kind = ir::Activation::Kind;

namespace {

// A graph of one layer: values of the given shapes in, `outputs` values out.
struct OneLayer {
  ir::Graph graph;
  ir::Layer layer;
  OneLayer(ir::LayerAttrs attrs, const std::vector<Shape>& inputs, std::size_t outputs = 1) {
    layer.name = "the_layer";
    layer.op = "Op";
    layer.attrs = std::move(attrs);
    for (const Shape& shape : inputs) layer.inputs.push_back(graph.add_value({"in", ir::DType::u8, shape, {}, {}}));
    for (std::size_t i = 0; i < outputs; ++i)
      layer.outputs.push_back(graph.add_value({"out", ir::DType::u8, {}, {}, {}}));
    graph.layers = {layer};
    graph.inputs = layer.inputs;
    graph.outputs = layer.outputs;
  }
  std::vector<Shape> all() const { return ir::infer_shapes(graph, layer); }
  std::string shape() const { return ir::to_string(all()[0]); }
};
std::string infer(ir::LayerAttrs attrs, const std::vector<Shape>& inputs) {
  return OneLayer(std::move(attrs), inputs).shape();
}

ir::ConvAttrs conv(Shape strides, Shape pads, Shape dilations, std::int64_t groups = 1) {
  ir::ConvAttrs attrs;
  attrs.strides = std::move(strides);
  attrs.pads = std::move(pads);
  attrs.dilations = std::move(dilations);
  attrs.groups = groups;
  return attrs;
}

bool near(double a, double b) { return std::fabs(a - b) <= 1e-15 * std::max(1.0, std::fabs(b)) * 4; }
double f(Kind kind, double x, double alpha = 0, double beta = 0) { return ir::apply({kind, alpha, beta}, x); }

}  // namespace

TEST(dtypes) {
  CHECK_EQ(ir::name(ir::DType::u8), "uint8");
  CHECK_EQ(ir::name(ir::DType::f32), "float");
  CHECK_EQ(ir::name(ir::DType::other), "other");
  CHECK_EQ(ir::size_of(ir::DType::s4), 0u);
  CHECK_EQ(ir::size_of(ir::DType::bf16), 2u);
  CHECK_EQ(ir::lowest(ir::DType::s16), -32768);
  CHECK_EQ(ir::highest(ir::DType::u16), 65535);
  CHECK_EQ(ir::highest(ir::DType::s4), 7);
  CHECK_EQ(ir::highest(ir::DType::u64), std::numeric_limits<std::int64_t>::max());
  CHECK(ir::is_integer(ir::DType::u4) && !ir::is_integer(ir::DType::boolean) && !ir::is_integer(ir::DType::f32));
  CHECK_THROWS(ir::lowest(ir::DType::f32), "float");
  CHECK(ir::from_onnx(2) == ir::DType::u8 && ir::from_onnx(16) == ir::DType::bf16 &&
        ir::from_onnx(22) == ir::DType::s4);
  CHECK(ir::from_onnx(17) == ir::DType::other && ir::from_onnx(-1) == ir::DType::other);
}

TEST(shapes) {
  CHECK_EQ(ir::element_count({2, 3, 4}), 24);
  CHECK_EQ(ir::element_count({}), 1);
  CHECK_THROWS(ir::element_count({2, kDynamic}), "2x?");
  CHECK_THROWS(ir::element_count({std::int64_t{1} << 40, std::int64_t{1} << 40}), "64 bits");
  CHECK(ir::row_major_strides({2, 3, 4}) == (Shape{12, 4, 1}));
  CHECK_EQ(ir::to_string({}), "scalar");
  CHECK_EQ(ir::to_string(ir::broadcast({3, 1, 5}, {4, 1})), "3x4x5");
  CHECK_EQ(ir::to_string(ir::broadcast({kDynamic, 1}, {1, 7})), "?x7");
  CHECK_EQ(ir::to_string(ir::broadcast({kDynamic}, {7})), "7");
  CHECK_EQ(ir::to_string(ir::broadcast({0, 2}, {1, 2})), "0x2");
  CHECK_THROWS(ir::broadcast({2, 3}, {2, 4}), "2x3 and 2x4");
}

TEST(scalar_functions_match_reference_values) {
  struct Row {
    double x, sigmoid, swish, gelu, gelu_tanh, softplus, mish, hard_swish;
  };
  const std::vector<Row> rows = {{-3.5, 0.02931223075135632, -0.10259280762974712, -0.0008142017766243903,
                                  -0.0006161976553737403, 0.029750418272620652, -0.10409575448637151, 0.0},
                                 {-0.75, 0.320821300824607, -0.24061597561845527, -0.16997051428265114,
                                  -0.17003944483437966, 0.3868710061149, -0.2764947145054652, -0.28125},
                                 {0.0, 0.5, 0.0, 0.0, 0.0, 0.6931471805599453, 0.0, 0.0},
                                 {1.25, 0.7772998611746911, 0.9716248264683638, 1.1179377829164308, 1.1177142029697147,
                                  1.501929081345373, 1.1318703042410392, 0.8854166666666667},
                                 {4.0, 0.9820137900379085, 3.928055160151634, 3.9998733150326675, 3.9999297540518075,
                                  4.0181499279178094, 3.9974128069762385, 4.0}};
  for (const Row& r : rows) {
    CHECK(near(f(Kind::sigmoid, r.x), r.sigmoid));
    CHECK(near(f(Kind::swish, r.x, 1.0), r.swish));
    CHECK(near(f(Kind::gelu, r.x), r.gelu));
    CHECK(near(f(Kind::gelu_tanh, r.x), r.gelu_tanh));
    CHECK(near(f(Kind::softplus, r.x), r.softplus));
    CHECK(near(f(Kind::mish, r.x), r.mish));
    CHECK(near(f(Kind::hard_swish, r.x), r.hard_swish));
  }
  CHECK_EQ(f(Kind::sigmoid, -1000), 0.0);
  CHECK_EQ(f(Kind::sigmoid, 1000), 1.0);
  CHECK_EQ(f(Kind::softplus, 1000), 1000.0);
  CHECK_EQ(f(Kind::mish, -1000), 0.0);
}

TEST(scalar_functions_with_parameters_and_steps) {
  CHECK_EQ(f(Kind::relu, -2.0), 0.0);
  CHECK(std::isnan(f(Kind::relu, std::nan(""))));
  CHECK_EQ(f(Kind::clip, 7.0, 0.0, 6.0), 6.0);
  CHECK_EQ(f(Kind::clip, -1.0, 0.0, 6.0), 0.0);
  CHECK_EQ(f(Kind::clip, 5.0, 4.0, 3.0), 3.0);  // minimum above maximum: the maximum
  CHECK_EQ(f(Kind::leaky_relu, -2.0, 0.25), -0.5);
  CHECK_EQ(f(Kind::leaky_relu, 2.0, 0.25), 2.0);
  CHECK(near(f(Kind::elu, -1.0, 2.0), 2.0 * (std::exp(-1.0) - 1.0)));
  CHECK_EQ(f(Kind::hard_sigmoid, 1.0, 0.25, 0.5), 0.75);
  CHECK_EQ(f(Kind::hard_sigmoid, 9.0, 0.25, 0.5), 1.0);
  CHECK_EQ(f(Kind::round, 0.5), 0.0);
  CHECK_EQ(f(Kind::round, 1.5), 2.0);
  CHECK_EQ(f(Kind::round, -2.5), -2.0);
  CHECK_EQ(f(Kind::round, 2.4), 2.0);
  CHECK_EQ(f(Kind::round, 0.49999999999999994), 0.0);
  CHECK_EQ(f(Kind::sign, -3.0), -1.0);
  CHECK_EQ(f(Kind::sign, 0.0), 0.0);
  CHECK_EQ(f(Kind::floor, -0.5), -1.0);
  CHECK_EQ(f(Kind::ceil, 0.5), 1.0);
  CHECK_EQ(f(Kind::neg, 3.0), -3.0);
  CHECK_EQ(f(Kind::abs, -3.0), 3.0);
  CHECK_EQ(f(Kind::reciprocal, 4.0), 0.25);
  CHECK_EQ(f(Kind::sqrt, 9.0), 3.0);
  CHECK_EQ(f(Kind::none, 3.0), 3.0);
  CHECK_EQ(f(Kind::identity, 3.0), 3.0);
  CHECK_EQ(f(Kind::linear, 3.0, 2.0, 0.5), 6.5);
  CHECK_EQ(f(Kind::scaled_hard_sigmoid, 1.0, 0.25, 2.0), 1.5);
  CHECK_EQ(f(Kind::scaled_hard_sigmoid, 9.0, 0.25, 2.0), 2.0);
  CHECK(near(f(Kind::swish, 2.0, 1.702), 2.0 / (1.0 + std::exp(-3.404))));
  CHECK(near(f(Kind::celu, -1.0, 2.0), 2.0 * (std::exp(-0.5) - 1.0)));
  CHECK_EQ(f(Kind::celu, 3.0, 2.0), 3.0);
  CHECK(near(f(Kind::selu, -1.0, 2.0, 3.0), 6.0 * (std::exp(-1.0) - 1.0)));
  CHECK_EQ(f(Kind::selu, 2.0, 2.0, 3.0), 6.0);
  CHECK_EQ(f(Kind::softsign, -3.0), -0.75);
  CHECK_EQ(f(Kind::shrink, 2.0, 0.5, 0.25), 1.75);
  CHECK_EQ(f(Kind::shrink, -2.0, 0.5, 0.25), -1.75);
  CHECK_EQ(f(Kind::shrink, 0.5, 0.5, 0.25), 0.0);
  CHECK_EQ(f(Kind::thresholded_relu, 1.0, 1.0), 0.0);
  CHECK_EQ(f(Kind::thresholded_relu, 1.5, 1.0), 1.5);
  CHECK_EQ(f(Kind::sin, 1.0), std::sin(1.0));
  CHECK_EQ(f(Kind::cos, 1.0), std::cos(1.0));
  CHECK_EQ(ir::name(Kind::scaled_hard_sigmoid), "scaled_hard_sigmoid");
  CHECK_EQ(ir::name(Kind::cos), "cos");
  CHECK_EQ(ir::name(Kind::none), "none");
  CHECK_EQ(ir::name(Kind::gelu_tanh), "gelu_tanh");
  CHECK_EQ(ir::name(Kind::identity), "identity");
}

// A window position counts when it lies within the padded input; with ceil_mode also when it only starts before the end
// padding.
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

TEST(binding_shapes_propagates_and_checks_the_inputs) {
  OneLayer one(conv({1, 1}, {1, 1, 1, 1}, {1, 1}, 2), {{kDynamic, 4, kDynamic, 8}, {6, 2, 3, 3}});
  one.graph.inputs = {0};
  const ir::Graph bound = ir::bind_shapes(one.graph, {{2, 4, 5, 8}});
  CHECK_EQ(ir::to_string(bound.value(bound.outputs[0]).shape), "2x6x5x8");
  CHECK_EQ(ir::macs(bound, bound.layers[0]), 2 * 6 * 5 * 8 * (2 * 3 * 3));
  CHECK_EQ(ir::to_string(one.graph.value(one.graph.inputs[0]).shape), "?x4x?x8");  // the original is untouched
  CHECK_THROWS(ir::bind_shapes(one.graph, {{2, 5, 5, 8}}), "input `in` has the shape 2x5x5x8");
  CHECK_THROWS(ir::bind_shapes(one.graph, {{2, 4, 5}}), "2x4x5");
  CHECK_THROWS(ir::bind_shapes(one.graph, {{2, 4, kDynamic, 8}}), "declares ?x4x?x8");
  CHECK_THROWS(ir::bind_shapes(one.graph, {}), "0 input shapes");
}

TEST(macs_of_products) {
  ir::MatMulAttrs transposed;
  transposed.transpose_a = true;
  OneLayer gemm(transposed, {{7, 2}, {7, 5}});
  gemm.graph = ir::bind_shapes(gemm.graph, {{7, 2}, {7, 5}});
  CHECK_EQ(ir::macs(gemm.graph, gemm.graph.layers[0]), 2 * 7 * 5);
  OneLayer batched(ir::MatMulAttrs{}, {{3, 1, 2, 7}, {4, 7, 5}});
  batched.graph = ir::bind_shapes(batched.graph, {{3, 1, 2, 7}, {4, 7, 5}});
  CHECK_EQ(ir::macs(batched.graph, batched.graph.layers[0]), 3 * 4 * 2 * 7 * 5);
  OneLayer relu(ir::ElementwiseAttrs{}, {{3}});
  CHECK_EQ(ir::macs(relu.graph, relu.layer), 0);
}

TEST(data_movement) {
  CHECK(ir::is_data_movement(OneLayer(ir::SplitAttrs{}, {{2}}).layer));
  CHECK(ir::is_data_movement(OneLayer(ir::ReshapeAttrs{}, {{2}}).layer));
  CHECK(!ir::is_data_movement(OneLayer(ir::ResizeAttrs{}, {{2}}).layer));
  CHECK(!ir::is_data_movement(OneLayer(ir::PoolAttrs{}, {{2}}).layer));
}

TEST(impossible_sizes_are_errors_not_overflows) {
  const std::int64_t huge = std::numeric_limits<std::int64_t>::max();
  ir::PoolAttrs pool;
  pool.kernel = {huge};
  CHECK_THROWS(infer(pool, {{1, 1, 8}}), "kernel_shape has the entry");
  pool.kernel = {2};
  pool.pads = {huge, huge};
  CHECK_THROWS(infer(pool, {{1, 1, 8}}), "pads has the entry");
  pool.pads = {};
  CHECK_THROWS(infer(pool, {{1, 1, huge}}), "a dimension of");
  ir::PadAttrs pad;
  pad.pads = {huge, huge};
  CHECK_THROWS(infer(pad, {{8}}), "too large");
  ir::ResizeAttrs resize;
  resize.scales = {1e30};
  CHECK_THROWS(infer(resize, {{8}}), "too large");
}

VAIP_TEST_MAIN()
