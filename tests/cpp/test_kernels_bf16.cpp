// Products of bfloat16 tensors against sums in double, on every path; and that they do not depend on the team or on
// what else is in the batch.
#include <omp.h>

#include <string>

#include "base/error.h"
#include "kernel_harness.h"
#include "kernels/compute_path.h"
#include "kernels/linear.h"

namespace {

using namespace vaip;
using namespace vaip::test;
using kernels::ComputePath;
using Kind = ir::Activation::Kind;

const std::vector<ir::Activation> kActivations = {
    {},
    {Kind::relu, 0.0, 0.0},
    {Kind::clip, -1.0, 2.5},
    {Kind::leaky_relu, 0.1, 0.0},
    {Kind::sigmoid, 0.0, 0.0},
    {Kind::tanh, 0.0, 0.0},
    {Kind::gelu, 0.0, 0.0},
    {Kind::gelu_tanh, 0.0, 0.0},
    {Kind::swish, 1.0, 0.0},
    {Kind::softplus, 0.0, 0.0},
};

// A sum of products, and that of their magnitudes.
struct Sum {
  double value = 0.0, magnitude = 0.0;
  void add(double x) {
    value += x;
    magnitude += std::fabs(x);
  }
};

// Results may be off by 2^-8 of the sum's magnitude; none of the activations is steeper than 1.13.
void expect_sums(const Tensor& out, const std::function<Sum(const Index&)>& sum, const ir::Activation& activation,
                 const std::string& what) {
  int shown = 0;
  for_each_index(out.value.shape, [&](const Index& index) {
    const Sum wanted = sum(index);
    const double real = ir::apply(activation, wanted.value);
    const double got = out.stored[static_cast<std::size_t>(row_major(out.value.shape, index))];
    // A sum in float32, then half a step of the result.
    const double bound = wanted.magnitude * 0x1p-19 + bf16_step(real) * 0.5001;
    if (std::fabs(got - real) <= bound || ++shown > 3) return;
    report(__FILE__, __LINE__, what + ": got " + std::to_string(got) + ", wanted " + std::to_string(real));
  });
}

kernels::KernelOptions on_path(std::optional<ComputePath> path) {
  kernels::KernelOptions options;
  options.path = path;
  return options;
}

// What this CPU executes.
std::vector<std::optional<ComputePath>> product_paths() {
  std::vector<std::optional<ComputePath>> paths = {std::nullopt, ComputePath::f32, ComputePath::f64};
  if (kernels::host_cpu().bf16_dot_product) paths.emplace_back(ComputePath::bf16);
  return paths;
}

struct Product {
  Tensor a, b, bias, addend, y;
  ir::MatMulAttrs attrs;
  bool has_bias = false, has_addend = false;

  Sum sum(const Index& at) const {
    const Shape &sa = a.value.shape, &sb = b.value.shape;
    Index rest = at;
    const std::int64_t column = rest.back();
    rest.pop_back();
    const std::int64_t row = rest.back();
    rest.pop_back();
    const std::int64_t depth = sa[sa.size() - (attrs.transpose_a ? 2 : 1)];
    const auto place = [&](const Shape& shape, std::int64_t i, std::int64_t j) {
      Index index;
      const std::size_t own = shape.size() - 2, lead = rest.size() - own;
      for (std::size_t d = 0; d < own; ++d) index.push_back(shape[d] == 1 ? 0 : rest[lead + d]);
      index.insert(index.end(), {i, j});
      return index;
    };
    Sum sum;
    for (std::int64_t k = 0; k < depth; ++k)
      sum.add(attrs.alpha * a.real(place(sa, attrs.transpose_a ? k : row, attrs.transpose_a ? row : k)) *
              b.real(place(sb, attrs.transpose_b ? column : k, attrs.transpose_b ? k : column)));
    if (has_bias) sum.add(attrs.beta * broadcast(bias, at));
    if (has_addend) sum.add(broadcast(addend, at));
    return sum;
  }

  void run(std::optional<ComputePath> path) {
    run_layer(layer_of(attrs), {&a, &b, has_bias ? &bias : nullptr, has_addend ? &addend : nullptr}, {&y},
              on_path(path));
  }

