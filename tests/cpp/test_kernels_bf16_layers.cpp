// Layers on bfloat16 tensors other than products: every result is the real number, rounded once.
#include <array>
#include <string>

#include "kernel_harness.h"
#include "kernels/float_block.h"

namespace {

using namespace vaip;
using namespace vaip::test;
using Kind = ir::Activation::Kind;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// got is `real` rounded, or its other neighbour where that is within `doubt` of a tie (relative to the number).
bool is_rounded(double got, double real, double doubt = 0x1p-17) {
  if (std::isnan(real)) return std::isnan(got);
  const double wanted = nearest_bf16(real);
  if (got == wanted) return true;
  const double margin = std::fabs(real) * doubt;
  return got == nearest_bf16(real - margin) || got == nearest_bf16(real + margin);
}

// absolute: what the result may be wrong by besides, for sums.
void expect_bf16(const Tensor& out, const std::function<double(const Index&)>& real, const std::string& what,
                 double doubt = 0x1p-17, double absolute = 0.0) {
  int shown = 0;
  for_each_index(out.value.shape, [&](const Index& index) {
    const double wanted = real(index), got = out.real(index);
    if (is_rounded(got, wanted, doubt) || std::fabs(got - wanted) <= absolute || ++shown > 3) return;
    report(__FILE__, __LINE__, what + ": got " + std::to_string(got) + ", wanted " + std::to_string(wanted));
  });
}

// The operand's element under an index of the output.
double broadcast_real(const Tensor& t, const Index& at) {
  Index own;
  const Shape& shape = t.value.shape;
  for (std::size_t d = 0; d < shape.size(); ++d) own.push_back(shape[d] == 1 ? 0 : at[at.size() - shape.size() + d]);
  return t.real(own);
}

Tensor bf16(const Shape& shape) { return describe(DType::bf16, shape); }

// Numbers of all magnitudes, and those that are none.
std::vector<double> all_bf16() {
  std::vector<double> all;
  for (unsigned bits = 0; bits < 65536; ++bits) {
    StoredBf16 stored;
    stored.bits = static_cast<std::uint16_t>(bits);
    all.push_back(static_cast<double>(stored));
  }
  return all;
}

TEST(functions_of_every_number) {
  Tensor x = bf16({65536});
  x.stored = all_bf16();
  for (const ir::Activation& f : std::vector<ir::Activation>{{Kind::relu, 0.0, 0.0},
                                                             {Kind::clip, -0.1, 6.0},
                                                             {Kind::leaky_relu, 0.01, 0.0},
                                                             {Kind::neg, 0.0, 0.0},
                                                             {Kind::abs, 0.0, 0.0},
                                                             {Kind::sqrt, 0.0, 0.0},
                                                             {Kind::reciprocal, 0.0, 0.0},
                                                             {Kind::sigmoid, 0.0, 0.0},
                                                             {Kind::tanh, 0.0, 0.0},
                                                             {Kind::gelu, 0.0, 0.0},
                                                             {Kind::erf, 0.0, 0.0},
                                                             {Kind::exp, 0.0, 0.0},
                                                             {Kind::hard_sigmoid, 0.2, 0.5},
                                                             {Kind::round, 0.0, 0.0}}) {
    Tensor y = bf16(x.value.shape);
    run_layer(layer_of(ir::ElementwiseAttrs{f}), {&x}, {&y});
    expect_bf16(y, [&](const Index& at) { return ir::apply(f, x.real(at)); }, std::string(ir::name(f.kind)));
  }
}

// Without the cancellation in 1 + erf and 1 + tanh.
double precise(const ir::Activation& f, double x) {
  if (f.kind == Kind::gelu) return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
  if (f.kind == Kind::gelu_tanh)
    return x / (1.0 + std::exp(-2.0 * std::sqrt(2.0 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
  return ir::apply(f, x);
}

// What epilogues apply to sums in float32.
TEST(functions_in_float) {
  for (const ir::Activation& f : std::vector<ir::Activation>{{Kind::relu, 0.0, 0.0},
                                                             {Kind::clip, -0.1, 6.0},
                                                             {Kind::leaky_relu, 0.01, 0.0},
                                                             {Kind::hard_swish, 0.0, 0.0},
                                                             {Kind::sigmoid, 0.0, 0.0},
                                                             {Kind::swish, 1.5, 0.0},
                                                             {Kind::tanh, 0.0, 0.0},
                                                             {Kind::gelu, 0.0, 0.0},
                                                             {Kind::gelu_tanh, 0.0, 0.0},
                                                             {Kind::softplus, 0.0, 0.0},
                                                             {Kind::sqrt, 0.0, 0.0},
                                                             {Kind::reciprocal, 0.0, 0.0},
                                                             {Kind::neg, 0.0, 0.0},
                                                             {Kind::abs, 0.0, 0.0}}) {
    std::vector<float> x;
    for (float v = 1e-6F; v < 200.0F; v *= 1.003F) x.insert(x.end(), {v, -v});
    x.insert(x.end(), {0.0F, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()});
    std::vector<float> y = x;
    kernels::apply(f, y.data(), static_cast<std::int64_t>(y.size()));
    int wrong = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double wanted = precise(f, static_cast<double>(x[i])), got = static_cast<double>(y[i]);
      if (std::isnan(wanted) ? std::isnan(got) : got == wanted) continue;
      // Where a factor is below the normal numbers of float32 it may be 0.
      if (std::fabs(got - wanted) <= std::fabs(wanted) * 0x1p-14 + 0x1p-118) continue;
      if (static_cast<double>(static_cast<float>(wanted)) == got) continue;
      if (++wrong < 4)
        report(__FILE__, __LINE__,
               std::string(ir::name(f.kind)) + " of " + std::to_string(x[i]) + ": got " + std::to_string(got) +
                   ", wanted " + std::to_string(wanted));
    }
  }
}

TEST(functions_of_other_types) {
  Random random(1);
  const ir::Activation swish = {Kind::swish, 1.0, 0.0};
  for (const auto& [from, to] : std::vector<std::pair<DType, DType>>{
           {DType::f32, DType::bf16}, {DType::bf16, DType::f32}, {DType::u8, DType::bf16}, {DType::s16, DType::bf16}}) {
    const Shape shape = {3, 5, 7};
    Tensor x = from == DType::u8    ? random_tensor(random, from, shape, 0.03F, 120)
               : from == DType::s16 ? random_tensor(random, from, shape, 0.0002F, 0)
                                    : random_tensor(random, from, shape);
    Tensor y = describe(to, shape);
    y.layout = Layout::channels_last;
    run_layer(layer_of(ir::ElementwiseAttrs{swish}), {&x}, {&y});
    const auto real = [&](const Index& at) { return ir::apply(swish, x.real(at)); };
    if (to == DType::bf16)
      expect_bf16(y, real, "swish");
    else
      expect_real(y, real, "swish");
  }
}

TEST(arithmetic) {
  using Op = ir::ArithmeticAttrs::Op;
  Random random(2);
  for (const Op op : {Op::add, Op::sub, Op::mul, Op::div, Op::min, Op::max, Op::pow, Op::prelu}) {
    for (int i = 0; i < 12; ++i) {
      const Shape shape = pick<Shape>(random, {{2, 3, 5, 7}, {1, 33}, {641}, {4, 1, 3}});
      Shape other = shape;
      for (std::int64_t& d : other)
        if (random() % 3 == 0) d = 1;
      if (random() % 3 == 0) other = {1};
      Tensor a = random_tensor(random, DType::bf16, shape);
      Tensor b = random_tensor(random, pick<DType>(random, {DType::bf16, DType::bf16, DType::f32}), other);
      if (op == Op::pow)
        for (double& v : b.stored) v = pick<double>(random, {2.0, 3.0, 0.5, -1.0, 2.5});
      a.layout = pick<Layout>(random, {Layout::row_major, Layout::channels_last});
      Tensor y = bf16(shape);
      y.layout = pick<Layout>(random, {Layout::row_major, Layout::channels_last});
      ir::ArithmeticAttrs attrs{op, {}};
      if (random() % 2 == 0) attrs.activation = {Kind::relu, 0.0, 0.0};
      run_layer(layer_of(attrs), {&a, &b}, {&y});
      expect_bf16(
          y,
          [&](const Index& at) {
            return ir::apply(attrs.activation, arithmetic(op, a.real(at), broadcast_real(b, at)));
          },
          "arithmetic " + std::to_string(static_cast<int>(op)));
    }
  }
}

// What is left after the first terms cancel is not lost.
TEST(sums_of_three) {
  Tensor a = bf16({1}), b = bf16({1}), c = bf16({1}), y = bf16({1});
  a.stored = {1.0};
  b.stored = {0x1.5p-40};
  c.stored = {-1.0};
  run_layer(layer_of(ir::ArithmeticAttrs{}), {&a, &b, &c}, {&y});
  CHECK_EQ(y.stored[0], 0x1.5p-40);
}

TEST(arithmetic_with_infinities_and_nan) {
  Tensor a = bf16({5}), b = bf16({5}), y = bf16({5});
  a.stored = {kInfinity, kInfinity, 0x1.FEp127, std::nan(""), -kInfinity};
  b.stored = {1.0, -kInfinity, 0x1.FEp127, 1.0, 1.0};
  run_layer(layer_of(ir::ArithmeticAttrs{}), {&a, &b}, {&y});
  expect_bf16(y, [&](const Index& at) { return a.real(at) + b.real(at); }, "add");
}

TEST(comparison_where_and_choices) {
  Random random(3);
  Tensor a = random_tensor(random, DType::bf16, Shape{4, 37}), b = random_tensor(random, DType::bf16, Shape{37});
  a.stored[5] = std::nan("");
  b.stored[7] = a.stored[7];
  Tensor holds = describe(DType::boolean, Shape{4, 37}), y = bf16({4, 37});
  run_layer(layer_of(ir::ComparisonAttrs{ir::ComparisonAttrs::Op::greater_or_equal}), {&a, &b}, {&holds});
  run_layer(layer_of(ir::WhereAttrs{}), {&holds, &a, &b}, {&y});
  for_each_index(y.value.shape, [&](const Index& at) {
    const bool wanted = a.real(at) >= broadcast_real(b, at);
    CHECK_EQ(holds.real(at), wanted ? 1.0 : 0.0);
    CHECK_EQ(y.real(at), wanted ? a.real(at) : broadcast_real(b, at));
  });
  Tensor c = random_tensor(random, DType::f32, Shape{37});
  run_layer(layer_of(ir::WhereAttrs{}), {&holds, &a, &c}, {&y});
  expect_bf16(y, [&](const Index& at) { return holds.real(at) != 0.0 ? a.real(at) : broadcast_real(c, at); }, "where");

  Tensor index = describe(DType::s64, Shape{4, 1}), values = bf16({4, 3}), indices = describe(DType::s64, Shape{4, 3});
  run_layer(layer_of(ir::ArgAttrs{ir::ArgAttrs::Op::min, 1, true, false}), {&a}, {&index});
  run_layer(layer_of(ir::TopKAttrs{3, 1, false}), {&a}, {&values, &indices});
  for (std::int64_t row = 1; row < 4; ++row) {  // the first has the NaN
    std::vector<double> line(a.stored.begin() + row * 37, a.stored.begin() + (row + 1) * 37);
    const auto least = std::min_element(line.begin(), line.end());
    CHECK_EQ(index.stored[static_cast<std::size_t>(row)], static_cast<double>(least - line.begin()));
    std::sort(line.begin(), line.end());
    for (std::size_t k = 0; k < 3; ++k) CHECK_EQ(values.stored[static_cast<std::size_t>(row) * 3 + k], line[k]);
  }
  for (const double value : {values.stored[0], values.stored[1], values.stored[2]}) CHECK(!std::isnan(value));

  Tensor sums = bf16({4, 37});
  a.stored[5] = 1.0;
  run_layer(layer_of(ir::CumSumAttrs{1, false, false}), {&a}, {&sums});
  for (std::int64_t row = 0; row < 4; ++row) {
    double sum = 0.0;
    for (std::int64_t i = 0; i < 37; ++i) {
      sum += a.real({row, i});
      CHECK(is_rounded(sums.real({row, i}), sum));
    }
  }
}

TEST(casts) {
  Random random(4);
  const std::vector<double> numbers = {0.0, 1.0, -1.0, 2.5, -3.75, 255.0, 100.0, 0x1.8p-3, -64.0, 17.0};
  for (const DType from : {DType::bf16, DType::f16, DType::f32, DType::f64, DType::s8, DType::s32, DType::s64})
    for (const DType to : {DType::bf16, DType::f16, DType::f32, DType::f64, DType::s32, DType::s64, DType::boolean}) {
      Tensor x = describe(from, Shape{3, static_cast<std::int64_t>(numbers.size())});
      for (int i = 0; i < 3; ++i)
        for (const double v : numbers) x.stored.push_back(ir::is_integer(from) ? std::min(std::trunc(v), 127.0) : v);
      Tensor y = describe(to, x.value.shape);
      run_layer(layer_of(ir::CastAttrs{}), {&x}, {&y});
      for (std::size_t i = 0; i < x.stored.size(); ++i) {
        const double v = x.stored[i];
        CHECK_EQ(y.stored[i], to == DType::boolean ? (v != 0.0 ? 1.0 : 0.0) : ir::is_integer(to) ? std::trunc(v) : v);
      }
    }
  Tensor x = random_tensor(random, DType::f32, Shape{1000}), y = bf16({1000});
  run_layer(layer_of(ir::CastAttrs{}), {&x}, {&y});
  expect_bf16(y, [&](const Index& at) { return x.real(at); }, "cast", 0.0);
  Tensor wide = describe(DType::f64, Shape{2});  // which would be a tie if it went through float32
  wide.stored = {1.0 + 0x1p-8 + 0x1p-40, -1.0 - 0x1p-8 + 0x1p-40};
  y = bf16({2});
  run_layer(layer_of(ir::CastAttrs{}), {&wide}, {&y});
  expect_bf16(y, [&](const Index& at) { return wide.real(at); }, "cast", 0.0);
}

TEST(quantize_and_dequantize) {
  Random random(5);
  Tensor x = random_tensor(random, DType::bf16, Shape{2, 6, 5}), q = describe(DType::s8, x.value.shape, 0.0371F, 7);
  run_layer(layer_of(ir::QuantizeAttrs{}), {&x}, {&q});
  expect_real(q, [&](const Index& at) { return x.real(at); }, "quantize");
  Tensor back = bf16(x.value.shape);
  run_layer(layer_of(ir::DequantizeAttrs{}), {&q}, {&back});
  expect_bf16(back, [&](const Index& at) { return q.real(at); }, "dequantize");
  Tensor wide = random_tensor(random, DType::s32, Shape{2, 6, 5}, 0.0011F, 0);
  wide.value.quant = ir::QuantParams{{0.5F, 0.01F, 0.3F, 0.2F, 1.0F, 7.0F}, {0, 0, 0, 0, 0, 0}, 1};
  run_layer(layer_of(ir::DequantizeAttrs{}), {&wide}, {&back});
  expect_bf16(back, [&](const Index& at) { return wide.real(at); }, "dequantize per channel");
}

TEST(softmax) {
  Random random(6);
  for (const bool log : {false, true})
    for (int i = 0; i < 24; ++i) {
      const Shape shape = pick<Shape>(random, {{2, 3, 5, 7}, {3, 130}, {1}, {2, 1000}, {4, 9, 33}});
      const std::int64_t axis = between(random, 0, static_cast<std::int64_t>(shape.size()) - 1);
      Tensor x = random_tensor(random, DType::bf16, shape), y = bf16(shape);
      for (double& v : x.stored) v = nearest_bf16(3.0 * v);
      x.layout = pick<Layout>(random, {Layout::row_major, Layout::channels_last});
      run_layer(layer_of(ir::SoftmaxAttrs{axis, log, false}), {&x}, {&y});
      expect_bf16(
          y,
          [&](const Index& at) {
            double sum = 0.0, most = -kInfinity;
            Index other = at;
            const auto a = static_cast<std::size_t>(axis);
            for (other[a] = 0; other[a] < shape[a]; ++other[a]) most = std::max(most, x.real(other));
            for (other[a] = 0; other[a] < shape[a]; ++other[a]) sum += std::exp(x.real(other) - most);
            const double logarithm = x.real(at) - most - std::log(sum);
            return log ? logarithm : std::exp(logarithm);
          },
          "softmax", 0x1p-16, log ? 0x1p-20 : 0.0);
    }
}

TEST(softmax_of_masked_rows) {
  Tensor x = bf16({3, 3}), y = bf16({3, 3});
  x.stored = {1.0, -kInfinity, 1.0, -kInfinity, -kInfinity, -kInfinity, 1.0, std::nan(""), 2.0};
  run_layer(layer_of(ir::SoftmaxAttrs{}), {&x}, {&y});
  CHECK_EQ(y.stored[0], 0.5);
  CHECK_EQ(y.stored[1], 0.0);
  for (std::size_t i = 3; i < 9; ++i) CHECK(std::isnan(y.stored[i]));
}

TEST(normalization) {
  using Op = ir::NormalizationAttrs::Op;
  Random random(7);
  for (const Op op : {Op::layer, Op::rms, Op::instance, Op::group, Op::batch, Op::l1, Op::l2})
    for (int i = 0; i < 10; ++i) {
      const Shape shape = pick<Shape>(random, {{2, 6, 5, 7}, {3, 6, 133}, {2, 6, 384}, {1, 6, 1}});
      const std::size_t rank = shape.size();
      const bool row = op == Op::layer || op == Op::rms, along = row || op == Op::l1 || op == Op::l2;
      ir::NormalizationAttrs attrs;
      attrs.op = op;
      attrs.groups = op == Op::group ? 3 : 1;
      attrs.axis = row && random() % 3 == 0 ? 1 : static_cast<std::int64_t>(rank) - 1;
      if (random() % 3 == 0) attrs.activation = {Kind::relu, 0.0, 0.0};
      Tensor x = random_tensor(random, DType::bf16, shape), y = bf16(shape);
      for (double& v : x.stored) v = nearest_bf16(v + 1.5);
      x.layout = pick<Layout>(random, {Layout::row_major, Layout::channels_last});
      const Shape parameter = row ? Shape(shape.begin() + attrs.axis, shape.end()) : Shape{shape[1]};
      Tensor scale = random_tensor(random, pick<DType>(random, {DType::f32, DType::bf16}), parameter);
      Tensor bias = random_tensor(random, DType::f32, parameter), mean = random_tensor(random, DType::f32, parameter);
      Tensor variance = random_tensor(random, DType::f32, parameter);
      for (double& v : variance.stored) v = std::fabs(v) + 0.1;
      for (Tensor* t : {&scale, &bias, &mean, &variance}) make_constant(*t);
      std::vector<const Tensor*> inputs = {&x, &scale, &bias};
      if (op == Op::batch) inputs.insert(inputs.end(), {&mean, &variance});
      if (op == Op::l1 || op == Op::l2) inputs = {&x};
      run_layer(layer_of(attrs), inputs, {&y});
      expect_bf16(
          y,
          [&](const Index& at) {
            double sum = 0.0, squares = 0.0, magnitudes = 0.0, n = 0.0;
            const auto each = [&](const auto& body) {
              for_each_index(shape, [&](const Index& other) {
                for (std::size_t d = 0; d < rank; ++d) {
                  const bool measured = along ? (row ? d >= static_cast<std::size_t>(attrs.axis)
                                                     : d == static_cast<std::size_t>(attrs.axis))
                                              : d >= 2;
                  const bool together = op == Op::group && d == 1 && other[1] / 2 == at[1] / 2;
                  if (!measured && !together && other[d] != at[d]) return;
                }
                body(x.real(other));
              });
            };
            if (op != Op::batch)
              each([&](double v) {
                sum += v;
                magnitudes += std::fabs(v);
                n += 1.0;
              });
            const double centre = op == Op::rms || !(row || !along) ? 0.0 : sum / n;
            if (op != Op::batch) each([&](double v) { squares += (v - centre) * (v - centre); });
            const double v = x.real(at);
            if (op == Op::l1) return ir::apply(attrs.activation, v / magnitudes);
            if (op == Op::l2) return ir::apply(attrs.activation, v / std::sqrt(squares));
            const Index p = row ? Index(at.begin() + attrs.axis, at.end()) : Index{at[1]};
            const double normal = op == Op::batch ? (v - mean.real(p)) / std::sqrt(variance.real(p) + attrs.epsilon)
                                                  : (v - centre) / std::sqrt(squares / n + attrs.epsilon);
            return ir::apply(attrs.activation, normal * scale.real(p) + bias.real(p));
          },
          "normalization " + std::to_string(static_cast<int>(op)), 0x1p-17, 0x1p-18);
    }
}

TEST(reductions) {
  using Op = ir::ReduceAttrs::Op;
  Random random(8);
  for (const Op op : {Op::mean, Op::sum, Op::max, Op::min, Op::l1, Op::l2, Op::sum_square, Op::log_sum_exp, Op::prod})
    for (int i = 0; i < 8; ++i) {
      const Shape shape = {2, 5, 3, 9};
      ir::ReduceAttrs attrs;
      attrs.op = op;
      attrs.axes = pick<Shape>(random, {{1}, {3}, {2, 3}, {0, 2}});
      Tensor x = random_tensor(random, DType::bf16, shape);
      x.layout = pick<Layout>(random, {Layout::row_major, Layout::channels_last});
      Shape reduced = shape;
      for (const std::int64_t axis : attrs.axes) reduced[static_cast<std::size_t>(axis)] = 1;
      Tensor y = bf16(reduced);
      run_layer(layer_of(attrs), {&x}, {&y});
      expect_bf16(
          y,
          [&](const Index& at) {
            double result = op == Op::max ? -kInfinity : op == Op::min ? kInfinity : op == Op::prod ? 1.0 : 0.0, n = 0;
            for_each_index(shape, [&](const Index& other) {
              for (std::size_t d = 0; d < 4; ++d)
                if (reduced[d] != 1 && other[d] != at[d]) return;
              const double v = x.real(other);
              n += 1.0;
              result = op == Op::max                     ? std::max(result, v)
                       : op == Op::min                   ? std::min(result, v)
                       : op == Op::prod                  ? result * v
                       : op == Op::l1                    ? result + std::fabs(v)
                       : op == Op::log_sum_exp           ? result + std::exp(v)
                       : op == Op::mean || op == Op::sum ? result + v
                                                         : result + v * v;
            });
            return op == Op::mean          ? result / n
                   : op == Op::l2          ? std::sqrt(result)
                   : op == Op::log_sum_exp ? std::log(result)
                                           : result;
          },
          "reduction " + std::to_string(static_cast<int>(op)));
    }
}

TEST(pools) {
  Random random(9);
  for (const auto op : {ir::PoolAttrs::Op::max, ir::PoolAttrs::Op::average})
    for (const std::int64_t channels : {1, 3, 16, 37, 600}) {
      Tensor x = random_tensor(random, DType::bf16, Shape{2, channels, 6, 7}), y = bf16({2, channels, 3, 4});
      x.layout = y.layout = Layout::channels_last;
      if (op == ir::PoolAttrs::Op::max) x.stored[3] = -kInfinity;
      ir::PoolAttrs attrs;
      attrs.op = op;
      attrs.kernel = {3, 3};
      attrs.strides = {2, 2};
      attrs.pads = {1, 1, 0, 1};
      run_layer(layer_of(attrs), {&x}, {&y});
      expect_bf16(
          y,
          [&](const Index& at) {
            double most = -kInfinity, sum = 0.0, n = 0.0;
            for (std::int64_t r = 0; r < 3; ++r)
              for (std::int64_t c = 0; c < 3; ++c) {
                const Index from = {at[0], at[1], at[2] * 2 - 1 + r, at[3] * 2 - 1 + c};
                if (from[2] < 0 || from[2] >= 6 || from[3] < 0 || from[3] >= 7) continue;
                most = std::max(most, x.real(from));
                sum += x.real(from);
                n += 1.0;
              }
            return op == ir::PoolAttrs::Op::max ? most : sum / n;
          },
          "pool");
    }
}

TEST(resize_and_movement) {
  Random random(10);
  Tensor x = random_tensor(random, DType::bf16, Shape{1, 5, 3, 4});
  x.layout = Layout::channels_last;
  ir::ResizeAttrs resize;
  resize.scales = {1.0, 1.0, 2.0, 2.0};
  resize.coordinates = ir::ResizeAttrs::Coordinates::asymmetric;
  resize.nearest = ir::ResizeAttrs::Nearest::floor;
  Tensor y = bf16({1, 5, 6, 8});
  y.layout = Layout::channels_last;
  run_layer(layer_of(resize), {&x}, {&y});
  expect_bf16(y, [&](const Index& at) { return x.real({0, at[1], at[2] / 2, at[3] / 2}); }, "nearest", 0.0);
  resize.mode = ir::ResizeAttrs::Mode::linear;
  run_layer(layer_of(resize), {&x}, {&y});
  expect_bf16(
      y,
      [&](const Index& at) {
        double sum = 0.0;
        for (const std::int64_t r : {at[2] / 2, (at[2] + 1) / 2})
          for (const std::int64_t c : {at[3] / 2, (at[3] + 1) / 2})
            sum += x.real({0, at[1], std::min<std::int64_t>(r, 2), std::min<std::int64_t>(c, 3)});
        return sum / 4.0;
      },
      "linear");

  Tensor padded = bf16({1, 5, 5, 4});
  ir::PadAttrs pad;
  pad.pads = {0, 0, 1, 0, 0, 0, 1, 0};
  pad.value = 0.3;
  run_layer(layer_of(pad), {&x}, {&padded});
  expect_bf16(
      padded, [&](const Index& at) { return at[2] == 0 || at[2] == 4 ? 0.3 : x.real({0, at[1], at[2] - 1, at[3]}); },
      "pad");

  Tensor other = random_tensor(random, DType::f32, Shape{1, 2, 3, 4}), joined = bf16({1, 7, 3, 4});
  run_layer(layer_of(ir::ConcatAttrs{1}), {&x, &other}, {&joined});
  expect_bf16(
      joined, [&](const Index& at) { return at[1] < 5 ? x.real(at) : other.real({0, at[1] - 5, at[2], at[3]}); },
      "concat");

  Tensor turned = bf16({4, 3, 5, 1}), indices = describe(DType::s64, Shape{2});
  run_layer(layer_of(ir::TransposeAttrs{}), {&x}, {&turned});
  expect_bf16(turned, [&](const Index& at) { return x.real({at[3], at[2], at[1], at[0]}); }, "transpose", 0.0);
  indices.stored = {3, -4};
  Tensor gathered = bf16({2, 3, 5, 1});
  run_layer(layer_of(ir::GatherAttrs{}), {&turned, &indices}, {&gathered});
  expect_bf16(
      gathered, [&](const Index& at) { return turned.real({at[0] == 0 ? 3 : 0, at[1], at[2], 0}); }, "gather", 0.0);
}

}  // namespace

VAIP_TEST_MAIN()
