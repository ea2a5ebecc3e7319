// Normalizations against their definition in long double, in both layouts and on every element type.
#include <cmath>

#include "kernel_harness.h"

namespace {

using namespace vaip;
using namespace vaip::test;

using Attrs = ir::NormalizationAttrs;
using Op = Attrs::Op;

Tensor random_constant(Random& random, const Shape& shape, double low, double high, bool quantized) {
  Tensor t =
      quantized ? describe(DType::s8, shape, static_cast<float>((high - low) / 200), 3) : describe(DType::f32, shape);
  for (std::int64_t i = 0; i < count_of(shape); ++i) {
    const double real = low + (high - low) * static_cast<double>(random()) / 4294967296.0;
    t.stored.push_back(quantized ? std::fmax(-128, std::fmin(127, std::nearbyint(real / t.scale()) + 3))
                                 : static_cast<double>(static_cast<float>(real)));
  }
  make_constant(t);
  return t;
}

// Whether the elements at a and b are measured together.
bool together(const Attrs& attrs, const Shape& shape, const Index& a, const Index& b) {
  const auto axis =
      static_cast<std::size_t>(attrs.axis < 0 ? attrs.axis + static_cast<std::int64_t>(shape.size()) : attrs.axis);
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (a[d] == b[d]) continue;
    switch (attrs.op) {
      case Op::layer:
      case Op::rms:
        if (d < axis) return false;
        break;
      case Op::l1:
      case Op::l2:
        if (d != axis) return false;
        break;
      default:
        if (d == 0) return false;
        if (d == 1 && (attrs.op != Op::group || a[1] / (shape[1] / attrs.groups) != b[1] / (shape[1] / attrs.groups)))
          return false;
    }
  }
  return true;
}

double normalised(const Attrs& attrs, const Tensor& x, const Index& at) {
  const Shape& shape = x.value.shape;
  long double n = 0, sum = 0, magnitudes = 0, squares = 0, deviations = 0;
  for_each_index(shape, [&](const Index& other) {
    if (!together(attrs, shape, at, other)) return;
    const auto v = static_cast<long double>(x.real(other));
    n += 1;
    sum += v;
    magnitudes += std::fabs(v);
    squares += v * v;
  });
  for_each_index(shape, [&](const Index& other) {
    const long double d = static_cast<long double>(x.real(other)) - sum / n;
    if (together(attrs, shape, at, other)) deviations += d * d;
  });
  const auto v = static_cast<long double>(x.real(at));
  const auto over = [v](long double norm) { return static_cast<double>(norm == 0 ? 0 : v / norm); };
  if (attrs.op == Op::l1) return over(magnitudes);
  if (attrs.op == Op::l2) return over(std::sqrt(squares));
  if (attrs.op == Op::rms) return over(std::sqrt(squares / n + static_cast<long double>(attrs.epsilon)));
  return static_cast<double>((v - sum / n) / std::sqrt(deviations / n + static_cast<long double>(attrs.epsilon)));
}

