// Tensors that lie in others: which copies are left, and that results are those of a layer after the other.
#include <algorithm>
#include <string>
#include <vector>

#include "graph_builder.h"
#include "runtime/execution_plan.h"
#include "runtime/executor.h"
#include "runtime/relocation.h"

namespace {

using namespace vaip;
using namespace vaip::test;
using runtime::Executor;
using runtime::Relocation;
using runtime::View;

constexpr ir::Activation kRelu = {ir::Activation::Kind::relu, 0, 0};

std::vector<std::string> steps_of(const ir::Graph& graph) {
  std::vector<std::string> ops;
  const runtime::ExecutionPlan plan(graph);
  for (const runtime::Step& step : plan.steps()) ops.push_back(step.op);
  return ops;
}

std::int64_t count(const ir::Graph& graph, const std::string& op) {
  const std::vector<std::string> ops = steps_of(graph);
  return std::count(ops.begin(), ops.end(), op);
}

void expect_as_reference(const ir::Graph& graph, const std::string& what) {
  const std::vector<Memory> inputs = random_inputs(graph, 5), wanted = reference(graph, inputs);
  for (const int threads : {1, 2}) {
    const std::vector<Memory> got = run(Executor(graph, {threads}), graph, inputs);
    for (std::size_t i = 0; i < got.size(); ++i)
      if (got[i] != wanted[i])
        report(__FILE__, __LINE__,
               what + ", " + std::to_string(threads) + " threads: output " + std::to_string(i) + " differs");
  }
}

// Layers whose results have the quantization of what they read, so that moving them is a copy.
struct Net : Builder {
  DType dtype = DType::u8;
  ir::ValueId like(const Shape& shape) { return value(describe(dtype, shape, 0.05F, dtype == DType::u8 ? 100 : 0)); }
  const Shape& shape(ir::ValueId id) const { return graph.value(id).shape; }

