// Pooling, reductions, resizing.
#include <algorithm>
#include <cmath>

#include "kernel_harness.h"

namespace {

using namespace vaip;
using namespace vaip::test;

using Reduction = ir::ReduceAttrs::Op;

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

double pooled(const ir::PoolAttrs& attrs, const Tensor& x, const Index& at) {
  const Shape& shape = x.value.shape;
  double best = -std::numeric_limits<double>::infinity(), sum = 0;
  std::int64_t valid = 0, counted = 0;
  for_each_index(attrs.kernel, [&](const Index& tap) {
    Index from = {at[0], at[1]};
    bool inside = true, padded = true;
    const std::size_t rank = attrs.kernel.size();
    for (std::size_t d = 0; d < rank; ++d) {
      const std::int64_t p = at[2 + d] * attrs.strides[d] - attrs.pads[d] + tap[d] * attrs.dilations[d];
      inside = inside && p >= 0 && p < shape[2 + d];
      padded = padded && p < shape[2 + d] + attrs.pads[rank + d];
      from.push_back(p);
    }
    counted += padded ? 1 : 0;
    if (!inside) return;
    ++valid;
    sum += x.real(from);
    best = std::max(best, x.real(from));
  });
  if (attrs.op == ir::PoolAttrs::Op::max) return best;
  return sum / static_cast<double>(attrs.count_include_pad ? counted : valid);
}

TEST(pooling_with_random_attributes) {
  Random random(1);
  for (int i = 0; i < 150; ++i) {
    ir::PoolAttrs attrs;
    attrs.op = random() % 2 == 0 ? ir::PoolAttrs::Op::max : ir::PoolAttrs::Op::average;
    attrs.ceil_mode = random() % 2 == 0;
    attrs.count_include_pad = random() % 2 == 0;
    if (random() % 4 == 0) attrs.activation.kind = ir::Activation::Kind::relu;
    if (random() % 4 == 0) attrs.activation = {ir::Activation::Kind::linear, 0.98, random() % 2 == 0 ? 0.0 : -0.4};
    const auto rank = static_cast<std::size_t>(between(random, 1, 3));
    const std::int64_t longest = i % 10 == 0 ? 8 : 3;  // with three dimensions, more taps than are taken at once
    Shape x_shape = {between(random, 1, 2), longest > 3 ? 17 : pick<std::int64_t>(random, {1, 3, 16, 600})},
          y_shape = x_shape;
    for (std::size_t d = 0; d < rank; ++d) {
      attrs.kernel.push_back(between(random, 1, longest));
      attrs.strides.push_back(between(random, 1, 3));
      attrs.dilations.push_back(between(random, 1, 2));
      x_shape.push_back((attrs.kernel[d] - 1) * attrs.dilations[d] + 1 + between(random, 0, 6));
    }
    for (std::size_t d = 0; d < 2 * rank; ++d) attrs.pads.push_back(between(random, 0, attrs.kernel[d % rank] - 1));
    for (std::size_t d = 0; d < rank; ++d) {
      const std::int64_t room =
          x_shape[2 + d] + attrs.pads[d] + attrs.pads[rank + d] - (attrs.kernel[d] - 1) * attrs.dilations[d] - 1;
      std::int64_t out = room / attrs.strides[d] + 1;
      if (attrs.ceil_mode && ceil_div(room, attrs.strides[d]) + 1 > out &&
          out * attrs.strides[d] < x_shape[2 + d] + attrs.pads[d])
        ++out;
      y_shape.push_back(out);
    }
    const DType dtype = pick<DType>(random, {DType::u8, DType::s8, DType::u16, DType::s16, DType::f32});
    Tensor x = random_tensor(random, dtype, x_shape), y = describe(dtype, y_shape);
    if (dtype != DType::f32) {
      const bool same = random() % 2 == 0;
      x.value.quant = ir::QuantParams{{0.25F}, {7}, 0};
      y.value.quant = same ? x.value.quant : ir::QuantParams{{0.3F}, {100}, 0};
    }
    x.layout = y.layout = Layout::channels_last;
    run_layer(layer_of(attrs), {&x}, {&y});
    expect_real(
        y,
        [&](const Index& at) {
          // A window without one valid element has no value; ONNX leaves it open.
          const double real = pooled(attrs, x, at);
          if (std::isfinite(real)) return ir::apply(attrs.activation, real);
          return (y.stored[static_cast<std::size_t>(row_major(y_shape, at))] - y.zero_point()) * y.scale();
        },
        "pool " + std::to_string(i));
  }
}

TEST(averages_keep_ties_exact) {
  // Sums of 3 over 6 elements, 9 over 6, ...: 0.5, 1.5, 2.5 must go to the even neighbour although 1/6 is not exact.
  ir::PoolAttrs attrs;
  attrs.op = ir::PoolAttrs::Op::average;
  attrs.kernel = {6};
  attrs.strides = {6};
  attrs.dilations = {1};
  attrs.pads = {0, 0};
  Tensor x = describe(DType::u8, {1, 1, 6 * 200}, 0.1F, 0), y = describe(DType::u8, {1, 1, 200}, 0.1F, 0);
  for (int i = 0; i < 200; ++i)
    for (int j = 0; j < 6; ++j)
      x.stored.push_back(j == 0 ? (3 + 6 * i) % 256 : j == 1 ? (3 + 6 * i) / 256 * 256 / 6 : 0);
  run_layer(layer_of(attrs), {&x}, {&y});
  for (std::size_t i = 0; i < 200; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < 6; ++j) sum += x.stored[i * 6 + j];
    CHECK_EQ(y.stored[i], std::nearbyint(sum / 6.0));
  }
}

