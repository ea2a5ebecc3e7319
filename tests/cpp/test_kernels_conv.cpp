// Convolutions on every path, against 64-bit integer loops.
#include <omp.h>

#include <string>

#include "kernel_harness.h"
#include "kernels/compute_path.h"
#include "kernels/linear.h"

namespace {

using namespace vaip;
using namespace vaip::test;
using kernels::ComputePath;

struct ConvCase {
  Shape spatial, kernel, strides, dilations, pads;
  std::int64_t batch = 1, groups = 1, in_per_group = 4, out_per_group = 4;
  DType x_dtype = DType::u8, w_dtype = DType::s8, y_dtype = DType::u8;
  bool per_channel = false, bias = true, float_bias = false;
  bool powers_of_two = false;
  int x_zero_point = 0, w_zero_point = 0, y_zero_point = 0;
  ir::Activation activation;
};

struct ConvData {
  Tensor x, w, b, y;
  ir::ConvAttrs attrs;
};

float scale_of(Random& random, bool power_of_two, float around) {
  if (power_of_two) return std::exp2(std::round(std::log2(around)));
  return around * (0.6F + static_cast<float>(random() % 1000) / 1000.0F);
}

ConvData make_conv_data(const ConvCase& c, Random& random) {
  ConvData data;
  const std::int64_t ic = c.groups * c.in_per_group, oc = c.groups * c.out_per_group;
  Shape x_shape = {c.batch, ic}, w_shape = {oc, c.in_per_group}, y_shape = {c.batch, oc};
  for (std::size_t d = 0; d < c.spatial.size(); ++d) {
    x_shape.push_back(c.spatial[d]);
    w_shape.push_back(c.kernel[d]);
    const std::int64_t extent = (c.kernel[d] - 1) * c.dilations[d] + 1;
    y_shape.push_back((c.spatial[d] + c.pads[d] + c.pads[c.spatial.size() + d] - extent) / c.strides[d] + 1);
  }
  const float x_scale = scale_of(random, c.powers_of_two, 0.02F), w_scale = scale_of(random, c.powers_of_two, 0.01F);
  data.x = random_tensor(random, c.x_dtype, x_shape, x_scale, c.x_zero_point);
  data.x.layout = Layout::channels_last;
  data.w = random_tensor(random, c.w_dtype, w_shape, w_scale, c.w_zero_point);
  if (c.per_channel) {
    data.w.value.quant = ir::QuantParams{};
    for (std::int64_t i = 0; i < oc; ++i) {
      data.w.value.quant->scale.push_back(scale_of(random, c.powers_of_two, 0.01F));
      data.w.value.quant->zero_point.push_back(c.w_zero_point == 0 ? 0 : static_cast<int>(c.w_zero_point + i % 3));
    }
  }
  make_constant(data.w);
  data.b = c.float_bias ? random_tensor(random, DType::f32, Shape{oc})
                        : random_tensor(random, DType::s32, Shape{oc}, 1.0F, 0);
  if (!c.float_bias) {
    data.b.value.quant = ir::QuantParams{};
    for (std::int64_t i = 0; i < oc; ++i) {
      const float w = data.w.value.quant->scale[c.per_channel ? static_cast<std::size_t>(i) : 0];
      data.b.value.quant->scale.push_back(x_scale * w);  // rounded to float32, as exporters do
      data.b.value.quant->zero_point.push_back(0);
    }
  }
  make_constant(data.b);
  const float reach = 20.0F * std::sqrt(static_cast<float>(c.in_per_group * count_of(c.kernel)));
  data.y = describe(c.y_dtype, y_shape);
  if (c.y_dtype != DType::f32)
    data.y.value.quant =
        ir::QuantParams{{scale_of(random, c.powers_of_two, x_scale * w_scale * reach * 10)}, {c.y_zero_point}, 0};
  data.y.layout = Layout::channels_last;
  data.attrs.kernel = c.kernel;
  data.attrs.strides = c.strides;
  data.attrs.dilations = c.dilations;
  data.attrs.pads = c.pads;
  data.attrs.groups = c.groups;
  data.attrs.activation = c.activation;
  return data;
}

// The definition, summed in integers where the operands are.
double conv_real(const ConvData& data, bool bias, const Index& at) {
  const ir::ConvAttrs& attrs = data.attrs;
  const Shape &x_shape = data.x.value.shape, &w_shape = data.w.value.shape;
  const std::int64_t group = at[1] / (w_shape[0] / attrs.groups);
  const std::size_t channel = data.w.value.quant->scale.size() > 1 ? static_cast<std::size_t>(at[1]) : 0;
  std::int64_t sum = 0;
  for_each_index(Shape(w_shape.begin() + 1, w_shape.end()), [&](const Index& tap) {
    Index x_at = {at[0], group * w_shape[1] + tap[0]}, w_at = {at[1], tap[0]};
    for (std::size_t d = 0; d + 2 < x_shape.size(); ++d) {
      const std::int64_t position = at[2 + d] * attrs.strides[d] - attrs.pads[d] + tap[1 + d] * attrs.dilations[d];
      if (position < 0 || position >= x_shape[2 + d]) return;
      x_at.push_back(position);
      w_at.push_back(tap[1 + d]);
    }
    const double x = data.x.stored[static_cast<std::size_t>(row_major(x_shape, x_at))] - data.x.zero_point();
    const double w = data.w.stored[static_cast<std::size_t>(row_major(w_shape, w_at))] - data.w.zero_point(channel);
    sum += static_cast<std::int64_t>(x) * static_cast<std::int64_t>(w);
  });
  double real = static_cast<double>(sum) * data.x.scale() * data.w.scale(channel);
  if (bias) real += data.b.real({at[1]});
  return ir::apply(attrs.activation, real);
}

void check_conv(const ConvCase& c, const std::vector<ComputePath>& paths, std::uint32_t seed, const std::string& what,
                const kernels::CpuTraits& cpu = kernels::host_cpu()) {
  Random random(seed);
  ConvData data = make_conv_data(c, random);
  for (const ComputePath path : paths) {
    kernels::KernelOptions options;
    options.path = path;
    options.cpu = cpu;
    Tensor y = data.y;
    run_layer(layer_of(data.attrs), {&data.x, &data.w, c.bias ? &data.b : nullptr}, {&y}, options);
    expect_real(
        y, [&](const Index& at) { return conv_real(data, c.bias, at); },
        what + " seed " + std::to_string(seed) + " path " + std::string(name(path)), c.powers_of_two);
  }
}

// On the path that is chosen where none is asked for.
void check_conv_freely(const ConvCase& c, std::uint32_t seed, const std::string& what) {
  Random random(seed);
  ConvData data = make_conv_data(c, random);
  Tensor y = data.y;
  run_layer(layer_of(data.attrs), {&data.x, &data.w, &data.b}, {&y});
  expect_real(y, [&](const Index& at) { return conv_real(data, true, at); }, what);
}

const std::vector<ComputePath> kAllPaths = {ComputePath::int8, ComputePath::int16, ComputePath::f32, ComputePath::f64};
const std::vector<ComputePath> kWidePaths = {ComputePath::int16, ComputePath::f32, ComputePath::f64};

TEST(conv_random_attributes_on_all_paths) {
  Random random(7);
  for (std::uint32_t i = 0; i < 60; ++i) {
    ConvCase c;
    const auto rank = static_cast<std::size_t>(between(random, 1, 3));
    for (std::size_t d = 0; d < rank; ++d) {
      c.kernel.push_back(between(random, 1, 3));
      c.dilations.push_back(between(random, 1, 2));
      c.strides.push_back(between(random, 1, 3));
      c.spatial.push_back(between(random, (c.kernel[d] - 1) * c.dilations[d] + 1, 9));
    }
    for (std::size_t d = 0; d < 2 * rank; ++d) c.pads.push_back(between(random, 0, c.kernel[d % rank] == 1 ? 0 : 2));
    c.batch = between(random, 1, 3);
    c.groups = pick<std::int64_t>(random, {1, 1, 2, 3});
    c.in_per_group = pick<std::int64_t>(random, {1, 3, 4, 8, 17});
    c.out_per_group = pick<std::int64_t>(random, {1, 2, 5, 8, 16, 33});
    c.x_dtype = pick<DType>(random, {DType::u8, DType::s8});
    c.y_dtype = pick<DType>(random, {DType::u8, DType::s8, DType::u16, DType::f32});
    c.x_zero_point =
        c.x_dtype == DType::u8 ? pick<int>(random, {0, 1, 128, 255}) : pick<int>(random, {0, -128, 5, 127});
    c.y_zero_point = c.y_dtype == DType::f32 || c.y_dtype == DType::u16 ? 0 : pick<int>(random, {0, 3, 100});
    c.per_channel = random() % 2 == 0;
    c.bias = random() % 3 != 0;
    c.float_bias = random() % 2 == 0;
    c.powers_of_two = random() % 2 == 0 && !c.float_bias;
    if (random() % 3 == 0) c.activation.kind = ir::Activation::Kind::relu;
    if (random() % 4 == 0) c.activation = {ir::Activation::Kind::clip, -0.3, 0.7};
    if (random() % 5 == 0) c.activation = {ir::Activation::Kind::leaky_relu, 0.1, 0.0};
    if (random() % 5 == 0) c.activation.kind = ir::Activation::Kind::hard_swish;
    // oneDNN without VNNI has no exact int8 kernel for some grouped shapes: the other paths must do.
    check_conv(c, c.groups == 1 ? kAllPaths : kWidePaths, i, "random conv");
  }
}

TEST(conv_chooses_a_path_by_itself_for_groups) {
  for (std::uint32_t seed = 0; seed < 12; ++seed) {
    ConvCase c;
    c.spatial = {7, 5};
    c.kernel = {3, 3};
    c.strides = c.dilations = {1, 1};
    c.pads = {1, 1, 1, 1};
    c.groups = seed % 3 == 0 ? 24 : 4;
    c.in_per_group = seed % 3 == 0 ? 1 : seed % 3 == 1 ? 8 : 3;
    c.out_per_group = seed % 3 == 0 ? 1 : 4;
    c.x_zero_point = seed % 2 == 0 ? 0 : 17;
    Random random(seed);
    ConvData data = make_conv_data(c, random);
    Tensor y = data.y;
    run_layer(layer_of(data.attrs), {&data.x, &data.w, &data.b}, {&y});
    expect_real(y, [&](const Index& at) { return conv_real(data, true, at); }, "grouped conv");
  }
}

TEST(depthwise_int8_does_not_saturate) {
  ConvCase c;
  c.spatial = {6, 6};
  c.kernel = {3, 3};
  c.strides = c.dilations = {1, 1};
  c.pads = {1, 1, 1, 1};
  c.groups = 32;
  c.in_per_group = c.out_per_group = 1;
  Random random(1);
  ConvData data = make_conv_data(c, random);
  for (double& v : data.x.stored) v = 255;
  for (double& v : data.w.stored) v = random() % 2 == 0 ? -128 : 127;
  make_constant(data.w);
  for (const ComputePath path : kAllPaths) {
    kernels::KernelOptions options;
    options.path = path;
    Tensor y = data.y;
    y.value.dtype = DType::f32;
    y.value.quant.reset();
    run_layer(layer_of(data.attrs), {&data.x, &data.w, nullptr}, {&y}, options);
    expect_real(y, [&](const Index& at) { return conv_real(data, false, at); }, "depthwise");
  }
}

// Sums that exceed the cache are computed in bands of rows.
TEST(conv_in_bands) {
  struct Geometry {
    Shape spatial, kernel, strides, dilations, pads;
  };
  const Geometry geometries[] = {
      {{67, 41}, {3, 3}, {1, 1}, {1, 1}, {1, 2, 0, 1}},
      {{131, 80}, {3, 2}, {2, 2}, {1, 1}, {2, 0, 1, 1}},
      {{90, 43}, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
      {{141, 87}, {1, 1}, {2, 2}, {1, 1}, {0, 0, 0, 0}},
      {{70, 44}, {3, 3}, {1, 1}, {3, 2}, {3, 2, 3, 2}},
      {{3000}, {5}, {1}, {1}, {3, 1}},
      {{40, 9, 11}, {3, 3, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 0, 1, 1, 0}},
  };
  std::uint32_t seed = 900;
  for (const Geometry& g : geometries) {
    const int threads = seed % 2 == 0 ? 1 : 3;
    ConvCase c;
    c.spatial = g.spatial;
    c.kernel = g.kernel;
    c.strides = g.strides;
    c.dilations = g.dilations;
    c.pads = g.pads;
    c.batch = threads == 3 ? 2 : 1;
    c.in_per_group = 3;
    c.out_per_group = 40;
    c.x_dtype = seed % 4 < 2 ? DType::u8 : DType::s8;
    c.x_zero_point = seed % 3 == 0 ? 0 : 7;
    c.per_channel = true;
    omp_set_num_threads(threads);
    check_conv(c, {ComputePath::int8, ComputePath::f32}, seed++, "bands");
  }
  omp_set_num_threads(1);
}

// The trap: sums of two products in 16 bits.
TEST(conv_with_saturating_pairs_is_exact) {
  for (const std::int64_t k : {1, 3}) {
    for (const int pattern : {0, 1, 2}) {
      for (const DType x_dtype : {DType::u8, DType::s8}) {
        ConvCase c;
        c.spatial = {5, 6};
        c.kernel = {k, k};
        c.strides = c.dilations = {1, 1};
        c.pads = Shape(4, k / 2);
        c.in_per_group = 19;
        c.out_per_group = 24;
        c.x_dtype = x_dtype;
        c.y_dtype = DType::s32;
        c.powers_of_two = true;
        c.bias = false;
        Random random(3);
        ConvData data = make_conv_data(c, random);
        for (double& v : data.x.stored)
          v = pattern == 0 || random() % 2 == 0 ? type_highest(x_dtype) : type_lowest(x_dtype);
        for (double& v : data.w.stored) v = pattern == 0 ? 127 : pattern == 1 ? -128 : random() % 2 == 0 ? 127 : -128;
        make_constant(data.w);
        data.y.value.quant = ir::QuantParams{{data.x.value.quant->scale[0] * data.w.value.quant->scale[0]}, {0}, 0};
        for (const ComputePath path : kAllPaths) {
          kernels::KernelOptions options;
          options.path = path;
          Tensor y = data.y;
          run_layer(layer_of(data.attrs), {&data.x, &data.w, nullptr}, {&y}, options);
          expect_real(
              y, [&](const Index& at) { return conv_real(data, false, at); },
              "saturation trap on path " + std::string(name(path)), true);
        }
      }
    }
  }
}

// Accumulators far beyond 2^24, and beyond what float could hold exactly: several chunks of input channels.
TEST(conv_with_long_reductions_is_exact) {
  for (const DType x_dtype : {DType::u8, DType::s8}) {
    ConvCase c;
    c.spatial = {3, 3};
    c.kernel = {3, 3};
    c.strides = c.dilations = {1, 1};
    c.pads = {1, 1, 1, 1};
    c.in_per_group = 512;
    c.out_per_group = 16;
    c.x_dtype = x_dtype;
    c.y_dtype = DType::s32;
    c.powers_of_two = true;
    c.bias = false;
    Random random(5);
    ConvData data = make_conv_data(c, random);
    for (double& v : data.x.stored) v = type_highest(x_dtype) - random() % 3;
    for (double& v : data.w.stored) v = 127 - random() % 2;
    make_constant(data.w);
    data.y.value.quant = ir::QuantParams{{data.x.value.quant->scale[0] * data.w.value.quant->scale[0]}, {0}, 0};
    for (const ComputePath path : kAllPaths) {
      kernels::KernelOptions options;
      options.path = path;
      Tensor y = data.y;
      run_layer(layer_of(data.attrs), {&data.x, &data.w, nullptr}, {&y}, options);
      expect_real(y, [&](const Index& at) { return conv_real(data, false, at); }, "long reduction", true);
    }
  }
}

// One weight per channel, which takes no product.
TEST(conv_of_each_channel_alone) {
  Random random(11);
  for (std::uint32_t seed = 0; seed < 40; ++seed) {
    ConvCase c;
    const auto rank = static_cast<std::size_t>(between(random, 1, 3));
    c.spatial = Shape(rank, pick<std::int64_t>(random, {1, 4, 7}));
    c.kernel = c.strides = c.dilations = Shape(rank, 1);
    c.pads = Shape(2 * rank, 0);
    c.batch = between(random, 1, 2);
    c.groups = pick<std::int64_t>(random, {1, 2, 31, 64, 700});
    c.in_per_group = c.out_per_group = 1;
    c.x_dtype = pick<DType>(random, {DType::u8, DType::s8, DType::u16, DType::s16});
    c.w_dtype = pick<DType>(random, {DType::s8, DType::u8, DType::s16});
    c.y_dtype = pick<DType>(random, {DType::u8, DType::s8, DType::u16, DType::s16, DType::f32});
    c.x_zero_point = pick<int>(random, {0, 3, 100});
    c.w_zero_point = c.w_dtype == DType::u8 ? 128 : 0;
    c.y_zero_point = c.y_dtype == DType::f32 ? 0 : pick<int>(random, {0, 3, 100});
    c.per_channel = random() % 2 == 0;
    c.float_bias = random() % 2 == 0;
    if (random() % 3 == 0) c.activation.kind = ir::Activation::Kind::relu;
    if (random() % 4 == 0) c.activation.kind = ir::Activation::Kind::hard_swish;
    omp_set_num_threads(seed % 2 == 0 ? 1 : 3);
    check_conv_freely(c, seed, "depthwise and pointwise");
  }
  omp_set_num_threads(1);
}

TEST(conv_of_16_bit_operands) {
  for (std::uint32_t seed = 0; seed < 4; ++seed) {
    ConvCase c;
    c.spatial = {5, 5};
    c.kernel = {3, 3};
    c.strides = c.dilations = {1, 1};
    c.pads = {1, 0, 1, 1};
    c.in_per_group = 70;
    c.x_dtype = seed % 2 == 0 ? DType::u16 : DType::s16;
    c.w_dtype = seed < 2 ? DType::s8 : DType::s16;
    c.y_dtype = DType::s16;
    c.x_zero_point = seed % 2 == 0 ? 30000 : -7;
    check_conv(c, {ComputePath::f64}, seed, "16-bit conv");
    check_conv_freely(c, seed, "16-bit conv, free choice");
  }
}

ConvCase small_conv() {
  ConvCase c;
  c.spatial = {6, 4};
  c.kernel = {2, 3};
  c.strides = c.dilations = {1, 1};
  c.pads = {0, 1, 1, 0};
  c.in_per_group = 12;
  return c;
}

// 1,800 products of 15 and 7 bits: more than 32 bits hold.
TEST(conv_of_16_bits_whose_sums_exceed_32) {
  for (std::uint32_t seed = 0; seed < 4; ++seed) {
    ConvCase c;
    c.spatial = {6, 7};
    c.kernel = {3, 3};
    c.strides = c.dilations = {1, 1};
    c.pads = {1, 1, 1, 1};
    c.in_per_group = 200;
    c.out_per_group = seed < 2 ? 16 : 21;
    c.groups = seed % 2 == 0 ? 1 : 2;
    c.x_dtype = DType::s16;
    c.w_dtype = DType::s8;
    c.y_dtype = DType::s16;
    c.x_zero_point = seed == 0 ? 0 : -7;
    check_conv(c, {ComputePath::f64}, seed, "wide sums");
    if (seed == 0) check_conv(c, {ComputePath::int16}, seed, "wide sums");
    check_conv_freely(c, seed, "wide sums, free choice");
  }
}

// The same results without the CPU's instructions: of the int16 path, and of the weights that the int8 path takes
// apart.
TEST(conv_without_dot_products) {
  for (std::uint32_t seed = 0; seed < 12; ++seed) {
    ConvCase c = small_conv();
    c.spatial = {7, 9};
    c.groups = seed % 3 == 0 ? 2 : 1;
    c.in_per_group = seed % 2 == 0 ? 12 : 13;
    c.out_per_group = 11;
    c.x_zero_point = seed % 4 == 0 ? 0 : 90;
    const std::vector<ComputePath> paths = {ComputePath::int8, ComputePath::int16};
    check_conv(c, c.groups == 1 ? paths : std::vector<ComputePath>{ComputePath::int16}, seed, "portable", {});
    if (kernels::host_cpu().int16_dot_product) {
      kernels::CpuTraits cpu;
      cpu.int16_dot_product = true;
      check_conv(c, c.groups == 1 ? paths : std::vector<ComputePath>{ComputePath::int16}, seed, "AVX2", cpu);
    }
  }
}

TEST(conv_weights_of_any_type_and_zero_point) {
  for (std::uint32_t seed = 0; seed < 6; ++seed) {
    ConvCase c = small_conv();
    c.w_dtype = seed < 3 ? DType::u8 : DType::s8;
    c.w_zero_point = std::vector<int>{0, 120, 251, -3, 100, 0}[seed];
    c.x_zero_point = 90;
    c.per_channel = seed % 2 == 0;
    check_conv(c, kWidePaths, seed, "weight zero points");
    check_conv_freely(c, seed, "weight zero points, free choice");
  }
}

// Less its zero point, a weight of 16 bits may need 17.
TEST(conv_weights_of_16_bits) {
  for (std::uint32_t seed = 0; seed < 6; ++seed) {
    ConvCase c = small_conv();
    c.w_dtype = seed < 3 ? DType::u16 : DType::s16;
    c.w_zero_point = std::vector<int>{0, 32768, 65535, 0, -32768, 100}[seed];
    c.per_channel = seed % 2 == 0;
    check_conv(c, {ComputePath::f64}, seed, "16-bit weights");
  }
}

TEST(conv_of_floats_and_with_a_bias_known_at_run_time) {
  Random random(2);
  Tensor x = random_tensor(random, DType::f32, Shape{2, 3, 6, 5}),
         w = random_tensor(random, DType::f32, Shape{4, 3, 3, 2});
  Tensor b = random_tensor(random, DType::f32, Shape{4}), y = describe(DType::f32, {2, 4, 4, 4});
  x.layout = y.layout = Layout::channels_last;
  make_constant(w);
  ir::ConvAttrs attrs;
  attrs.kernel = {3, 2};
  run_layer(layer_of(attrs), {&x, &w, &b}, {&y});
  expect_real(
      y,
      [&](const Index& at) {
        double sum = b.stored[static_cast<std::size_t>(at[1])];
        for_each_index({3, 3, 2}, [&](const Index& t) {
          sum += x.real({at[0], t[0], at[2] + t[1], at[3] + t[2]}) * w.real({at[1], t[0], t[1], t[2]});
        });
        return sum;
      },
      "float conv");
}

TEST(conv_resolves_auto_pad) {
  for (const auto auto_pad : {ir::ConvAttrs::AutoPad::same_upper, ir::ConvAttrs::AutoPad::same_lower}) {
    ConvCase c;
    c.spatial = {7, 8};
    c.kernel = {4, 3};
    c.strides = {1, 2};
    c.dilations = {1, 1};
    const bool upper = auto_pad == ir::ConvAttrs::AutoPad::same_upper;
    c.pads = upper ? Shape{1, 0, 2, 1} : Shape{2, 1, 1, 0};
    Random random(4);
    ConvData data = make_conv_data(c, random);
    Tensor y = data.y;
    ir::ConvAttrs attrs = data.attrs;
    attrs.pads.clear();
    attrs.auto_pad = auto_pad;
    run_layer(layer_of(attrs), {&data.x, &data.w, &data.b}, {&y});
    expect_real(y, [&](const Index& at) { return conv_real(data, true, at); }, "auto_pad");
  }
}

TEST(conv_errors_name_the_layer) {
  Random random(1);
  Tensor x = random_tensor(random, DType::u8, Shape{1, 4, 5, 5}, 0.1F, 0),
         y = describe(DType::u8, {1, 2, 5, 5}, 0.1F, 0);
  Tensor w = random_tensor(random, DType::s8, Shape{2, 4, 1, 1}, 0.1F, 0);
  CHECK_THROWS(run_layer(layer_of(ir::ConvAttrs{}), {&x, &w}, {&y}), "Op 'layer0': the weight");
  make_constant(w);
  x.value.quant = ir::QuantParams{{0.1F, 0.2F, 0.3F, 0.4F}, {0, 0, 0, 0}, 1};
  CHECK_THROWS(run_layer(layer_of(ir::ConvAttrs{}), {&x, &w}, {&y}), "quantized per axis");
  CHECK_THROWS(run_layer(layer_of(ir::ConvAttrs{}), {&x}, {&y}), "needs 2 and 1");
}

}  // namespace

VAIP_TEST_MAIN()