  ir::ValueId input(const Shape& shape) {
    graph.inputs.push_back(like(shape));
    return graph.inputs.back();
  }
  ir::ValueId concat(const std::vector<ir::ValueId>& parts, std::int64_t axis = 1) {
    Shape out = shape(parts[0]);
    const auto d = static_cast<std::size_t>(axis);
    for (std::size_t i = 1; i < parts.size(); ++i) out[d] += shape(parts[i])[d];
    const ir::ValueId y = like(out);
    layer("Concat", ir::ConcatAttrs{axis}, parts, {y});
    return y;
  }
  std::vector<ir::ValueId> split(ir::ValueId x, const std::vector<std::int64_t>& sizes, std::int64_t axis = 1) {
    std::vector<ir::ValueId> parts;
    for (const std::int64_t size : sizes) {
      Shape part = shape(x);
      part[static_cast<std::size_t>(axis)] = size;
      parts.push_back(like(part));
    }
    layer("Split", ir::SplitAttrs{axis, sizes}, {x}, parts);
    return parts;
  }
  ir::ValueId slice(ir::ValueId x, std::int64_t axis, std::int64_t first, std::int64_t size, std::int64_t step = 1) {
    Shape out = shape(x);
    out[static_cast<std::size_t>(axis)] = size;
    const ir::ValueId y = like(out);
    const std::int64_t end = first + step * size;
    layer("Slice", ir::SliceAttrs{{first}, {end < 0 ? -1000 : end}, {axis}, {step}}, {x}, {y});
    return y;
  }
  ir::ValueId relu(ir::ValueId x) {
    const ir::ValueId y = like(shape(x));
    layer("Relu", ir::ElementwiseAttrs{kRelu}, {x}, {y});
    return y;
  }
  ir::ValueId pool(ir::ValueId x, ir::PoolAttrs::Op op = ir::PoolAttrs::Op::max) {
    ir::PoolAttrs attrs;
    attrs.op = op;
    attrs.kernel = {3, 3};
    attrs.strides = {1, 1};
    attrs.pads = {1, 1, 1, 1};
    const ir::ValueId y = like(shape(x));
    layer("MaxPool", attrs, {x}, {y});
    return y;
  }
  ir::ValueId convolve(ir::ValueId x, std::int64_t channels, std::int64_t kernel = 3) {
    const ir::ValueId y = conv(x, channels, kernel);
    graph.value(y).dtype = dtype;
    graph.value(y).quant = graph.value(like({1})).quant;
    return y;
  }
  // A number per channel.
  ir::ValueId scaled(ir::ValueId x) {
    const ir::ValueId y = like(shape(x));
    const Shape per_channel = {shape(x)[1], 1, 1};
    layer("Mul", ir::ArithmeticAttrs{ir::ArithmeticAttrs::Op::mul, {}},
          {x, constant(random_tensor(random, DType::s8, per_channel, 0.01F, 0))}, {y});
    return y;
  }
  ir::ValueId sum(ir::ValueId a, ir::ValueId b) {
    const ir::ValueId y = like(shape(a));
    layer("Add", ir::ArithmeticAttrs{}, {a, b}, {y});
    return y;
  }
  ir::ValueId reshape(ir::ValueId x, const Shape& to) {
    const ir::ValueId y = like(to);
    layer("Reshape", ir::ReshapeAttrs{ir::ReshapeAttrs::Op::reshape, to, false}, {x}, {y});
    return y;
  }
  ir::ValueId transpose(ir::ValueId x, const std::vector<std::int64_t>& perm) {
    Shape out;
    for (const std::int64_t axis : perm) out.push_back(shape(x)[static_cast<std::size_t>(axis)]);
    const ir::ValueId y = like(out);
    layer("Transpose", ir::TransposeAttrs{perm}, {x}, {y});
    return y;
  }
  ir::ValueId shuffle(ir::ValueId x, std::int64_t groups) {
    const Shape s = shape(x);
    const ir::ValueId apart = reshape(x, {s[0], groups, s[1] / groups, s[2], s[3]});
    return reshape(transpose(apart, {0, 2, 1, 3, 4}), s);
  }
};

// ---- where elements go ----

TEST(dense_elements_move_into_a_pitch) {
  // Four pixels of three channels, to the second to fourth of eight.
  const auto move = Relocation::create({0, {2, 2, 3}, {6, 3, 1}}, {2, {2, 2, 3}, {16, 8, 1}}, 12);
  CHECK(move.has_value());
  const auto whole = move->apply({0, {4, 3}, {3, 1}});
  CHECK(whole && whole->offset == 2 && whole->strides == (Shape{8, 1}));
  const auto last_pixel_backwards = move->apply({11, {3}, {-1}});
  CHECK(last_pixel_backwards && last_pixel_backwards->offset == 2 + 3 * 8 + 2 &&
        last_pixel_backwards->strides == (Shape{-1}));
  const auto every_other = move->apply({1, {2}, {6}});
  CHECK(every_other && every_other->offset == 3 && every_other->strides == (Shape{16}));
  CHECK(!move->apply({0, {12}, {1}}));                                       // runs over the ends of pixels
  CHECK(!move->apply({0, {2, 2}, {2, 1}}));                                  // pixels that are none
  CHECK(!Relocation::create({0, {2, 3}, {3, 1}}, {0, {2, 3}, {8, 1}}, 12));  // not all
  CHECK(!Relocation::create({0, {2, 3}, {6, 1}}, {0, {2, 3}, {8, 1}}, 6));   // gaps
}

// ---- concat ----

TEST(parts_are_written_where_the_whole_is) {
  for (const std::int64_t batch : {1, 3}) {
    for (const std::int64_t channels : {1, 5, 16, 33}) {
      Net b;
      const ir::ValueId x = b.convolve(b.input({batch, 8, 6, 5}), 8);
      const ir::ValueId y = b.concat({b.convolve(x, channels, 1), b.convolve(x, 7), b.pool(x)});
      b.graph.outputs = {b.convolve(y, 4)};
      CHECK_EQ(count(b.graph, "Concat"), 0);
      CHECK_EQ(steps_of(b.graph).size(), 7U);
      expect_as_reference(b.graph, "parts");
    }
  }
}

TEST(rows_of_an_image_are_a_part_too) {
  Net b;
  const ir::ValueId x = b.convolve(b.input({2, 8, 6, 5}), 16);
  const ir::ValueId y = b.concat({b.convolve(x, 16), b.relu(x), b.convolve(x, 16, 1)}, 2);
  b.graph.outputs = {b.pool(y)};
  CHECK_EQ(count(b.graph, "Concat"), 0);
  expect_as_reference(b.graph, "rows");
}

TEST(a_chain_of_concats_is_one_buffer) {
  Net b;
  ir::ValueId all = b.convolve(b.input({1, 8, 7, 7}), 20);
  for (int i = 0; i < 4; ++i) all = b.concat({all, b.convolve(b.scaled(all), 12)});
  b.graph.outputs = {b.convolve(b.scaled(all), 4)};
  CHECK_EQ(count(b.graph, "Concat"), 0);
  expect_as_reference(b.graph, "chain");
}

TEST(what_cannot_be_written_in_place_is_copied) {
  Net b;
  const ir::ValueId x = b.input({2, 8, 6, 6}), a = b.convolve(x, 8), twice = b.convolve(a, 16),
                    other = b.u8({2, 8, 6, 6}, 0.1F, 9);
  b.layer("Relu", ir::ElementwiseAttrs{kRelu}, {a}, {other});
  const ir::ValueId fixed = b.constant(random_tensor(b.random, DType::u8, Shape{2, 4, 6, 6}, 0.05F, 100));
  const ir::ValueId output = b.relu(a);
  const ir::ValueId y = b.concat({twice, other, x, twice, fixed, output, b.convolve(a, 8)});
  b.graph.outputs = {b.convolve(y, 8), output};
  const runtime::ExecutionPlan plan(b.graph);
  const auto concat = std::find_if(plan.steps().begin(), plan.steps().end(),
                                   [](const runtime::Step& step) { return step.op == "Concat"; });
  CHECK(concat != plan.steps().end());
  std::vector<bool> copied;
  for (const runtime::Step::Place& place : concat->inputs) copied.push_back(place.storage >= 0);
  // The input is reordered, and that into its place.
  CHECK((copied == std::vector<bool>{false, true, false, true, true, true, false}));
  expect_as_reference(b.graph, "what is copied");
}

TEST(a_concat_that_is_an_output_is_written_there) {
  Net b;
  const ir::ValueId x = b.input({2, 40}), y = b.concat({b.relu(x), x}), z = b.concat({y, b.relu(y)});
  b.graph.outputs = {z};
  CHECK_EQ(count(b.graph, "Concat"), 1);  // of the input
  CHECK_EQ(count(b.graph, "reorder"), 0);
  expect_as_reference(b.graph, "an output");
}

TEST(parts_that_do_not_fit_are_an_error_that_names_the_layer) {
  Net b;
  const ir::ValueId x = b.input({2, 6}), y = b.like({2, 13});
  b.layer("Concat", ir::ConcatAttrs{1}, {b.relu(x), x}, {y});
  b.graph.outputs = {y};
  CHECK_THROWS(runtime::ExecutionPlan(b.graph), "Concat 'Concat1': the inputs add up to 12");
}

// ---- split and slice ----

TEST(parts_are_read_where_the_whole_is) {
  for (const DType dtype : {DType::u8, DType::s8}) {
    Net b;
    b.dtype = dtype;
    const ir::ValueId x = b.convolve(b.input({2, 8, 6, 6}), 192);
    const std::vector<ir::ValueId> parts = b.split(x, {64, 128});
    const ir::ValueId half = b.slice(x, 1, 96, 64);
    b.graph.outputs = {b.convolve(parts[0], 8), b.convolve(b.pool(parts[1]), 8), b.convolve(b.sum(half, parts[0]), 8)};
    CHECK_EQ(count(b.graph, "Split"), 0);
    CHECK_EQ(count(b.graph, "Slice"), 0);
    expect_as_reference(b.graph, "split");
  }
}

TEST(a_cut_along_the_outermost_dimension_is_for_everybody) {
  Net b;
  const ir::ValueId x = b.relu(b.input({6, 5, 4}));
  const std::vector<ir::ValueId> parts = b.split(x, {2, 1, 3}, 0);
  std::vector<ir::ValueId> outputs;
  for (const ir::ValueId part : parts) {
    const ir::ValueId y = b.like({b.shape(part)[0], 5, 4});
    b.layer("Softmax", ir::SoftmaxAttrs{}, {part}, {y});
    outputs.push_back(y);
  }
  b.graph.outputs = outputs;
  CHECK_EQ(count(b.graph, "Split"), 0);
  expect_as_reference(b.graph, "outermost");
}

TEST(halves_that_come_together_again_never_part) {
  Net b;
  const ir::ValueId x = b.convolve(b.input({1, 8, 6, 6}), 32);
  const std::vector<ir::ValueId> halves = b.split(x, {16, 16});
  const ir::ValueId inner = b.convolve(halves[1], 16), y = b.concat({halves[0], halves[1], inner});
  b.graph.outputs = {b.convolve(y, 8)};
  CHECK_EQ(count(b.graph, "Split") + count(b.graph, "Concat"), 0);
  expect_as_reference(b.graph, "halves");
}

TEST(more_copies_than_are_saved_are_not_made) {
  Net b;
  const ir::ValueId x = b.convolve(b.input({1, 8, 6, 6}), 32);
  const ir::ValueId half = b.slice(x, 1, 8, 16);
  b.graph.outputs = {b.convolve(half, 8), b.convolve(half, 16)};
  CHECK_EQ(count(b.graph, "Slice"), 1);
  expect_as_reference(b.graph, "two readers");
}

TEST(slices_of_inputs_backwards_and_in_steps) {
  Net b;
  const ir::ValueId x = b.input({3, 4, 80});
  const ir::ValueId a = b.slice(x, 0, 2, 2, -2), c = b.slice(x, 1, 3, 4, -1), d = b.slice(x, 2, 79, 26, -3);
  b.graph.outputs = {b.relu(a), b.relu(b.slice(c, 1, 0, 2, 2)), b.relu(d), b.transpose(d, {2, 0, 1}), a};
  CHECK_EQ(count(b.graph, "Slice"), 2);  // d, since the loops over it would be slow, and the output
  expect_as_reference(b.graph, "slices");
}

// ---- reorders ----

TEST(shuffled_channels_stay_innermost) {
  Net b;
  const ir::ValueId x = b.convolve(b.input({2, 8, 6, 6}), 24), y = b.shuffle(x, 4);
  const std::vector<ir::ValueId> halves = b.split(b.shuffle(b.concat({b.convolve(y, 20), x}), 2), {22, 22});
  b.graph.outputs = {b.convolve(b.concat({halves[0], b.convolve(halves[1], 8)}), 4)};
  CHECK_EQ(count(b.graph, "reorder"), 2);  // into the graph and out of it
  CHECK_EQ(count(b.graph, "Split"), 0);
  expect_as_reference(b.graph, "shuffle");
}

// ---- whatever there is ----

ir::ValueId grow(Net& b, const std::vector<ir::ValueId>& known) {
  const auto any = [&] {
    return known[static_cast<std::size_t>(between(b.random, 0, static_cast<std::int64_t>(known.size()) - 1))];
  };
  const ir::ValueId x = any();
  const Shape s = b.shape(x);
  const std::int64_t axis = between(b.random, 0, 3) == 0 ? between(b.random, 0, 3) : 1;
  const std::int64_t size = s[static_cast<std::size_t>(axis)];
  switch (between(b.random, 0, 11)) {
    case 0:
      return b.relu(x);
    case 1:
      return b.pool(x, between(b.random, 0, 1) == 0 ? ir::PoolAttrs::Op::max : ir::PoolAttrs::Op::average);
    case 2:
    case 3:
      return b.convolve(x, between(b.random, 1, 40), between(b.random, 0, 1) * 2 + 1);
    case 4:
      return b.scaled(x);
    case 5:
      return size % 2 == 0 ? b.shuffle(x, s[1] % 2 == 0 ? 2 : 1) : b.relu(x);
    case 6: {
      const std::int64_t step = between(b.random, 0, 3) == 0 ? (size > 1 ? -1 : 1) : 1;
      const std::int64_t length = between(b.random, 1, size), first = between(b.random, 0, size - length);
      return b.slice(x, axis, step > 0 ? first : first + length - 1, length, step);
    }
    case 7: {
      if (size < 2) return b.relu(x);
      const std::int64_t cut = between(b.random, 1, size - 1);
      return b.split(x, {cut, size - cut}, axis)[static_cast<std::size_t>(between(b.random, 0, 1))];
    }
    case 8:
      return b.transpose(x, between(b.random, 0, 1) == 0 ? std::vector<std::int64_t>{0, 1, 3, 2}
                                                         : std::vector<std::int64_t>{1, 0, 2, 3});
    default: {
      std::vector<ir::ValueId> parts = {x};
      for (const ir::ValueId other : known) {
        bool fits = between(b.random, 0, 2) > 0 && parts.size() < 4;
        for (std::size_t d = 0; d < 4; ++d)
          fits = fits && (d == static_cast<std::size_t>(axis) || b.shape(other)[d] == s[d]);
        if (fits) parts.push_back(other);
      }
      if (parts.size() == 2 && b.shape(parts[0]) == b.shape(parts[1]) && between(b.random, 0, 2) == 0)
        return b.sum(parts[0], parts[1]);
      return count_of(b.shape(x)) < 20000 ? b.concat(parts, axis) : b.relu(x);
    }
  }
}

TEST(random_graphs_are_their_layers_one_by_one) {
  std::int64_t moves = 0, copies = 0;
  for (std::uint32_t seed = 0; seed < 400; ++seed) {
    Net b;
    b.random.seed(seed);
    b.dtype = seed % 2 == 0 ? DType::u8 : DType::s8;
    const std::int64_t side = between(b.random, 1, 6);
    std::vector<ir::ValueId> known = {b.input({between(b.random, 1, 3), between(b.random, 1, 36), side, side})};
    if (seed % 3 == 0) known[0] = b.convolve(known[0], 16);
    for (std::int64_t n = between(b.random, 3, 14); n > 0; --n) known.push_back(grow(b, known));
    // What nothing reads is an output, and sometimes what something does.
    for (std::size_t v = 0; v < known.size(); ++v) {
      const auto reads = [&](const ir::Layer& layer) {
        return std::find(layer.inputs.begin(), layer.inputs.end(), known[v]) != layer.inputs.end();
      };
      const bool is_read = std::any_of(b.graph.layers.begin(), b.graph.layers.end(), reads);
      if (v > 0 && (!is_read || between(b.random, 0, 9) == 0)) b.graph.outputs.push_back(known[v]);
    }
    for (const char* op : {"Concat", "Split", "Slice", "Transpose"}) {
      copies += count(b.graph, op);
      for (const ir::Layer& layer : b.graph.layers) moves += layer.op == op ? 1 : 0;
    }
    expect_as_reference(b.graph, "seed " + std::to_string(seed));
  }
  CHECK(copies < moves * 3 / 4);
}

}  // namespace

VAIP_TEST_MAIN()