TEST(reductions_over_any_axes_in_both_layouts) {
  Random random(2);
  for (int i = 0; i < 250; ++i) {
    const auto rank = static_cast<std::size_t>(between(random, 1, 5));
    Shape shape;
    for (std::size_t d = 0; d < rank; ++d) shape.push_back(pick<std::int64_t>(random, {1, 2, 3, 9}));
    ir::ReduceAttrs attrs;
    attrs.op = pick<Reduction>(
        random, {Reduction::mean, Reduction::sum, Reduction::max, Reduction::min, Reduction::prod, Reduction::l1,
                 Reduction::l2, Reduction::sum_square, Reduction::log_sum, Reduction::log_sum_exp});
    attrs.keepdims = random() % 2 == 0;
    attrs.noop_with_empty_axes = random() % 2 == 0;
    attrs.all_from_axis2 = rank >= 3 && random() % 4 == 0;
    if (attrs.all_from_axis2) attrs.keepdims = true;
    std::vector<bool> reduced(rank, false);
    for (std::size_t d = 0; d < rank && !attrs.all_from_axis2; ++d) {
      if (random() % 2 != 0) continue;
      attrs.axes.push_back(static_cast<std::int64_t>(d) - (random() % 2 == 0 ? static_cast<std::int64_t>(rank) : 0));
      reduced[d] = true;
    }
    if (attrs.all_from_axis2)
      for (std::size_t d = 2; d < rank; ++d) reduced[d] = true;
    else if (attrs.axes.empty() && !attrs.noop_with_empty_axes)
      reduced.assign(rank, true);
    Shape y_shape;
    for (std::size_t d = 0; d < rank; ++d) {
      if (!reduced[d])
        y_shape.push_back(shape[d]);
      else if (attrs.keepdims)
        y_shape.push_back(1);
    }
    const DType dtype = pick<DType>(random, {DType::u8, DType::s8, DType::u16, DType::s32, DType::f32});
    Tensor x = random_tensor(random, dtype, shape), y = describe(DType::s16, y_shape, 0.11F, -3);
    if (dtype != DType::f32) x.value.quant = ir::QuantParams{{dtype == DType::s32 ? 1e-3F : 0.02F}, {5}, 0};
    if (rank >= 3 && random() % 2 == 0) x.layout = Layout::channels_last;
    if (y_shape.size() >= 3 && random() % 2 == 0) y.layout = Layout::channels_last;
    run_layer(layer_of(attrs), {&x}, {&y});
    expect_real(
        y,
        [&](const Index& at) {
          Shape box;
          for (std::size_t d = 0; d < rank; ++d) box.push_back(reduced[d] ? shape[d] : 1);
          double sum = 0, largest = -1e300, smallest = 1e300, product = 1, magnitudes = 0, squares = 0;
          std::vector<double> all;
          for_each_index(box, [&](const Index& inner) {
            Index from = inner;
            std::size_t next = 0;
            for (std::size_t d = 0; d < rank; ++d) {
              if (!reduced[d]) from[d] = at[next];
              if (!reduced[d] || attrs.keepdims) ++next;
            }
            const double v = x.real(from);
            sum += v;
            product *= v;
            magnitudes += std::fabs(v);
            squares += v * v;
            all.push_back(v);
            largest = std::max(largest, v);
            smallest = std::min(smallest, v);
          });
          switch (attrs.op) {
            case Reduction::mean:
              return sum / static_cast<double>(count_of(box));
            case Reduction::sum:
              return sum;
            case Reduction::max:
              return largest;
            case Reduction::min:
              return smallest;
            case Reduction::prod:
              return product;
            case Reduction::l1:
              return magnitudes;
            case Reduction::l2:
              return std::sqrt(squares);
            case Reduction::sum_square:
              return squares;
            case Reduction::log_sum:
              return sum < 0 ? -1e300 : std::log(sum);  // no number: the lowest one, as in QuantizeLinear
            case Reduction::log_sum_exp: {
              double total = 0;
              for (const double v : all) total += std::exp(v - largest);
              return largest + std::log(total);
            }
          }
          return 0.0;
        },
        "reduce " + std::to_string(i));
  }
}

