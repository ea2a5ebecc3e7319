// Layers that read or make indices and conditions: gathers, comparisons, logic, Where, Cast, ArgMax, TopK, CumSum.
#include <algorithm>
#include <numeric>

#include "movement_harness.h"

namespace {

using namespace vaip;
using namespace vaip::test;

// A tensor of plain numbers, as they are stored.
Tensor plain(DType dtype, const Shape& shape, std::vector<double> values) {
  Tensor t = describe(dtype, shape);
  t.stored = std::move(values);
  return t;
}

void expect_stored(const Tensor& out, const std::vector<double>& wanted, const std::string& what) {
  CHECK_EQ(out.stored.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size() && i < out.stored.size(); ++i)
    if (out.stored[i] != wanted[i])
      report(__FILE__, __LINE__,
             what + " at " + std::to_string(i) + ": got " + std::to_string(out.stored[i]) + ", wanted " +
                 std::to_string(wanted[i]));
}

std::int64_t from_front(double index, std::int64_t size) {
  return static_cast<std::int64_t>(index) + (index < 0 ? size : 0);
}

// Indices below `size`, also counted from the end; of either type, sometimes constant.
Tensor random_indices(Random& random, const Shape& shape, const std::function<std::int64_t(const Index&)>& size) {
  Tensor t = describe(random() % 2 == 0 ? DType::s64 : DType::s32, shape);
  for_each_index(shape, [&](const Index& at) {
    t.stored.push_back(static_cast<double>(between(random, -size(at), size(at) - 1)));
  });
  if (random() % 2 == 0) make_constant(t);
  return t;
}

TEST(gather_of_slices) {
  Random random(1);
  for (int i = 0; i < 200; ++i) {
    const auto rank = static_cast<std::size_t>(between(random, 1, 4));
    Tensor x = describe(DType::u8, random_shape(random, rank, 8)), y = describe(DType::u8, {});
    describe_ends(i % kVariants, x, y);
    randomise(x, random);
    const std::size_t axis = random() % rank;
    const std::int64_t size = x.value.shape[axis];
    const Shape chosen = random_shape(random, static_cast<std::size_t>(between(random, 0, 2)), 6);
    const Tensor indices = random_indices(random, chosen, [size](const Index&) { return size; });
    y.value.shape.assign(x.value.shape.begin(), x.value.shape.begin() + static_cast<std::ptrdiff_t>(axis));
    y.value.shape.insert(y.value.shape.end(), chosen.begin(), chosen.end());
    y.value.shape.insert(y.value.shape.end(), x.value.shape.begin() + static_cast<std::ptrdiff_t>(axis) + 1,
                         x.value.shape.end());
    ir::GatherAttrs attrs;
    attrs.axis = static_cast<std::int64_t>(axis) - (random() % 2 == 0 ? static_cast<std::int64_t>(rank) : 0);
    expect_moved(
        layer_of(attrs), {&x, &indices}, y,
        [&](const Index& at) {
          const Index which(at.begin() + static_cast<std::ptrdiff_t>(axis),
                            at.begin() + static_cast<std::ptrdiff_t>(axis + chosen.size()));
          Index from(at.begin(), at.begin() + static_cast<std::ptrdiff_t>(axis));
          from.push_back(from_front(indices.stored[static_cast<std::size_t>(row_major(chosen, which))], size));
          from.insert(from.end(), at.begin() + static_cast<std::ptrdiff_t>(axis + chosen.size()), at.end());
          return from;
        },
        "gather");
  }
}

TEST(gather_of_elements) {
  Random random(2);
  for (int i = 0; i < 200; ++i) {
    const auto rank = static_cast<std::size_t>(between(random, 1, 4));
    Tensor x = describe(DType::u8, random_shape(random, rank, 8)), y = describe(DType::u8, x.value.shape);
    describe_ends(i % kVariants, x, y);
    randomise(x, random);
    const std::size_t axis = random() % rank;
    for (std::size_t d = 0; d < rank; ++d) y.value.shape[d] = between(random, 1, d == axis ? 9 : x.value.shape[d]);
    const std::int64_t size = x.value.shape[axis];
    const Tensor indices = random_indices(random, y.value.shape, [size](const Index&) { return size; });
    ir::GatherAttrs attrs;
    attrs.op = ir::GatherAttrs::Op::elements;
    attrs.axis = static_cast<std::int64_t>(axis) - (random() % 2 == 0 ? static_cast<std::int64_t>(rank) : 0);
    expect_moved(
        layer_of(attrs), {&x, &indices}, y,
        [&](const Index& at) {
          Index from = at;
          from[axis] = from_front(indices.stored[static_cast<std::size_t>(row_major(y.value.shape, at))], size);
          return from;
        },
        "gather elements");
  }
}

TEST(gather_by_tuples) {
  Random random(3);
  for (int i = 0; i < 200; ++i) {
    const auto rank = static_cast<std::size_t>(between(random, 1, 4));
    Tensor x = describe(DType::u8, random_shape(random, rank, 6)), y = describe(DType::u8, {});
    describe_ends(i % kVariants, x, y);
    randomise(x, random);
    const std::size_t batch = random() % rank, length = 1 + random() % (rank - batch);
    const auto cut = static_cast<std::ptrdiff_t>(batch), end = static_cast<std::ptrdiff_t>(batch + length);
    Shape tuples(x.value.shape.begin(), x.value.shape.begin() + cut);
    const Shape more = random_shape(random, static_cast<std::size_t>(between(random, 0, 2)), 5);
    tuples.insert(tuples.end(), more.begin(), more.end());
    y.value.shape = tuples;
    y.value.shape.insert(y.value.shape.end(), x.value.shape.begin() + end, x.value.shape.end());
    Shape indexed = tuples;
    indexed.push_back(static_cast<std::int64_t>(length));
    const Tensor indices = random_indices(
        random, indexed, [&](const Index& at) { return x.value.shape[batch + static_cast<std::size_t>(at.back())]; });
    ir::GatherAttrs attrs;
    attrs.op = ir::GatherAttrs::Op::nd;
    attrs.batch_dims = static_cast<std::int64_t>(batch);
    expect_moved(
        layer_of(attrs), {&x, &indices}, y,
        [&](const Index& at) {
          Index tuple(at.begin(), at.begin() + static_cast<std::ptrdiff_t>(tuples.size()));
          Index from(at.begin(), at.begin() + cut);
          for (std::size_t c = 0; c < length; ++c) {
            Index place = tuple;
            place.push_back(static_cast<std::int64_t>(c));
            from.push_back(from_front(indices.stored[static_cast<std::size_t>(row_major(indexed, place))],
                                      x.value.shape[batch + c]));
          }
          from.insert(from.end(), at.begin() + static_cast<std::ptrdiff_t>(tuples.size()), at.end());
          return from;
        },
        "gather nd");
  }
}

TEST(indices_out_of_range_are_errors) {
  Tensor x = describe(DType::u8, {2, 5}, 0.5F, 0), y = describe(DType::u8, {2, 3}, 0.5F, 0);
  x.value.name = "table";
  x.stored.assign(10, 1.0);
  ir::GatherAttrs attrs;
  attrs.axis = 1;
  Tensor indices = plain(DType::s64, {3}, {4, -5, 5});
  CHECK_THROWS(run_layer(layer_of(attrs), {&x, &indices}, {&y}),
               "Op 'layer0': index 5 (element 2 of the indices) is out of range: 'table' has 5 entries there");
  indices.stored = {0, -6, 9};
  CHECK_THROWS(run_layer(layer_of(attrs), {&x, &indices}, {&y}), "index -6 (element 1 of the indices)");
  make_constant(indices);
  CHECK_THROWS(run_layer(layer_of(attrs), {&x, &indices}, {&y}), "Op 'layer0': index -6 (element 1");
  const Tensor halves = plain(DType::u8, {3}, {0, 1, 2});
  CHECK_THROWS(run_layer(layer_of(attrs), {&x, &halves}, {&y}), "indices of type uint8");
  // The smallest integer has no counterpart from the front.
  Tensor lowest = plain(DType::s32, {3}, {0, 0, -2147483648.0});
  CHECK_THROWS(run_layer(layer_of(attrs), {&x, &lowest}, {&y}), "index -2147483648 (element 2");
}

TEST(comparisons_are_exact) {
  using Op = ir::ComparisonAttrs::Op;
  const auto holds = [](Op op, double a, double b) {
    switch (op) {
      case Op::equal:
        return a == b;
      case Op::unequal:
        return a != b;
      case Op::greater:
        return a > b;
      case Op::greater_or_equal:
        return a >= b;
      case Op::less:
        return a < b;
      default:
        return a <= b;
    }
  };
  Random random(4);
  for (int i = 0; i < 300; ++i) {
    const auto op = static_cast<Op>(i % 6);
    const auto rank = static_cast<std::size_t>(between(random, 1, 4));
    const Shape shape = random_shape(random, rank, 8);
    Shape other = shape;
    for (std::int64_t& dim : other) dim = random() % 3 == 0 ? 1 : dim;
    const bool quantized = i % 5 != 0;
    const DType left = quantized ? pick<DType>(random, {DType::u8, DType::s16}) : DType::s32;
    Tensor a = describe(left, shape), b = describe(quantized ? DType::u8 : DType::s32, other);
    // 0.1f is no power of two: in float32 many unequal products would be equal.
    if (quantized) a.value.quant = ir::QuantParams{{pick<float>(random, {0.1F, 0.5F, 0.3F})}, {7}, 0};
    if (quantized) b.value.quant = ir::QuantParams{{pick<float>(random, {0.1F, 0.25F})}, {100}, 0};
    randomise(a, random);
    randomise(b, random);
    Tensor y = describe(DType::boolean, shape);
    randomise_layouts(random, {&a, &b, &y});
    run_layer(layer_of(ir::ComparisonAttrs{op}), {&a, &b}, {&y});
    std::vector<double> wanted;
    for_each_index(shape, [&](const Index& at) {
      Index from = at;
      for (std::size_t d = 0; d < rank; ++d) from[d] = other[d] == 1 ? 0 : at[d];
      wanted.push_back(holds(op, a.real(at), b.real(from)) ? 1 : 0);
    });
    expect_stored(y, wanted, "comparison " + std::to_string(i));
  }
  // 0.3f * 1 and 0.1f * 3 are one float32, but not one real number.
  Tensor a = describe(DType::u8, {1}, 0.3F, 0), b = describe(DType::u8, {1}, 0.1F, 0),
         y = describe(DType::boolean, {1});
  a.stored = {1};
  b.stored = {3};
  run_layer(layer_of(ir::ComparisonAttrs{Op::equal}), {&a, &b}, {&y});
  CHECK_EQ(y.stored[0], static_cast<double>(0.3F) == 3 * static_cast<double>(0.1F) ? 1.0 : 0.0);
  // Integers of 64 bits beyond the reach of doubles.
  Tensor big = describe(DType::s64, {1}), next = describe(DType::s64, {1});
  const std::int64_t value = (std::int64_t{1} << 60) + 1;
  kernels::LayerOperands operands{
      layer_of(ir::ComparisonAttrs{Op::greater}),
      {kernels::make_operand(big.value, Layout::row_major), kernels::make_operand(next.value, Layout::row_major)},
      {kernels::make_operand(y.value, Layout::row_major)}};
  const std::int64_t left[] = {value}, right[] = {value - 1};
  const void* inputs[] = {left, right};
  std::uint8_t greater = 2;
  void* outputs[] = {&greater};
  kernels::make_kernel(operands)->execute({inputs, outputs, nullptr, nullptr});
  CHECK_EQ(static_cast<int>(greater), 1);
}

TEST(logic_and_bits) {
  using Op = ir::LogicAttrs::Op;
  const auto run = [](Op op, DType dtype, std::vector<double> a, std::vector<double> b) {
    const auto count = static_cast<std::int64_t>(a.size());
    const Tensor left = plain(dtype, {count}, std::move(a)), right = plain(dtype, {count}, b);
    Tensor y = describe(dtype, {count});
    run_layer(layer_of(ir::LogicAttrs{op}), b.empty() ? std::vector<const Tensor*>{&left} : std::vector{&left, &right},
              {&y});
    return y;
  };
  const std::vector<double> p = {0, 0, 1, 1}, q = {0, 1, 0, 1};
  expect_stored(run(Op::logical_and, DType::boolean, p, q), {0, 0, 0, 1}, "and");
  expect_stored(run(Op::logical_or, DType::boolean, p, q), {0, 1, 1, 1}, "or");
  expect_stored(run(Op::logical_xor, DType::boolean, p, q), {0, 1, 1, 0}, "xor");
  expect_stored(run(Op::logical_not, DType::boolean, p, {}), {1, 1, 0, 0}, "not");
  expect_stored(run(Op::bitwise_and, DType::s32, {-1, 12, 5}, {7, 10, -2}), {7, 8, 4}, "bitwise and");
  expect_stored(run(Op::bitwise_or, DType::u8, {1, 12, 128}, {7, 3, 1}), {7, 15, 129}, "bitwise or");
  expect_stored(run(Op::bitwise_xor, DType::s64, {-1, 12}, {0, 10}), {-1, 6}, "bitwise xor");
  expect_stored(run(Op::bitwise_not, DType::s16, {0, 5, -1}, {}), {-1, -6, 0}, "bitwise not");
  expect_stored(run(Op::shift_left, DType::u8, {1, 3, 255, 1}, {4, 7, 0, 8}), {16, 128, 255, 0}, "left");
  expect_stored(run(Op::shift_right, DType::u64, {256, 3, 1, 8}, {4, 1, 64, 0}), {16, 1, 0, 8}, "right");
  CHECK_THROWS(run(Op::shift_left, DType::s8, {1}, {1}), "unsigned");
  CHECK_THROWS(run(Op::logical_and, DType::f32, {1}, {1}), "plain integers or booleans");
}

TEST(integer_arithmetic_wraps_around) {
  using Op = ir::IntegerArithmeticAttrs::Op;
  const auto run = [](Op op, DType dtype, std::vector<double> a, std::vector<double> b) {
    const auto count = static_cast<std::int64_t>(a.size());
    const Tensor left = plain(dtype, {count}, std::move(a)), right = plain(dtype, {1}, {b[0]});
    const Tensor each = plain(dtype, {count}, b);
    Tensor y = describe(dtype, {count});
    run_layer(layer_of(ir::IntegerArithmeticAttrs{op}), {&left, b.size() == 1 ? &right : &each}, {&y});
    return y;
  };
  constexpr double kLowest = -9223372036854775808.0;
  expect_stored(run(Op::add, DType::u8, {250, 5}, {10}), {4, 15}, "uint8");
  expect_stored(run(Op::sub, DType::s32, {-2147483648.0, 7}, {1}), {2147483647, 6}, "int32");
  expect_stored(run(Op::mul, DType::s64, {kLowest, 3}, {-1}), {kLowest, -3}, "int64");
  expect_stored(run(Op::mul, DType::u16, {65535, 2}, {65535, 4}), {1, 8}, "uint16, whose product exceeds int");
  expect_stored(run(Op::div, DType::s64, {7, -7, 7, -7}, {2, 2, -2, -2}), {3, -3, -3, 3}, "towards zero");
  expect_stored(run(Op::div, DType::s32, {-2147483648.0, 5}, {-1, 0}), {-2147483648.0, 0}, "without a trap");
  expect_stored(run(Op::div, DType::s64, {kLowest, 5}, {-1, 0}), {kLowest, 0}, "without a trap");
  expect_stored(run(Op::modulus, DType::s32, {7, -7, 7, -7}, {3, 3, -3, -3}), {1, 2, -2, -1}, "the divisor's sign");
  expect_stored(run(Op::remainder, DType::s32, {7, -7, 7, -7}, {3, 3, -3, -3}), {1, -1, 1, -1}, "the dividend's");
  expect_stored(run(Op::modulus, DType::s64, {kLowest, 5, 6}, {-1, 0, -3}), {0, 0, 0}, "without a trap");
  expect_stored(run(Op::min, DType::s8, {-3, 9}, {4}), {-3, 4}, "min");
  expect_stored(run(Op::max, DType::u64, {3, 9}, {4}), {4, 9}, "max");
  CHECK_THROWS(run(Op::add, DType::boolean, {1}, {1}), "defines it for numbers");
  CHECK_THROWS(run(Op::add, DType::f32, {1}, {1}), "plain integers or booleans");
}

TEST(where_copies_or_requantizes) {
  Random random(5);
  for (int i = 0; i < 200; ++i) {
    const Shape shape = random_shape(random, static_cast<std::size_t>(between(random, 1, 4)), 8);
    const auto repeated = [&] {
      Shape own = shape;
      for (std::int64_t& dim : own) dim = random() % 3 == 0 ? 1 : dim;
      return own;
    };
    Tensor condition = random_tensor(random, DType::boolean, repeated());
    Tensor a = describe(DType::u8, repeated()), b = describe(DType::u8, repeated()), y = describe(DType::u8, shape);
    describe_ends(i % kVariants, a, y);
    b.value.dtype = a.value.dtype;
    b.value.quant = a.value.quant;
    if (i % 7 == 0 && a.value.quant) b.value.quant->scale[0] = 0.6F;
    randomise(a, random);
    randomise(b, random);
    randomise_layouts(random, {&condition, &a, &b, &y});
    run_layer(layer_of(ir::WhereAttrs{}), {&condition, &a, &b}, {&y});
    const auto seen = [&](const Tensor& t, Index at) {
      for (std::size_t d = 0; d < at.size(); ++d) at[d] = t.value.shape[d] == 1 ? 0 : at[d];
      return t.real(at);
    };
    expect_real(
        y, [&](const Index& at) { return seen(seen(condition, at) != 0 ? a : b, at); }, "where " + std::to_string(i));
  }
  // -infinity, as in attention masks, becomes the lowest value.
  const Tensor never = plain(DType::boolean, {1}, {0});
  Tensor x = describe(DType::s8, {1}, 0.5F, 0), y = describe(DType::s8, {1}, 0.5F, 0);
  x.stored = {3};
  const Tensor low = plain(DType::f32, {1}, {-std::numeric_limits<double>::infinity()});
  run_layer(layer_of(ir::WhereAttrs{}), {&never, &x, &low}, {&y});
  expect_stored(y, {-128}, "minus infinity");
}

TEST(casts_between_plain_types) {
  const auto cast = [](DType from, std::vector<double> values, DType to) {
    const auto count = static_cast<std::int64_t>(values.size());
    const Tensor x = plain(from, {count}, std::move(values));
    Tensor y = describe(to, {count});
    run_layer(layer_of(ir::CastAttrs{}), {&x}, {&y});
    return y;
  };
  expect_stored(cast(DType::f32, {1.9, -1.9, 0.5, 300.0}, DType::s32), {1, -1, 0, 300}, "cut off");
  expect_stored(cast(DType::f32, {0.25, 0.0, -3.0}, DType::boolean), {1, 0, 1}, "to bool");
  expect_stored(cast(DType::s64, {5, 0, -1}, DType::boolean), {1, 0, 1}, "to bool");
  expect_stored(cast(DType::boolean, {1, 0}, DType::f32), {1, 0}, "from bool");
  expect_stored(cast(DType::s32, {-1, 256, 300}, DType::u8), {255, 0, 44}, "low bits");
  expect_stored(cast(DType::s32, {-1}, DType::u32), {4294967295.0}, "low bits");
  expect_stored(cast(DType::s64, {16777217.0}, DType::f32), {16777216.0}, "nearest float");
  const double infinite = std::numeric_limits<double>::infinity();
  expect_stored(cast(DType::f32, {std::nan(""), infinite, -infinite}, DType::s64),
                {0, 9223372036854775807.0, -9223372036854775808.0}, "outside");
}

TEST(arg_takes_the_first_or_the_last) {
  Random random(6);
  for (int i = 0; i < 200; ++i) {
    const auto rank = static_cast<std::size_t>(between(random, 1, 4));
    Tensor x = random_tensor(random, i % 3 == 0 ? DType::s16 : DType::u8, random_shape(random, rank, 9), 0.3F, 7);
    for (double& v : x.stored) v = std::floor(v / 64);  // many equal ones
    const std::size_t axis = random() % rank;
    ir::ArgAttrs attrs;
    attrs.op = i % 2 == 0 ? ir::ArgAttrs::Op::max : ir::ArgAttrs::Op::min;
    attrs.axis = static_cast<std::int64_t>(axis) - (random() % 2 == 0 ? static_cast<std::int64_t>(rank) : 0);
    attrs.keepdims = random() % 2 == 0;
    attrs.select_last = random() % 2 == 0;
    Shape kept = x.value.shape;
    kept[axis] = 1;
    Tensor y = describe(DType::s64, kept);
    if (!attrs.keepdims) y.value.shape.erase(y.value.shape.begin() + static_cast<std::ptrdiff_t>(axis));
    randomise_layouts(random, {&x, &y});
    run_layer(layer_of(attrs), {&x}, {&y});
    std::vector<double> wanted;
    for_each_index(kept, [&](Index at) {
      std::int64_t best = 0;
      double extreme = x.real(at);
      for (std::int64_t p = 1; p < x.value.shape[axis]; ++p) {
        at[axis] = p;
        const double value = x.real(at);
        const bool better = attrs.op == ir::ArgAttrs::Op::max ? value > extreme : value < extreme;
        if (better || (attrs.select_last && value == extreme)) best = p;
        if (better) extreme = value;
      }
      wanted.push_back(static_cast<double>(best));
    });
    expect_stored(y, wanted, "arg " + std::to_string(i));
  }
}

TEST(top_k_is_sorted_and_stable) {
  Random random(7);
  for (int i = 0; i < 200; ++i) {
    const auto rank = static_cast<std::size_t>(between(random, 1, 4));
    Tensor x = describe(DType::u8, random_shape(random, rank, 9)), values = describe(DType::u8, {});
    describe_ends(i % kVariants, x, values);
    randomise(x, random);
    if (i % 2 == 0)
      for (double& v : x.stored) v = std::floor(v / 64);
    const std::size_t axis = random() % rank;
    const std::int64_t length = x.value.shape[axis];
    ir::TopKAttrs attrs;
    attrs.axis = static_cast<std::int64_t>(axis) - (random() % 2 == 0 ? static_cast<std::int64_t>(rank) : 0);
    attrs.k = between(random, 1, length);
    attrs.largest = random() % 2 == 0;
    values.value.shape = x.value.shape;
    values.value.shape[axis] = attrs.k;
    Tensor indices = describe(DType::s64, values.value.shape);
    randomise_layouts(random, {&x, &values, &indices});
    run_layer(layer_of(attrs), {&x}, {&values, &indices});
    const auto order_at = [&](Index at) {
      std::vector<std::int64_t> order(static_cast<std::size_t>(length));
      std::iota(order.begin(), order.end(), std::int64_t{0});
      std::stable_sort(order.begin(), order.end(), [&](std::int64_t p, std::int64_t q) {
        at[axis] = p;
        const double left = x.real(at);
        at[axis] = q;
        return attrs.largest ? left > x.real(at) : left < x.real(at);
      });
      return order;
    };
    std::vector<double> wanted;
    for_each_index(values.value.shape, [&](const Index& at) {
      wanted.push_back(static_cast<double>(order_at(at)[static_cast<std::size_t>(at[axis])]));
    });
    expect_stored(indices, wanted, "top k, indices " + std::to_string(i));
    expect_real(
        values,
        [&](const Index& at) {
          Index from = at;
          from[axis] = order_at(at)[static_cast<std::size_t>(at[axis])];
          return x.real(from);
        },
        "top k, values");
  }
  Tensor x = plain(DType::f32, {4}, {1.0, std::nan(""), 3.0, 2.0}), y = describe(DType::f32, {4});
  Tensor indices = describe(DType::s64, {4});
  run_layer(layer_of(ir::TopKAttrs{4, 0, true}), {&x}, {&y, &indices});
  expect_stored(indices, {2, 3, 0, 1}, "NaN comes last");
}

TEST(cumulative_sums) {
  Random random(8);
  for (int i = 0; i < 200; ++i) {
    const auto rank = static_cast<std::size_t>(between(random, 1, 4));
    Tensor x = random_tensor(random, DType::u8, random_shape(random, rank, 9), 0.25F, 100);
    Tensor y = describe(DType::s16, x.value.shape, 0.75F, -20);
    if (i % 4 == 0) x = random_tensor(random, DType::s32, x.value.shape);
    if (i % 4 == 0) y = describe(DType::s32, x.value.shape);
    const std::size_t axis = random() % rank;
    ir::CumSumAttrs attrs;
    attrs.axis = static_cast<std::int64_t>(axis) - (random() % 2 == 0 ? static_cast<std::int64_t>(rank) : 0);
    attrs.exclusive = random() % 2 == 0;
    attrs.reverse = random() % 2 == 0;
    randomise_layouts(random, {&x, &y});
    run_layer(layer_of(attrs), {&x}, {&y});
    expect_real(
        y,
        [&](Index at) {
          const std::int64_t own = at[axis];
          double sum = 0;
          for (std::int64_t p = 0; p < x.value.shape[axis]; ++p) {
            at[axis] = p;
            const bool before = attrs.reverse ? p > own : p < own;
            if (before || (p == own && !attrs.exclusive)) sum += x.real(at);
          }
          return sum;
        },
        "cumulative sum");
  }
}

}  // namespace

VAIP_TEST_MAIN()