TEST(normalizations_of_every_kind_type_and_layout) {
  Random random(21);
  for (int i = 0; i < 300; ++i) {
    Attrs attrs;
    attrs.op = pick<Op>(random, {Op::layer, Op::rms, Op::instance, Op::group, Op::batch, Op::l1, Op::l2});
    attrs.epsilon = pick<double>(random, {1e-5, 1e-2, 0.0});
    const bool by_channel = attrs.op == Op::instance || attrs.op == Op::group || attrs.op == Op::batch;
    const auto rank = static_cast<std::size_t>(between(random, by_channel ? 3 : 1, 5));
    Shape shape;
    for (std::size_t d = 0; d < rank; ++d) shape.push_back(pick<std::int64_t>(random, {1, 2, 3, 8}));
    if (by_channel) shape[1] = 6;
    attrs.groups = pick<std::int64_t>(random, {1, 2, 3, 6});
    attrs.axis = between(random, -static_cast<std::int64_t>(rank), static_cast<std::int64_t>(rank) - 1);
    if (random() % 4 == 0) attrs.activation.kind = ir::Activation::Kind::relu;

    const DType dtype = pick<DType>(random, {DType::u8, DType::s8, DType::u16, DType::s16, DType::s32, DType::f32});
    Tensor x = random_tensor(random, dtype, shape), y = describe(DType::s16, shape, 0.0003F, -3);
    if (dtype != DType::f32) x.value.quant = ir::QuantParams{{0.02F}, {dtype == DType::s32 ? 0 : 5}, 0};
    if (rank >= 3 && random() % 2 == 0) x.layout = Layout::channels_last;
    if (rank >= 3 && random() % 2 == 0) y.layout = Layout::channels_last;
    // Parameters of all the normalised dimensions, or of the last ones only; absent ones.
    const auto axis =
        static_cast<std::ptrdiff_t>(attrs.axis < 0 ? attrs.axis + static_cast<std::int64_t>(rank) : attrs.axis);
    Shape parameters(shape.begin() + axis, shape.end());
    if (random() % 3 == 0) parameters.assign(1, shape.back());
    if (by_channel) parameters = {6};
    if (attrs.op == Op::group && random() % 2 == 0) parameters = {attrs.groups};
    const Tensor scale = random_constant(random, parameters, -2, 2, random() % 2 == 0);
    const Tensor bias = random_constant(random, parameters, -1, 1, random() % 2 == 0);
    const Tensor mean = random_constant(random, {6}, -1, 1, false),
                 variance = random_constant(random, {6}, 0.1, 4, false);
    const bool scaled = attrs.op != Op::l1 && attrs.op != Op::l2;
    std::vector<const Tensor*> inputs = {&x};
    if (scaled) inputs.insert(inputs.end(), {&scale, attrs.op == Op::rms ? nullptr : &bias});
    if (attrs.op == Op::batch) inputs.insert(inputs.end(), {&mean, &variance});
    run_layer(layer_of(attrs), inputs, {&y});

    const auto parameter = [&](const Tensor& t, const Index& at) {
      const Shape& own = t.value.shape;
      if (by_channel) return t.real({at[1] / (6 / own[0])});
      Index index(at.end() - static_cast<std::ptrdiff_t>(own.size()), at.end());
      for (std::size_t d = 0; d < own.size(); ++d) index[d] = own[d] == 1 ? 0 : index[d];
      return t.real(index);
    };
    expect_real(
        y,
        [&](const Index& at) {
          double real = 0;
          if (attrs.op == Op::batch)
            real = (x.real(at) - mean.real({at[1]})) / std::sqrt(variance.real({at[1]}) + attrs.epsilon);
          else
            real = normalised(attrs, x, at);
          if (std::isnan(real)) return -1e9;  // 0/0, where there is neither spread nor epsilon
          if (scaled) real *= parameter(scale, at);
          if (inputs.size() > 2 && inputs[2] != nullptr) real += parameter(bias, at);
          return ir::apply(attrs.activation, real);
        },
        "normalization " + std::to_string(i) + " kind " + std::to_string(static_cast<int>(attrs.op)) + " of " +
            std::string(ir::name(dtype)) + " " + ir::to_string(shape));
  }
}

// Sums of squares of this many 16-bit integers, times their number, need more than 64 bits; float32 would see no
// spread.
TEST(long_rows_of_large_integers_are_measured_exactly) {
  Tensor x = describe(DType::u16, {2, 300000}, 1.0F, 0), y = describe(DType::f32, {2, 300000});
  for (int i = 0; i < 600000; ++i) x.stored.push_back(65534.0 + i % 2);
  Attrs attrs;
  attrs.epsilon = 0.0;
  run_layer(layer_of(attrs), {&x}, {&y});
  for (std::size_t i = 0; i < y.stored.size(); ++i) {
    if (y.stored[i] == (i % 2 == 0 ? -1.0 : 1.0)) continue;
    CHECK_EQ(y.stored[i], i % 2 == 0 ? -1.0 : 1.0);
    break;
  }
}

TEST(elements_over_their_norm_keep_ties_exact) {
  // 3, 4 and their multiples: x / sqrt(sum of squares) is 0.6 and 0.8; x / sum |x| of 1, 3 is 1/4 and 3/4.
  Tensor x = describe(DType::s8, {2, 2}, 0.125F, 0), y = describe(DType::s16, {2, 2}, 0.5F, 0);
  x.stored = {1, 3, -2, 6};
  Attrs attrs;
  attrs.op = Op::l1;
  run_layer(layer_of(attrs), {&x}, {&y});
  CHECK(y.stored == (std::vector<double>{0, 2, 0, 2}));  // 0.5 and 1.5 steps, to the even one
  x.stored = {3, 4, 0, 0};
  y = describe(DType::f32, {2, 2});
  attrs.op = Op::l2;
  run_layer(layer_of(attrs), {&x}, {&y});
  CHECK(y.stored == (std::vector<double>{static_cast<double>(0.6F), static_cast<double>(0.8F), 0, 0}));
}

TEST(normalization_errors_name_the_layer) {
  Tensor x = describe(DType::u8, {1, 6, 4}, 1.0F, 0), y = x, scale = describe(DType::f32, {6});
  x.stored.assign(24, 1.0);
  scale.stored.assign(6, 1.0);
  Attrs attrs;
  attrs.op = Op::instance;
  CHECK_THROWS(run_layer(layer_of(attrs), {&x, &scale}, {&y}), "Op 'layer0'");
  attrs.op = Op::group;
  attrs.groups = 4;
  CHECK_THROWS(run_layer(layer_of(attrs), {&x}, {&y}), "in 4 groups");
  attrs.op = Op::layer;
  attrs.axis = 3;
  CHECK_THROWS(run_layer(layer_of(attrs), {&x}, {&y}), "axis 3");
}

}  // namespace

VAIP_TEST_MAIN()
