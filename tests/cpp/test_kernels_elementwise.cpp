// Quantization, functions of one element, arithmetic with broadcasting, softmax.
#include <algorithm>
#include <array>
#include <cmath>

#include "kernel_harness.h"

namespace {

using namespace vaip;
using namespace vaip::test;
using Kind = ir::Activation::Kind;
using Op = ir::ArithmeticAttrs::Op;

std::size_t flat(const Tensor& t, const Index& at) { return static_cast<std::size_t>(row_major(t.value.shape, at)); }

// onnxruntime 1.31.1's results for a scale of 1 and these inputs, zero points 0 and 3.
TEST(quantize_saturates_as_onnxruntime_does) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<double> in = {nan, inf, -inf, 1e30, -1e30, 0.5, 1.5, 2.5, -0.5, 3e9, -3e9, 65535.5};
  struct Expected {
    DType dtype;
    int zero_point;
    std::vector<double> values;
  };
  const std::vector<Expected> all = {
      {DType::u8, 0, {0, 255, 0, 255, 0, 0, 2, 2, 0, 255, 0, 255}},
      {DType::u8, 3, {0, 255, 0, 255, 0, 3, 5, 5, 3, 255, 0, 255}},
      {DType::s8, 0, {-128, 127, -128, 127, -128, 0, 2, 2, 0, 127, -128, 127}},
      {DType::s8, 3, {-128, 127, -128, 127, -128, 3, 5, 5, 3, 127, -128, 127}},
      {DType::u16, 3, {0, 65535, 0, 65535, 0, 3, 5, 5, 3, 65535, 0, 65535}},
      {DType::s16, 3, {-32768, 32767, -32768, 32767, -32768, 3, 5, 5, 3, 32767, -32768, 32767}}};
  for (const Expected& expected : all) {
    Tensor x = describe(DType::f32, {12}), y = describe(expected.dtype, {12}, 1.0F, expected.zero_point);
    x.stored = in;
    run_layer(layer_of(ir::QuantizeAttrs{}), {&x}, {&y});
    for (std::size_t i = 0; i < in.size(); ++i) CHECK_EQ(y.stored[i], expected.values[i]);
  }
}

TEST(quantize_divides_in_float32) {
  Random random(1);
  for (const DType dtype : {DType::u8, DType::s8, DType::u16, DType::s16}) {
    Tensor x = random_tensor(random, DType::f32, Shape{5001}), y = describe(dtype, {5001}, 0.0123F, 3);
    // Quotients that are ties in float32 but not in real arithmetic.
    for (std::size_t i = 0; i < 2000; ++i)
      x.stored[i] = static_cast<double>(0.0123F * (static_cast<float>(i % 200) + 0.5F));
    run_layer(layer_of(ir::QuantizeAttrs{}), {&x}, {&y});
    int wrong = 0;
    for (std::size_t i = 0; i < x.stored.size(); ++i) {
      const float steps = std::nearbyint(static_cast<float>(x.stored[i]) / 0.0123F) + 3.0F;
      wrong += y.stored[i] != std::min(std::max(static_cast<double>(steps), type_lowest(dtype)), type_highest(dtype));
    }
    CHECK_EQ(wrong, 0);
  }
}

TEST(quantize_and_dequantize_per_axis_in_both_layouts) {
  Random random(2);
  for (const Layout layout : {Layout::row_major, Layout::channels_last}) {
    for (const int axis : {0, 1, 3}) {
      const Shape shape = {3, 3, 4, 3};
      Tensor x = random_tensor(random, DType::f32, shape), q = describe(DType::s8, shape),
             y = describe(DType::f32, shape);
      q.value.quant = ir::QuantParams{{0.1F, 0.3F, 0.01F}, {0, 7, -5}, axis};
      x.layout = q.layout = y.layout = layout;
      run_layer(layer_of(ir::QuantizeAttrs{}), {&x}, {&q});
      run_layer(layer_of(ir::DequantizeAttrs{}), {&q}, {&y});
      int wrong = 0;
      for_each_index(shape, [&](const Index& at) {
        const auto entry = static_cast<std::size_t>(at[static_cast<std::size_t>(axis)]);
        const auto scale = q.value.quant->scale[entry];
        const auto zero_point = static_cast<float>(q.value.quant->zero_point[entry]);
        const float steps = std::nearbyint(static_cast<float>(x.stored[flat(x, at)]) / scale) + zero_point;
        const float stored = std::min(std::max(steps, -128.0F), 127.0F);
        wrong += q.stored[flat(q, at)] != static_cast<double>(stored);
        wrong += y.stored[flat(y, at)] != static_cast<double>((stored - zero_point) * scale);
      });
      CHECK_EQ(wrong, 0);
    }
  }
}

