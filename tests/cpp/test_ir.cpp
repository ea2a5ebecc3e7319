// Types, shapes, scalar functions, graphs. Reference values are computed with Python's math module.
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"
#include "check.h"
#include "ir/binding.h"
#include "ir/graph.h"
#include "one_layer.h"

using namespace vaip::test;
namespace ir = vaip::ir;
using ir::kDynamic;
using Kind = ir::Activation::Kind;

namespace {

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