 private:
  static double broadcast(const Tensor& t, const Index& at) {
    Index own;
    const Shape& shape = t.value.shape;
    for (std::size_t d = 0; d < shape.size(); ++d) own.push_back(shape[d] == 1 ? 0 : at[at.size() - shape.size() + d]);
    return t.real(own);
  }
};

Product random_product(Random& random, const Shape& batch_a, const Shape& batch_b, const Shape& batch,
                       bool constant_b) {
  Product p;
  const std::int64_t rows = between(random, 1, 37), depth = between(random, 1, 70), columns = between(random, 1, 40);
  p.attrs.transpose_a = random() % 4 == 0;
  p.attrs.transpose_b = random() % 2 == 0;
  const auto matrix = [](Shape leading, std::int64_t m, std::int64_t n, bool transposed) {
    leading.insert(leading.end(), {transposed ? n : m, transposed ? m : n});
    return leading;
  };
  p.a = random_tensor(random, DType::bf16, matrix(batch_a, rows, depth, p.attrs.transpose_a));
  p.b = random_tensor(random, DType::bf16, matrix(batch_b, depth, columns, p.attrs.transpose_b));
  if (constant_b) make_constant(p.b);
  p.has_bias = random() % 3 != 0;
  p.bias = random_tensor(random, pick<DType>(random, {DType::f32, DType::bf16}),
                         random() % 4 == 0 ? matrix(batch, rows, columns, false) : Shape{columns});
  if (random() % 4 != 0) make_constant(p.bias);
  if (random() % 3 == 0) p.attrs.alpha = 0.37;
  if (random() % 3 == 0) p.attrs.beta = -1.5;
  p.attrs.activation = pick(random, kActivations);
  p.y = describe(DType::bf16, matrix(batch, rows, columns, false));
  p.has_addend = random() % 3 == 0;  // a residual, or what is the same in all rows or columns
  p.addend = random_tensor(
      random, pick<DType>(random, {DType::f32, DType::bf16}),
      pick<Shape>(random, {p.y.value.shape, p.y.value.shape, {1, columns}, {rows, 1}, {columns}, Shape{1}}));
  return p;
}

TEST(gemm) {
  Random random(1);
  for (int i = 0; i < 60; ++i) {
    const Shape batch = pick<Shape>(random, {{}, {3}, {2, 3}});
    Product p = random_product(random, batch, {}, batch, true);
    for (const auto& path : product_paths()) {
      p.run(path);
      expect_sums(p.y, [&](const Index& at) { return p.sum(at); }, p.attrs.activation, "gemm " + std::to_string(i));
    }
  }
}

TEST(matmul_of_two_activations) {
  struct Batches {
    Shape a, b, y;
  };
  Random random(2);
  for (int i = 0; i < 80; ++i) {
    const Batches batches = pick<Batches>(random, {{{}, {}, {}},
                                                   {{2, 3}, {2, 3}, {2, 3}},
                                                   {{2, 1}, {3}, {2, 3}},
                                                   {{4}, {}, {4}},
                                                   {{1}, {5}, {5}},
                                                   {{}, {2, 2}, {2, 2}}});
    Product p = random_product(random, batches.a, batches.b, batches.y, random() % 4 == 0);
    for (const auto path :
         {std::optional<ComputePath>{}, std::optional{ComputePath::f32}, std::optional{ComputePath::f64}}) {
      p.run(path);
      expect_sums(p.y, [&](const Index& at) { return p.sum(at); }, p.attrs.activation, "matmul " + std::to_string(i));
    }
  }
}

struct Convolution {
  Tensor x, w, bias, addend, y;
  ir::ConvAttrs attrs;

