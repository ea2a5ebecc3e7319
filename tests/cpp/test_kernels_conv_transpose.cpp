// Transposed convolutions against the definition: every input pixel adds its multiple of the kernel to the output.
#include <cmath>

#include "kernel_harness.h"

namespace {

using namespace vaip;
using namespace vaip::test;
using kernels::ComputePath;

struct Case {
  ir::ConvTransposeAttrs attrs;
  Tensor x, w, b, y;
  bool bias = false;
};

double accumulated(const Case& c, const Index& at) {
  const Shape &x = c.x.value.shape, &w = c.w.value.shape;
  const std::int64_t per_group = w[1], channels = x[1] / c.attrs.groups, group = at[1] / per_group;
  const std::size_t entry = c.w.value.quant->scale.size() > 1 ? static_cast<std::size_t>(at[1] % per_group) : 0;
  const Shape pads = ir::transposed_pads(c.attrs, Shape(x.begin() + 2, x.end()), Shape(w.begin() + 2, w.end()));
  Shape box = {channels};
  box.insert(box.end(), w.begin() + 2, w.end());
  std::int64_t sum = 0;
  for_each_index(box, [&](const Index& tap) {
    Index from = {at[0], group * channels + tap[0]}, weight = {group * channels + tap[0], at[1] % per_group};
    for (std::size_t d = 0; d + 2 < x.size(); ++d) {
      const std::int64_t scaled = at[2 + d] + pads[d] - tap[1 + d] * c.attrs.dilations[d];
      if (scaled < 0 || scaled % c.attrs.strides[d] != 0 || scaled / c.attrs.strides[d] >= x[2 + d]) return;
      from.push_back(scaled / c.attrs.strides[d]);
      weight.push_back(tap[1 + d]);
    }
    const double a = c.x.stored[static_cast<std::size_t>(row_major(x, from))] - c.x.zero_point();
    const double b = c.w.stored[static_cast<std::size_t>(row_major(w, weight))] - c.w.zero_point(entry);
    sum += static_cast<std::int64_t>(a) * static_cast<std::int64_t>(b);
  });
  const double real = static_cast<double>(sum) * c.x.scale() * c.w.scale(entry) + (c.bias ? c.b.real({at[1]}) : 0.0);
  return ir::apply(c.attrs.activation, real);
}

void check(Case& c, const std::string& what, const kernels::KernelOptions& options = {}) {
  run_layer(layer_of(c.attrs), {&c.x, &c.w, c.bias ? &c.b : nullptr}, {&c.y}, options);
  expect_real(c.y, [&](const Index& at) { return accumulated(c, at); }, what, true);
}

Case random_case(Random& random, DType x_dtype, DType w_dtype) {
  Case c;
  const auto rank = static_cast<std::size_t>(between(random, 1, 3));
  c.attrs.groups = pick<std::int64_t>(random, {1, 1, 2, 3});
  const std::int64_t channels = c.attrs.groups * between(random, 1, 9), per_group = between(random, 1, 9);
  Shape x_shape = {between(random, 1, 2), channels}, w_shape = {channels, per_group};
  Shape y_shape = {x_shape[0], per_group * c.attrs.groups};
  for (std::size_t d = 0; d < rank; ++d) {
    x_shape.push_back(between(random, 1, 6));
    w_shape.push_back(between(random, 1, 4));
    c.attrs.strides.push_back(between(random, 1, 4));
    c.attrs.dilations.push_back(between(random, 1, 3));
    c.attrs.output_padding.push_back(between(random, 0, 2));
  }
  c.attrs.pads.assign(2 * rank, 0);
  for (std::size_t d = 0; d < rank; ++d) {
    std::int64_t size = (x_shape[2 + d] - 1) * c.attrs.strides[d] + c.attrs.output_padding[d] +
                        (w_shape[2 + d] - 1) * c.attrs.dilations[d] + 1;
    // Also more than the kernel reaches: then input pixels at the border are not used at all.
    c.attrs.pads[d] = between(random, 0, std::min<std::int64_t>(size - 1, 5));
    size -= c.attrs.pads[d];
    c.attrs.pads[rank + d] = between(random, 0, std::min<std::int64_t>(size - 1, 5));
    y_shape.push_back(size - c.attrs.pads[rank + d]);
  }
  c.x = random_tensor(random, x_dtype, x_shape, 0.03125F, x_dtype == DType::u8 ? 120 : 3);
  c.w = random_tensor(random, w_dtype, w_shape, 0.0078125F, w_dtype == DType::u8 ? 99 : 0);
  if (random() % 2 == 0) {
    c.w.value.quant = ir::QuantParams{{}, {}, 1};
    for (std::int64_t i = 0; i < per_group; ++i) {
      c.w.value.quant->scale.push_back(std::exp2(-static_cast<float>(between(random, 5, 9))));
      c.w.value.quant->zero_point.push_back(static_cast<int>(w_dtype == DType::u8 ? 90 + i : 0));
    }
  }
  make_constant(c.w);
  c.bias = random() % 2 == 0;
  c.b = random_tensor(random, DType::f32, Shape{y_shape[1]});
  make_constant(c.b);
  if (random() % 3 == 0) c.attrs.activation.kind = ir::Activation::Kind::relu;
  c.y = describe(DType::s8, y_shape, 0.25F, -7);
  c.x.layout = c.y.layout = Layout::channels_last;
  return c;
}

TEST(transposed_convolutions_with_random_attributes_on_all_paths) {
  Random random(5);
  for (int i = 0; i < 120; ++i) {
    Case c =
        random_case(random, pick<DType>(random, {DType::u8, DType::s8}), pick<DType>(random, {DType::u8, DType::s8}));
    // 8 bits of u8 less a zero point need 9.
    const bool narrow = c.w.value.dtype == DType::s8;
    check(c, "transposed convolution " + std::to_string(i));
    for (const ComputePath path : {ComputePath::int8, ComputePath::int16, ComputePath::f32, ComputePath::f64}) {
      // oneDNN without VNNI has no exact int8 kernel for some grouped shapes: the other paths must do.
      if (path == ComputePath::int8 && (c.attrs.groups > 1 || !narrow)) continue;
      kernels::KernelOptions options;
      options.path = path;
      check(c, "transposed convolution " + std::to_string(i) + " path " + std::string(name(path)), options);
    }
  }
}

TEST(transposed_convolutions_of_16_bit_operands) {
  Random random(6);
  for (int i = 0; i < 60; ++i) {
    Case c = random_case(random, pick<DType>(random, {DType::u16, DType::s16}),
                         pick<DType>(random, {DType::s8, DType::s16}));
    c.y.value.quant->scale[0] = 16.0F;
    check(c, "transposed convolution of 16 bits " + std::to_string(i));
  }
}

TEST(transposed_convolution_resolves_output_shape_and_auto_pad) {
  Random random(7);
  for (const auto pad :
       {ir::ConvAttrs::AutoPad::notset, ir::ConvAttrs::AutoPad::same_upper, ir::ConvAttrs::AutoPad::same_lower}) {
    Case c;
    c.attrs.strides = {2, 3};
    c.attrs.dilations = {1, 1};
    c.attrs.auto_pad = pad;
    if (pad == ir::ConvAttrs::AutoPad::notset) c.attrs.output_shape = {10, 15};
    c.x = random_tensor(random, DType::u8, Shape{1, 4, 5, 5}, 0.03125F, 7);
    c.w = random_tensor(random, DType::s8, Shape{4, 3, 5, 4}, 0.0078125F, 0);
    make_constant(c.w);
    c.y = describe(DType::u8, {1, 3, 10, 15}, 0.125F, 100);
    c.x.layout = c.y.layout = Layout::channels_last;
    check(c, "auto_pad " + std::to_string(static_cast<int>(pad)));
  }
}

TEST(transposed_convolution_errors_name_the_layer) {
  Tensor x = describe(DType::u8, {1, 4, 3}, 1.0F, 0), w = describe(DType::s8, {4, 2, 3}, 1.0F, 0);
  Tensor y = describe(DType::u8, {1, 2, 5}, 1.0F, 0);
  x.stored.assign(12, 0.0);
  w.stored.assign(24, 0.0);
  CHECK_THROWS(run_layer(layer_of(ir::ConvTransposeAttrs{}), {&x, &w, nullptr}, {&y}), "is not a constant");
  make_constant(w);
  ir::ConvTransposeAttrs grouped;
  grouped.groups = 3;
  CHECK_THROWS(run_layer(layer_of(grouped), {&x, &w, nullptr}, {&y}), "3 groups");
}

}  // namespace

VAIP_TEST_MAIN()