TEST(dequantize_multiplies_in_float32) {
  Random random(3);
  for (const DType dtype : {DType::u8, DType::s8, DType::u16, DType::s16, DType::s32}) {
    Tensor x = random_tensor(random, dtype, Shape{3000}, 0.0137F, dtype == DType::s32 ? 0 : 5),
           y = describe(DType::f32, {3000});
    run_layer(layer_of(ir::DequantizeAttrs{}), {&x}, {&y});
    int wrong = 0;
    for (std::size_t i = 0; i < x.stored.size(); ++i)
      wrong += y.stored[i] != static_cast<double>(static_cast<float>(x.stored[i] - x.zero_point()) * 0.0137F);
    CHECK_EQ(wrong, 0);
  }
}

TEST(requantize_between_all_integer_types) {
  Random random(4);
  for (const DType from : {DType::u8, DType::s8, DType::u16, DType::s16, DType::s32}) {
    for (const DType to : {DType::u8, DType::s8, DType::u16, DType::s16, DType::s32}) {
      Tensor x = random_tensor(random, from, Shape{777}, 0.25F, from == DType::s32 ? 0 : 9),
             y = describe(to, {777}, 0.5F, 4);
      run_layer(layer_of(ir::RequantizeAttrs{}), {&x}, {&y});
      expect_real(y, [&](const Index& at) { return x.real(at); }, "requantize", true);
    }
  }
}

TEST(every_function_on_every_type) {
  Random random(5);
  for (int kind = 0; kind <= static_cast<int>(Kind::cos); ++kind) {
    const ir::Activation function = {static_cast<Kind>(kind), kind == static_cast<int>(Kind::clip) ? -0.5 : 0.2, 0.5};
    const std::string what = "function " + std::string(ir::name(function.kind));
    for (const DType dtype : {DType::u8, DType::s8, DType::u16, DType::s32, DType::f32}) {
      Tensor x = random_tensor(random, dtype, Shape{1200});
      const bool positive = function.kind == Kind::log || function.kind == Kind::sqrt;
      const float scale = dtype == DType::s32 ? 1e-4F : dtype == DType::u16 ? 1e-3F : 0.05F;
      if (dtype != DType::f32) x.value.quant = ir::QuantParams{{scale}, {dtype == DType::u8 && !positive ? 100 : 0}, 0};
      if (positive)
        for (double& v : x.stored) v = dtype == DType::s8 ? std::min(std::fabs(v), 127.0) : std::fabs(v);
      Tensor y = describe(DType::s8, {1200}, 0.07F, -20);
      run_layer(layer_of(ir::ElementwiseAttrs{function}), {&x}, {&y});
      expect_real(y, [&](const Index& at) { return ir::apply(function, x.real(at)); }, what);
      if (function.kind == Kind::reciprocal || function.kind == Kind::log) continue;  // infinities are not comparable
      Tensor z = describe(DType::f32, {1200});
      run_layer(layer_of(ir::ElementwiseAttrs{function}), {&x}, {&z});
      expect_real(z, [&](const Index& at) { return ir::apply(function, x.real(at)); }, what + " to float");
    }
  }
}

double broadcast_real(const Tensor& t, const Index& at) {
  Index own;
  const std::size_t lead = at.size() - t.value.shape.size();
  for (std::size_t d = 0; d < t.value.shape.size(); ++d) own.push_back(t.value.shape[d] == 1 ? 0 : at[lead + d]);
  return t.real(own);
}