  Sum sum(const Index& at) const {
    const Shape& shape = x.value.shape;
    const std::int64_t per_group = w.value.shape[1], group = at[1] / (w.value.shape[0] / attrs.groups);
    const std::size_t rank = shape.size() - 2;
    Sum sum;
    const Shape taps(w.value.shape.begin() + 2, w.value.shape.end());
    for_each_index(taps, [&](const Index& tap) {
      Index from = {at[0], 0};
      for (std::size_t d = 0; d < rank; ++d)
        from.push_back(at[2 + d] * attrs.strides[d] - attrs.pads[d] + tap[d] * attrs.dilations[d]);
      for (std::size_t d = 0; d < rank; ++d)
        if (from[2 + d] < 0 || from[2 + d] >= shape[2 + d]) return;
      for (std::int64_t c = 0; c < per_group; ++c) {
        from[1] = group * per_group + c;
        Index weight = {at[1], c};
        weight.insert(weight.end(), tap.begin(), tap.end());
        sum.add(x.real(from) * w.real(weight));
      }
    });
    sum.add(bias.real({at[1]}));
    if (has_addend()) sum.add(addend.real(at));
    return sum;
  }
  bool has_addend() const { return !addend.value.shape.empty(); }
  void run(std::optional<ComputePath> path = std::nullopt) {
    run_layer(layer_of(attrs), {&x, &w, &bias, has_addend() ? &addend : nullptr}, {&y}, on_path(path));
  }
};

Convolution random_convolution(Random& random, DType y_dtype = DType::bf16) {
  Convolution c;
  const std::size_t rank = 1 + random() % 3;
  c.attrs.groups = pick<std::int64_t>(random, {1, 1, 2, 5});
  const bool depthwise = random() % 4 == 0;
  const std::int64_t in = depthwise ? 1 : between(random, 1, 20), out = depthwise ? 1 : between(random, 1, 20);
  Shape xs = {between(random, 1, 3), c.attrs.groups * in}, ws = {c.attrs.groups * out, in}, ys = {xs[0], ws[0]};
  for (std::size_t d = 0; d < rank; ++d) {
    const std::int64_t kernel = between(random, 1, 3), size = between(random, 7, 12);
    c.attrs.kernel.push_back(kernel);
    c.attrs.strides.push_back(between(random, 1, 2));
    c.attrs.dilations.push_back(between(random, 1, 2));
    c.attrs.pads.push_back(between(random, 0, kernel - 1));
    xs.push_back(size);
    ws.push_back(kernel);
  }
  for (std::size_t d = 0; d < rank; ++d) {
    c.attrs.pads.push_back(between(random, 0, c.attrs.kernel[d] - 1));
    const std::int64_t extent = (c.attrs.kernel[d] - 1) * c.attrs.dilations[d] + 1;
    ys.push_back((xs[2 + d] + c.attrs.pads[d] + c.attrs.pads[rank + d] - extent) / c.attrs.strides[d] + 1);
  }
  c.x = random_tensor(random, DType::bf16, xs);
  c.x.layout = Layout::channels_last;
  c.w = random_tensor(random, DType::bf16, ws);
  make_constant(c.w);
  c.bias = random_tensor(random, DType::f32, Shape{ws[0]});
  make_constant(c.bias);
  c.attrs.activation = pick(random, kActivations);
  c.y = describe(y_dtype, ys);
  c.y.layout = Layout::channels_last;
  if (random() % 2 == 0) c.addend = random_tensor(random, DType::bf16, ys);
  c.addend.layout = Layout::channels_last;
  return c;
}

TEST(conv) {
  Random random(3);
  for (int i = 0; i < 60; ++i) {
    Convolution c = random_convolution(random);
    for (const auto& path : product_paths()) {
      try {
        c.run(path);
      } catch (const Error& e) {  // a path is only forced where oneDNN has more than its reference
        CHECK(path && std::string(e.what()).find("there is no implementation") != std::string::npos);
        continue;
      }
      expect_sums(c.y, [&](const Index& at) { return c.sum(at); }, c.attrs.activation, "conv " + std::to_string(i));
    }
  }
}

// Large enough for several bands, the last of which overlaps the one before, with padding at both ends.
TEST(conv_in_bands) {
  Random random(9);
  for (const std::int64_t stride : {1, 2, 3}) {
    const std::int64_t dilation = stride == 2 ? 2 : 1;
    Convolution c;
    c.attrs.kernel = {3, 5};
    c.attrs.strides = {stride, 1};
    c.attrs.dilations = {dilation, 1};
    c.attrs.pads = {2, 1, dilation, 4};
    c.attrs.activation = {Kind::relu, 0.0, 0.0};
    const std::int64_t rows = (211 + 2 + dilation - 2 * dilation - 1) / stride + 1;
    c.x = random_tensor(random, DType::bf16, Shape{1, 2, 211, 187});
    c.w = random_tensor(random, DType::bf16, Shape{5, 2, 3, 5});
    c.bias = random_tensor(random, DType::f32, Shape{5});
    c.y = describe(DType::bf16, Shape{1, 5, rows, 188});
    if (stride == 2) c.addend = random_tensor(random, DType::bf16, c.y.value.shape);
    c.x.layout = c.y.layout = c.addend.layout = Layout::channels_last;
    make_constant(c.w);
    make_constant(c.bias);
    c.run();
    expect_sums(
        c.y, [&](const Index& at) { return c.sum(at); }, c.attrs.activation, "stride " + std::to_string(stride));
  }
}

TEST(conv_that_writes_other_types) {
  Random random(4);
  for (int i = 0; i < 20; ++i) {
    Convolution c = random_convolution(random, DType::f32);
    c.run();
    for_each_index(c.y.value.shape, [&](const Index& at) {
      const Sum sum = c.sum(at);
      const double real = ir::apply(c.attrs.activation, sum.value);
      CHECK(std::fabs(c.y.real(at) - real) <= sum.magnitude * 0x1p-19 + std::fabs(real) * 0x1p-23);
    });
  }
}

// Integers into bfloat16: the real number, rounded once.
TEST(integers_into_bf16) {
  Random random(5);
  for (int i = 0; i < 20; ++i) {
    Product p;
    const std::int64_t rows = between(random, 1, 20), depth = between(random, 1, 50), columns = between(random, 1, 20);
    p.a = random_tensor(random, DType::u8, Shape{rows, depth}, 0.013F, 117);
    p.b = random_tensor(random, DType::s8, Shape{depth, columns}, 0.007F, 0);
    make_constant(p.b);
    p.y = describe(DType::bf16, Shape{rows, columns});
    p.run(std::nullopt);
    for_each_index(p.y.value.shape, [&](const Index& at) { CHECK_EQ(p.y.real(at), nearest_bf16(p.sum(at).value)); });
  }
}

// Dynamic quantization of a bfloat16 tensor is that of the same numbers in float32.
TEST(dynamically_quantized_products) {
  Random random(10);
  Tensor a = random_tensor(random, DType::bf16, Shape{7, 33}),
         b = random_tensor(random, DType::s8, Shape{33, 9}, 0.01F, 0);
  Tensor bias = random_tensor(random, DType::f32, Shape{9}), wide = a, y = describe(DType::f32, Shape{7, 9});
  make_constant(b);
  make_constant(bias);
  wide.value.dtype = DType::f32;
  const ir::Layer layer = layer_of(ir::IntegerMatMulAttrs{});
  run_layer(layer, {&wide, &b, nullptr, nullptr, &bias}, {&y});
  Tensor narrow = describe(DType::bf16, y.value.shape);
  run_layer(layer, {&a, &b, nullptr, nullptr, &bias}, {&narrow});
  for (std::size_t i = 0; i < y.stored.size(); ++i) CHECK_EQ(narrow.stored[i], nearest_bf16(y.stored[i]));
}

TEST(path_that_the_cpu_lacks) {
  if (kernels::host_cpu().bf16_dot_product) return;
  Random random(6);
  Product p = random_product(random, {}, {}, {}, true);
  CHECK_THROWS(p.run(ComputePath::bf16), "there is no implementation for path bf16");
}

TEST(choice_of_a_path) {
  kernels::LinearWeights weights;
  weights.in_channels = weights.out_channels = 2;
  weights.real = {1.0, -0.5, 3.0, 0x1p-30};
  weights.scale = {1.0, 1.0};
  kernels::SourceRange source;
  source.dtype = DType::bf16;
  kernels::CpuTraits with, without;
  with.int8_dot_product = without.int8_dot_product = with.bf16_dot_product = true;
  CHECK(kernels::choose_path(weights, {}, source, with).path == ComputePath::bf16);
  CHECK(kernels::choose_path(weights, {}, source, without).path == ComputePath::f32);
  weights.real[1] = 1.001;  // no bfloat16
  CHECK(kernels::choose_path(weights, {}, source, with).path == ComputePath::f32);
  CHECK_THROWS(kernels::require_path(ComputePath::bf16, weights, {}, source, with), "the weights are not bfloat16");
  CHECK_THROWS(kernels::require_path(ComputePath::int8, weights, {}, source, with), "not of integers");
  source.dtype = DType::f32;
  CHECK(kernels::choose_path(weights, {}, source, with).path == ComputePath::f64);
}

// The bytes of `count` images of a batch of four, computed by a team of so many threads.
std::vector<double> of_images(Convolution c, std::int64_t count, int threads) {
  const auto cut = [count](Tensor& t) {
    t.stored.resize(t.stored.size() / static_cast<std::size_t>(t.value.shape[0]) * static_cast<std::size_t>(count));
    t.value.shape[0] = count;
  };
  cut(c.x);
  c.y.value.shape[0] = count;
  const int before = omp_get_max_threads();
  omp_set_num_threads(threads);
  c.run();
  omp_set_num_threads(before);
  return c.y.stored;
}

TEST(images_do_not_depend_on_each_other_or_on_the_team) {
  struct Case {
    std::int64_t in, out, kernel, stride, groups, size;
  };
  Random random(7);
  for (const Case& k : std::vector<Case>{{3, 64, 7, 2, 1, 30},
                                         {64, 64, 1, 1, 1, 9},
                                         {64, 70, 3, 1, 1, 9},
                                         {512, 130, 1, 2, 1, 4},
                                         {2048, 96, 1, 1, 1, 3},
                                         {48, 48, 3, 1, 48, 11},
                                         {384, 384, 1, 1, 1, 2},
                                         // in several bands per image
                                         {16, 24, 3, 1, 1, 70},
                                         {16, 24, 3, 2, 1, 91},
                                         {24, 24, 5, 1, 24, 61},
                                         {8, 16, 7, 2, 2, 110}}) {
    Convolution c;
    c.attrs.groups = k.groups;
    c.attrs.kernel = {k.kernel, k.kernel};
    c.attrs.strides = {k.stride, k.stride};
    c.attrs.dilations = {1, 1};
    c.attrs.pads = Shape(4, k.kernel / 2);
    const std::int64_t out = (k.size + 2 * (k.kernel / 2) - k.kernel) / k.stride + 1;
    c.x = random_tensor(random, DType::bf16, Shape{4, k.in, k.size, k.size});
    c.w = random_tensor(random, DType::bf16, Shape{k.out, k.in / k.groups, k.kernel, k.kernel});
    c.bias = random_tensor(random, DType::f32, Shape{k.out});
    c.y = describe(DType::f32, Shape{4, k.out, out, out});  // which shows every bit
    c.x.layout = c.y.layout = Layout::channels_last;
    make_constant(c.w);
    make_constant(c.bias);
    const std::vector<double> all = of_images(c, 4, 1);
    for (const std::int64_t count : {1, 3, 4})
      for (const int threads : {2, 7}) {
        const std::vector<double> some = of_images(c, count, threads);
        CHECK(std::equal(some.begin(), some.end(), all.begin()));
      }
  }
}

TEST(rows_do_not_depend_on_each_other_or_on_the_team) {
  Random random(8);
  const std::int64_t depth = 300, columns = 50, rows = 67;
  Product p;
  p.a = random_tensor(random, DType::bf16, Shape{2, rows, depth});
  p.b = random_tensor(random, DType::bf16, Shape{2, depth, columns});
  p.y = describe(DType::f32, Shape{2, rows, columns});
  p.run(std::nullopt);
  const std::vector<double> all = p.y.stored;
  for (const std::int64_t count : {1, 3, 33})
    for (const int threads : {1, 2, 5}) {
      Product some = p;
      some.a.value.shape = {1, count, depth};
      some.a.stored.resize(static_cast<std::size_t>(count * depth));
      some.b.value.shape = {1, depth, columns};
      some.b.stored.resize(static_cast<std::size_t>(depth * columns));
      some.y.value.shape = {1, count, columns};
      const int before = omp_get_max_threads();
      omp_set_num_threads(threads);
      some.run(std::nullopt);
      omp_set_num_threads(before);
      CHECK(std::equal(some.y.stored.begin(), some.y.stored.end(), all.begin()));
    }
}

// Sums that overflow, and operands that are no numbers, come out as such.
TEST(infinities_and_nan) {
  Product p;
  p.a = describe(DType::bf16, Shape{4, 2});
  const double huge = 0x1.FEp127, infinity = std::numeric_limits<double>::infinity();
  p.a.stored = {huge, huge, std::nan(""), 0.0, -infinity, 1.0, 1.0, 1.0};
  p.b = describe(DType::bf16, Shape{2, 1});
  p.b.stored = {1.0, 1.0};
  make_constant(p.b);
  for (const Kind kind : {Kind::none, Kind::leaky_relu}) {
    p.attrs.activation = {kind, 1.0, 0.0};
    p.y = describe(DType::bf16, Shape{4, 1});
    p.run(std::nullopt);
    CHECK_EQ(p.y.stored[0], infinity);
    CHECK(std::isnan(p.y.stored[1]));
    CHECK_EQ(p.y.stored[2], -infinity);
    CHECK_EQ(p.y.stored[3], 2.0);
  }
}

}  // namespace

VAIP_TEST_MAIN()