TEST(long_reductions_do_not_overflow) {
  Tensor x = describe(DType::u16, {1, 2, 200, 200}, 1.0F, 0), y = describe(DType::f32, {1, 2, 1, 1});
  x.stored.assign(80000, 65535.0);
  x.layout = Layout::channels_last;
  ir::ReduceAttrs attrs;
  attrs.op = ir::ReduceAttrs::Op::sum;
  attrs.all_from_axis2 = true;
  run_layer(layer_of(attrs), {&x}, {&y});
  CHECK_EQ(y.stored[1], static_cast<double>(65535.0F * 40000.0F));
}

TEST(squares_and_exponentials_do_not_overflow) {
  Tensor x = describe(DType::u16, {1, 70000}, 1.0F, 0), y = describe(DType::f32, {1, 1});
  x.stored.assign(70000, 65535.0);
  ir::ReduceAttrs attrs;
  attrs.axes = {1};
  attrs.op = Reduction::sum_square;
  run_layer(layer_of(attrs), {&x}, {&y});
  CHECK_EQ(y.stored[0], static_cast<double>(static_cast<float>(65535.0 * 65535.0 * 70000.0)));
  attrs.op = Reduction::log_sum_exp;  // exp(65535) is no double
  run_layer(layer_of(attrs), {&x}, {&y});
  CHECK_EQ(y.stored[0], static_cast<double>(static_cast<float>(65535.0 + std::log(70000.0))));
}

TEST(a_sum_over_nothing_is_zero) {
  Tensor x = describe(DType::u8, {2, 0, 3}, 0.5F, 7), y = describe(DType::u8, {2, 1, 3}, 0.5F, 7);
  ir::ReduceAttrs attrs;
  attrs.op = ir::ReduceAttrs::Op::sum;
  attrs.axes = {1};
  run_layer(layer_of(attrs), {&x}, {&y});
  CHECK(y.stored == std::vector<double>(6, 7.0));
}

// ---- resize ----

using Coordinates = ir::ResizeAttrs::Coordinates;
using Nearest = ir::ResizeAttrs::Nearest;

// The scale is p / q. One division of what double holds exactly, so that the boundary between two pixels is met
// exactly.
double coordinate(Coordinates mode, double i, double p, double q, double in, double out) {
  switch (mode) {
    case Coordinates::half_pixel:
      return ((2 * i + 1) * q - p) / (2 * p);
    case Coordinates::half_pixel_symmetric:
      return ((2 * i + 1) * q - p + in * p - out * q) / (2 * p);
    case Coordinates::pytorch_half_pixel:
      return out > 1 ? ((2 * i + 1) * q - p) / (2 * p) : 0;
    case Coordinates::align_corners:
      return out == 1 ? 0 : i * (in - 1) / (out - 1);
    case Coordinates::asymmetric:
      return i * q / p;
  }
  return 0;
}