TEST(arithmetic_with_broadcasting_in_both_layouts) {
  Random random(6);
  const std::vector<std::array<Shape, 3>> shapes = {
      {{{2, 5, 3, 4}, {2, 5, 3, 4}, {2, 5, 3, 4}}},
      {{{2, 5, 3, 4}, {1, 5, 1, 1}, {2, 5, 3, 4}}},
      {{{2, 5, 1, 1}, {2, 5, 3, 4}, {2, 5, 3, 4}}},
      {{{2, 5, 3, 4}, {}, {2, 5, 3, 4}}},
      {{{5, 1, 4}, {3, 1}, {5, 3, 4}}},
      {{{700}, {700}, {700}}},
      {{{3, 1}, {1, 1100}, {3, 1100}}},
      {{{}, {}, {}}},
      {{{2, 5, 3, 4}, {3, 4}, {2, 5, 3, 4}}},
  };
  for (const Op op : {Op::add, Op::sub, Op::mul, Op::div, Op::min, Op::max, Op::pow, Op::prelu}) {
    for (const auto& s : shapes) {
      for (const DType dtype : {DType::u8, DType::s8, DType::s16, DType::f32}) {
        for (const bool channels_last : {false, true}) {
          Tensor a = random_tensor(random, dtype, s[0]), b = random_tensor(random, dtype, s[1]);
          if (dtype != DType::f32) {
            a.value.quant = ir::QuantParams{{dtype == DType::s16 ? 1e-4F : 0.03F}, {5}, 0};
            b.value.quant = ir::QuantParams{{dtype == DType::s16 ? 3e-4F : 0.11F}, {-100}, 0};
            if (dtype == DType::u8) b.value.quant->zero_point[0] = 128;
          }
          if (op == Op::pow) {
            for (double& v : a.stored) v = std::fabs(v - a.zero_point()) + a.zero_point() + 1;
            if (dtype != DType::f32)
              for (double& v : a.stored) v = std::min(v, type_highest(dtype));
          }
          if (op == Op::div)
            for (double& v : b.stored)
              if (v == b.zero_point()) v += 1;
          if (channels_last && s[0].size() >= 3) a.layout = Layout::channels_last;
          if (channels_last && s[1].size() == 4 && random() % 2 == 0) b.layout = Layout::channels_last;
          Tensor y = describe(DType::u8, s[2], 0.21F, 117);
          if (channels_last && s[2].size() >= 3) y.layout = Layout::channels_last;
          ir::ArithmeticAttrs attrs;
          attrs.op = op;
          if (random() % 3 == 0) attrs.activation.kind = Kind::relu;
          run_layer(layer_of(attrs), {&a, &b}, {&y});
          expect_real(
              y,
              [&](const Index& at) {
                return ir::apply(attrs.activation, arithmetic(op, broadcast_real(a, at), broadcast_real(b, at)));
              },
              "arithmetic " + std::to_string(static_cast<int>(op)));
        }
      }
    }
  }
}

TEST(sum_of_many_operands_is_rounded_once) {
  Random random(7);
  std::vector<Tensor> inputs;
  std::vector<const Tensor*> pointers;
  for (int i = 0; i < 7; ++i)
    inputs.push_back(random_tensor(random, DType::u8, Shape{2, 300}, 0.25F * static_cast<float>(i + 1), 17 * i));
  for (const Tensor& t : inputs) pointers.push_back(&t);
  Tensor y = describe(DType::s16, {2, 300}, 0.5F, 3);
  run_layer(layer_of(ir::ArithmeticAttrs{}), pointers, {&y});
  expect_real(
      y,
      [&](const Index& at) {
        double sum = 0;
        for (const Tensor& t : inputs) sum += t.real(at);
        return sum;
      },
      "sum of seven", true);
  const std::vector<const Tensor*> many(40, &inputs[0]);
  CHECK_THROWS(run_layer(layer_of(ir::ArithmeticAttrs{}), many, {&y}), "Op 'layer0': an operator with 40 operands");
}

TEST(addition_keeps_ties_exact_for_any_scales) {
  // (a + b / 2) / 3 lands on a tie whenever a + b / 2 is 1.5, 4.5, ...: they must go to the even neighbour.
  Tensor a = describe(DType::u8, {256 * 16}, 1.0F, 0), b = describe(DType::u8, {256 * 16}, 0.5F, 0);
  for (int i = 0; i < 256 * 16; ++i) {
    a.stored.push_back(i % 256);
    b.stored.push_back(i / 256);
  }
  Tensor y = describe(DType::u8, {256 * 16}, 3.0F, 0);
  run_layer(layer_of(ir::ArithmeticAttrs{}), {&a, &b}, {&y});
  expect_real(y, [&](const Index& at) { return a.real(at) + b.real(at); }, "ties", true);
}