TEST(resize_in_all_modes) {
  Random random(3);
  for (const auto mode : {ir::ResizeAttrs::Mode::nearest, ir::ResizeAttrs::Mode::linear}) {
    for (const auto coordinates :
         {Coordinates::half_pixel, Coordinates::half_pixel_symmetric, Coordinates::pytorch_half_pixel,
          Coordinates::align_corners, Coordinates::asymmetric}) {
      for (const auto nearest :
           {Nearest::round_prefer_floor, Nearest::round_prefer_ceil, Nearest::floor, Nearest::ceil}) {
        for (int variant = 0; variant < 6; ++variant) {
          const Shape shape = variant < 3 ? Shape{2, 3, 4, 5} : variant < 5 ? Shape{1, 2, 7} : Shape{6, 5};
          ir::ResizeAttrs attrs;
          attrs.mode = mode;
          attrs.coordinates = coordinates;
          attrs.nearest = nearest;
          const std::size_t rank = shape.size();
          Shape out = shape;
          std::vector<double> scales(rank, 1.0);
          for (std::size_t d = rank < 3 ? 0 : variant == 2 ? 1 : 2; d < rank; ++d) {
            const double scale = pick<float>(random, {2.0F, 0.5F, 1.5F, 2.0F / 3.0F, 3.0F, 1.0F});
            if (variant % 2 == 0) {
              scales[d] = scale;
              out[d] = std::max<std::int64_t>(
                  1, static_cast<std::int64_t>(std::floor(static_cast<double>(shape[d]) * scale)));
            } else {
              out[d] = between(random, 1, 9);
              scales[d] = static_cast<double>(out[d]) / static_cast<double>(shape[d]);
            }
            attrs.axes.push_back(static_cast<std::int64_t>(d) - (variant == 0 ? static_cast<std::int64_t>(rank) : 0));
            if (variant % 2 == 0)
              attrs.scales.push_back(scale);
            else
              attrs.sizes.push_back(out[d]);
          }
          const bool same = variant % 3 == 0;
          Tensor x = random_tensor(random, DType::u8, shape, 0.25F, 9);
          Tensor y = same ? describe(DType::u8, out, 0.25F, 9) : describe(DType::s8, out, 0.4F, -30);
          if (rank > 2 && variant != 4) x.layout = y.layout = Layout::channels_last;
          run_layer(layer_of(attrs), {&x}, {&y});
          expect_real(
              y,
              [&](const Index& at) {
                std::vector<double> from;
                for (std::size_t d = 0; d < rank; ++d) {
                  const auto in_size = static_cast<double>(shape[d]), out_size = static_cast<double>(out[d]);
                  const bool resized = scales[d] != 1.0 || shape[d] != out[d];
                  const bool by_size = !attrs.sizes.empty();
                  const double c =
                      resized ? coordinate(coordinates, static_cast<double>(at[d]), by_size ? out_size : scales[d],
                                           by_size ? in_size : 1, in_size, out_size)
                              : static_cast<double>(at[d]);
                  const double rounded = nearest == Nearest::round_prefer_floor  ? std::ceil(c - 0.5)
                                         : nearest == Nearest::round_prefer_ceil ? std::floor(c + 0.5)
                                         : nearest == Nearest::floor             ? std::floor(c)
                                                                                 : std::ceil(c);
                  from.push_back(
                      std::min(std::max(mode == ir::ResizeAttrs::Mode::nearest ? rounded : c, 0.0), in_size - 1));
                }
                double sum = 0;
                for_each_index(Shape(rank, 2), [&](const Index& corner) {
                  double weight = 1;
                  Index index;
                  for (std::size_t d = 0; d < rank; ++d) {
                    const double low = std::floor(from[d]), share = from[d] - low;
                    weight *= corner[d] == 1 ? share : 1 - share;
                    index.push_back(std::min<std::int64_t>(static_cast<std::int64_t>(low) + corner[d], shape[d] - 1));
                  }
                  if (weight > 0) sum += weight * x.real(index);
                });
                return sum;
              },
              "resize mode " + std::to_string(static_cast<int>(mode)) + " coordinates " +
                  std::to_string(static_cast<int>(coordinates)));
        }
      }
    }
  }
}

}  // namespace

VAIP_TEST_MAIN()