// The fast path for bytes tries float32 first: every pair of operands must come out as in double, ties included.
TEST(every_pair_of_bytes) {
  struct Scales {
    float a, b, y;
  };
  const std::vector<Scales> all = {{0.1F, 0.1F, 0.1F},        {0.013F, 0.021F, 0.03F}, {1.0F, 0.5F, 3.0F},
                                   {0.25F, 0.5F, 1.0F},       {0.3F, 0.1F, 0.2F},      {1e-6F, 1.0F, 1.7F},
                                   {7.0F, 3.0F, 2.0F},        {0.02F, 0.02F, 0.07F},   {5.0F, 4.0F, 0.001F},
                                   {0.0625F, 0.0625F, 0.125F}};
  for (const DType dtype : {DType::u8, DType::s8}) {
    Tensor a = describe(dtype, {65536}), b = describe(dtype, {65536}), y = describe(dtype, {65536});
    for (int i = 0; i < 65536; ++i) {
      a.stored.push_back(i % 256 + type_lowest(dtype));
      b.stored.push_back(i / 256 + type_lowest(dtype));
    }
    for (const Scales& s : all) {
      for (const Op op : {Op::add, Op::sub, Op::mul}) {
        a.value.quant = ir::QuantParams{{s.a}, {dtype == DType::u8 ? 119 : -3}, 0};
        b.value.quant = ir::QuantParams{{s.b}, {dtype == DType::u8 ? 0 : 100}, 0};
        y.value.quant = ir::QuantParams{{s.y}, {dtype == DType::u8 ? 128 : 5}, 0};
        ir::ArithmeticAttrs attrs;
        attrs.op = op;
        run_layer(layer_of(attrs), {&a, &b}, {&y});
        expect_real(y, [&](const Index& at) { return arithmetic(op, a.real(at), b.real(at)); }, "pairs of bytes", true);
      }
    }
  }
}

TEST(constants_quantized_per_axis_are_operands_too) {
  Random random(8);
  Tensor a = random_tensor(random, DType::u8, Shape{2, 3, 4, 5}, 0.1F, 3),
         b = random_tensor(random, DType::s8, Shape{3, 1, 1});
  b.value.quant = ir::QuantParams{{0.1F, 0.2F, 0.4F}, {1, 0, -1}, 0};
  make_constant(b);
  Tensor y = describe(DType::u8, {2, 3, 4, 5}, 0.3F, 100);
  a.layout = y.layout = Layout::channels_last;
  ir::ArithmeticAttrs attrs;
  attrs.op = Op::mul;
  run_layer(layer_of(attrs), {&a, &b}, {&y});
  expect_real(y, [&](const Index& at) { return a.real(at) * b.real({at[1], 0, 0}); }, "per-axis constant");
}

TEST(softmax_over_any_axis) {
  Random random(9);
  for (const bool log : {false, true}) {
    for (const DType dtype : {DType::u8, DType::s8, DType::u16, DType::f32}) {
      for (const std::int64_t axis : {-1, 1, 0, 2}) {
        for (const bool flatten : {false, true}) {
          const Shape shape = {2, 6, 4, 3};
          Tensor x = random_tensor(random, dtype, shape);
          if (dtype != DType::f32) x.value.quant = ir::QuantParams{{dtype == DType::u16 ? 2e-4F : 0.04F}, {77}, 0};
          Tensor y = log ? describe(DType::s8, shape, 0.07F, 100) : describe(DType::u8, shape, 1.0F / 256, 0);
          if (random() % 2 == 0) x.layout = y.layout = Layout::channels_last;
          ir::SoftmaxAttrs attrs;
          attrs.axis = axis;
          attrs.log = log;
          attrs.flatten_to_2d = flatten;
          run_layer(layer_of(attrs), {&x}, {&y});
          const auto first = static_cast<std::size_t>(axis < 0 ? axis + 4 : axis);
          expect_real(
              y,
              [&](const Index& at) {
                double sum = 0;
                for_each_index(shape, [&](const Index& other) {
                  bool same_row = true;
                  for (std::size_t d = 0; d < 4; ++d)
                    if (flatten ? d < first : d != first) same_row = same_row && other[d] == at[d];
                  if (same_row) sum += std::exp(x.real(other) - x.real(at));
                });
                return log ? -std::log(sum) : 1.0 / sum;
              },
              "softmax");
        }
      }
    }
  }
}

TEST(softmax_rows_of_equal_extremes_do_not_overflow) {
  Tensor x = describe(DType::f32, {2, 3}), y = describe(DType::f32, {2, 3});
  x.stored = {1e30, 1e30, -1e30, 3e38, -3e38, 3e38};
  run_layer(layer_of(ir::SoftmaxAttrs{}), {&x}, {&y});
  CHECK(y.stored == (std::vector<double>{0.5, 0.5, 0, 0.5, 0, 0.5}));
}

}  // namespace

VAIP_TEST_MAIN()
