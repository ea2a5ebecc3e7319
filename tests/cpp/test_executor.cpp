// Whole graphs: what the executor adds to the kernels is layouts, views, memory and concurrency. The reference runs the
// same layers one by one, each with memory of its own.
#include <atomic>
#include <cstdlib>
#include <new>
#include <thread>

#include "graph_builder.h"
#include "runtime/execution_plan.h"
#include "runtime/executor.h"
#include "runtime/memory_plan.h"

namespace {
std::atomic<long> allocations{0};
}
// Counts what our side allocates. Not inlined: gcc would then see free() for what it takes for a plain new.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(bytes == 0 ? 1 : bytes);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

using namespace vaip;
using namespace vaip::test;
using runtime::Executor;

void expect_as_reference(const ir::Graph& graph, const std::string& what) {
  const Executor executor(graph);
  for (const std::uint32_t seed : {1U, 2U}) {
    const std::vector<Memory> inputs = random_inputs(graph, seed);
    const std::vector<Memory> got = run(executor, graph, inputs), wanted = reference(graph, inputs);
    for (std::size_t i = 0; i < got.size(); ++i)
      if (got[i] != wanted[i]) report(__FILE__, __LINE__, what + ": output " + std::to_string(i) + " differs");
  }
}

// Products with the same constants, in so many rows.
ir::Graph two_products(std::int64_t rows) {
  Builder b;
  const ir::ValueId x = b.value(describe(DType::bf16, {rows, 40}));
  b.graph.inputs = {x};
  const ir::ValueId w = b.constant(random_tensor(b.random, DType::bf16, Shape{40, 40}));
  ir::ValueId last = x;
  for (int i = 0; i < 2; ++i) {
    const ir::ValueId y = b.value(describe(DType::bf16, {rows, 40}));
    ir::MatMulAttrs attrs;
    attrs.transpose_b = i == 1;  // other weights, though of the same constant
    b.layer("MatMul", attrs, {last, w}, {y});
    last = y;
  }
  b.graph.outputs = {last};
  return b.graph;
}

TEST(programs_of_one_store_share_packed_weights) {
  const ir::Graph first = two_products(3);
  const auto of_rows = [&](std::int64_t rows) {
    ir::Graph graph = first;
    for (ir::Value& value : graph.values)
      if (!value.constant) value.shape[0] = rows;
    return graph;
  };
  runtime::ExecutorOptions options;
  options.weights = runtime::make_weight_store();
  const std::vector<std::int64_t> all_rows = {3, 4, 5, 8, 33, 64};
  std::vector<std::unique_ptr<Executor>> executors(all_rows.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < all_rows.size(); ++i)
    threads.emplace_back([&, i] { executors[i] = std::make_unique<Executor>(of_rows(all_rows[i]), options); });
  for (std::thread& thread : threads) thread.join();
  std::vector<const void*> packed;
  for (std::size_t i = 0; i < all_rows.size(); ++i) {
    const std::vector<Executor::SharedWeights> own = executors[i]->shared_weights();
    CHECK_EQ(own.size(), 2u);
    for (const auto& weights : own)
      if (std::find(packed.begin(), packed.end(), weights.weights.get()) == packed.end())
        packed.push_back(weights.weights.get());
    const ir::Graph graph = of_rows(all_rows[i]);
    const std::vector<Memory> inputs = random_inputs(graph, 5);
    CHECK(run(*executors[i], graph, inputs) == run(Executor(graph), graph, inputs));
  }
  CHECK(packed.size() < 2 * all_rows.size());  // few layouts, whatever the number of rows
  // Nothing is kept of programs that are gone, not even for a constant at the same address.
  const std::weak_ptr<const kernels::PackedWeights> one = executors[0]->shared_weights()[0].weights;
  executors.clear();
  CHECK(one.expired());
}

// Float image in, float scores out: a quantized residual network with every kind of edge between layouts.
ir::Graph residual_network(std::int64_t batch) {
  Builder b;
  const ir::ValueId image = b.value(describe(DType::f32, {batch, 3, 16, 16}));
  b.graph.inputs = {image};
  const ir::ValueId x = b.u8({batch, 3, 16, 16}, 0.03F, 128);
  b.layer("QuantizeLinear", ir::QuantizeAttrs{}, {image}, {x});
  const ir::ValueId stem = b.conv(x, 16);
  const ir::ValueId left = b.conv(b.conv(stem, 8, 1), 16), right = b.conv(stem, 16, 1);
  const ir::ValueId sum = b.add(left, right);
  const ir::ValueId sum2 = b.add(sum, stem);
  const ir::ValueId both = b.u8({batch, 48, 16, 16});
  b.layer("Concat", ir::ConcatAttrs{1}, {sum2, left, sum}, {both});
  ir::PoolAttrs pool;
  pool.kernel = pool.strides = {2, 2};
  const ir::ValueId pooled = b.u8({batch, 48, 8, 8});
  b.layer("MaxPool", pool, {both}, {pooled});
  const ir::ValueId activated = b.u8({batch, 48, 8, 8}, 0.02F, 20);
  b.layer("HardSwish", ir::ElementwiseAttrs{{ir::Activation::Kind::hard_swish, 0, 0}}, {pooled}, {activated});
  const ir::ValueId last = b.conv(activated, 20, 3, 2);
  ir::ReduceAttrs mean;
  mean.all_from_axis2 = true;
  const ir::ValueId means = b.u8({batch, 20, 1, 1}, 0.05F, 100), flat = b.u8({batch, 20}, 0.05F, 100);
  b.layer("GlobalAveragePool", mean, {last}, {means});
  b.layer("Flatten", ir::ReshapeAttrs{ir::ReshapeAttrs::Op::flatten, {1}, false}, {means}, {flat});
  const ir::ValueId scores = b.value(describe(DType::s8, {batch, 10}, 0.1F, 3));
  ir::MatMulAttrs gemm;
  gemm.transpose_b = true;
  b.layer("Gemm", gemm,
          {flat, b.constant(random_tensor(b.random, DType::s8, Shape{10, 20}, 0.01F, 0)),
           b.constant(random_tensor(b.random, DType::f32, Shape{10}))},
          {scores});
  const ir::ValueId probabilities = b.value(describe(DType::f32, {batch, 10})),
                    map = b.value(describe(DType::f32, {batch, 20, 4, 4}));
  b.layer("Softmax", ir::SoftmaxAttrs{}, {scores}, {probabilities});
  b.layer("DequantizeLinear", ir::DequantizeAttrs{}, {last}, {map});
  // Outputs: the end, a quantized value that other layers read, and a float map kept channels last inside.
  b.graph.outputs = {probabilities, last, map};
  return b.graph;
}

TEST(residual_network_equals_its_layers) {
  expect_as_reference(residual_network(1), "batch 1");
  expect_as_reference(residual_network(3), "batch 3");
}

TEST(results_do_not_depend_on_threads_runs_or_batch_mates) {
  const ir::Graph one = residual_network(1), four = residual_network(4);
  const std::vector<Memory> inputs = random_inputs(four, 5);
  runtime::ExecutorOptions serial, parallel;
  serial.num_threads = 1;
  parallel.num_threads = 3;
  const Executor a(four, serial), b(four, parallel), single(one, parallel);
  const std::vector<Memory> wanted = run(a, four, inputs);
  CHECK(run(a, four, inputs) == wanted);
  CHECK(run(b, four, inputs) == wanted);
  const std::size_t image = inputs[0].size() / 4;
  for (std::size_t i = 0; i < 4; ++i) {
    const auto begin = inputs[0].begin() + static_cast<std::ptrdiff_t>(i * image);
    const std::vector<Memory> alone = run(single, one, {Memory(begin, begin + static_cast<std::ptrdiff_t>(image))});
    for (std::size_t o = 0; o < 3; ++o) {
      const std::size_t part = wanted[o].size() / 4;
      CHECK(std::equal(alone[o].begin(), alone[o].end(), wanted[o].begin() + static_cast<std::ptrdiff_t>(i * part)));
    }
  }
}

TEST(many_threads_run_one_executor) {
  const ir::Graph graph = residual_network(1);
  const Executor executor(graph, {1});
  std::vector<std::vector<Memory>> inputs, wanted;
  for (std::uint32_t t = 0; t < 8; ++t) {
    inputs.push_back(random_inputs(graph, t));
    wanted.push_back(run(executor, graph, inputs.back()));
  }
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) wrong += run(executor, graph, inputs[t]) != wanted[t];
    });
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(wrong.load(), 0);
}

TEST(an_empty_batch_is_no_work) {
  const ir::Graph graph = residual_network(0);
  const Executor executor(graph);
  const std::vector<const void*> in = {nullptr};
  const std::vector<void*> out = {nullptr, nullptr, nullptr};
  executor.run(in, out);
  CHECK_EQ(executor.arena_bytes(), 0U);
}

TEST(an_empty_part_of_a_concat_is_skipped) {
  Builder b;
  const ir::ValueId x = b.u8({2, 0, 3}), y = b.u8({2, 4, 3}), z = b.u8({2, 4, 3});
  b.graph.inputs = {x, y};
  b.layer("Concat", ir::ConcatAttrs{1}, {x, y}, {z});
  b.graph.outputs = {z};
  expect_as_reference(b.graph, "empty part");
}

// ---- layouts ----

TEST(reorders_stay_at_the_edges) {
  Builder b;
  const ir::ValueId x = b.u8({2, 8, 6, 6});
  b.graph.inputs = {x};
  const ir::ValueId a = b.conv(x, 16), c = b.add(b.conv(a, 16), a), d = b.u8({2, 32, 6, 6});
  b.layer("Concat", ir::ConcatAttrs{1}, {c, a}, {d});
  b.graph.outputs = {b.conv(d, 8)};
  const runtime::ExecutionPlan plan(b.graph);
  CHECK_EQ(plan.reorder_count(), 2U);  // into the first convolution, and out of the last
  CHECK_EQ(plan.steps().size(), 7U);
  expect_as_reference(b.graph, "reorders");
}

TEST(one_channel_or_one_pixel_needs_no_reorder) {
  Builder b;
  const ir::ValueId x = b.u8({2, 1, 6, 6});
  b.graph.inputs = {x};
  const ir::ValueId y = b.conv(x, 4, 1);
  ir::ReduceAttrs mean;
  mean.all_from_axis2 = true;
  const ir::ValueId m = b.u8({2, 4, 1, 1});
  b.layer("GlobalAveragePool", mean, {y}, {m});
  b.graph.outputs = {b.conv(m, 4, 1)};
  CHECK_EQ(runtime::ExecutionPlan(b.graph).reorder_count(), 0U);
  expect_as_reference(b.graph, "free reorders");
}

TEST(transposing_to_and_from_channels_last_is_a_view) {
  Builder b;
  const ir::ValueId nhwc = b.u8({2, 6, 5, 8}), nchw = b.u8({2, 8, 6, 5}), out = b.u8({2, 6, 5, 4});
  b.graph.inputs = {nhwc};
  b.layer("Transpose", ir::TransposeAttrs{{0, 3, 1, 2}}, {nhwc}, {nchw});
  b.layer("Transpose", ir::TransposeAttrs{{0, 2, 3, 1}}, {b.conv(nchw, 4)}, {out});
  b.graph.outputs = {out};
  CHECK_EQ(runtime::ExecutionPlan(b.graph).steps().size(), 1U);
  expect_as_reference(b.graph, "transposed edges");
}

TEST(attention_with_reshapes_and_transposes) {
  Builder b;
  const ir::ValueId x = b.u8({2, 5, 12}), heads = b.u8({2, 5, 3, 4}), q = b.u8({2, 3, 5, 4}), k = b.u8({2, 3, 4, 5});
  b.graph.inputs = {x};
  b.layer("Reshape", ir::ReshapeAttrs{ir::ReshapeAttrs::Op::reshape, {0, 0, 3, 4}, false}, {x}, {heads});
  b.layer("Transpose", ir::TransposeAttrs{{0, 2, 1, 3}}, {heads}, {q});
  b.layer("Transpose", ir::TransposeAttrs{{0, 2, 3, 1}}, {heads}, {k});
  const ir::ValueId logits = b.u8({2, 3, 5, 5}, 0.3F, 100), weights = b.u8({2, 3, 5, 5}, 1.0F / 256, 0);
  b.layer("MatMul", ir::MatMulAttrs{}, {q, k}, {logits});
  b.layer("Softmax", ir::SoftmaxAttrs{}, {logits}, {weights});
  const ir::ValueId mixed = b.u8({2, 3, 5, 4}), back = b.u8({2, 5, 3, 4}), merged = b.u8({2, 5, 12});
  b.layer("MatMul", ir::MatMulAttrs{}, {weights, q}, {mixed});
  b.layer("Transpose", ir::TransposeAttrs{{0, 2, 1, 3}}, {mixed}, {back});
  b.layer("Reshape", ir::ReshapeAttrs{ir::ReshapeAttrs::Op::reshape, {2, 5, 12}, false}, {back}, {merged});
  b.graph.outputs = {merged};
  expect_as_reference(b.graph, "attention");
}

TEST(layers_between_layouts) {
  Builder b;
  const ir::ValueId x = b.u8({2, 4, 6, 6});
  b.graph.inputs = {x};
  const ir::ValueId y = b.conv(x, 4), padded = b.u8({2, 4, 8, 7}), sliced = b.u8({2, 4, 4, 7}),
                    up = b.u8({2, 4, 8, 14});
  b.layer("Pad", ir::PadAttrs{ir::PadAttrs::Mode::reflect, {1, 0, 1, 1}, {2, 3}, 0.0}, {y}, {padded});
  b.layer("Slice", ir::SliceAttrs{{-1}, {-9}, {2}, {-2}}, {padded}, {sliced});
  ir::ResizeAttrs resize;
  resize.mode = ir::ResizeAttrs::Mode::linear;
  resize.scales = {1, 1, 2, 2};
  b.layer("Resize", resize, {sliced}, {up});
  const ir::ValueId first = b.u8({2, 1, 8, 14}), second = b.u8({2, 3, 8, 14}), rows = b.u8({2, 3 * 8, 14}),
                    t = b.u8({14, 24, 2});
  b.layer("Split", ir::SplitAttrs{1, {1, 3}}, {up}, {first, second});
  b.layer("Reshape", ir::ReshapeAttrs{ir::ReshapeAttrs::Op::reshape, {2, -1, 14}, false}, {second}, {rows});
  b.layer("Transpose", ir::TransposeAttrs{}, {rows}, {t});
  // A channels-last tensor and a row-major one of the same shape meet.
  const ir::ValueId other = b.u8({2, 3, 8, 14}), sum = b.u8({2, 3, 8, 14});
  b.graph.inputs.push_back(other);
  b.layer("Mul", ir::ArithmeticAttrs{ir::ArithmeticAttrs::Op::mul, {}}, {other, second}, {sum});
  b.graph.outputs = {first, t, sum};
  expect_as_reference(b.graph, "between layouts");
}

// ---- memory ----

TEST(outputs_that_are_inputs_constants_or_each_other) {
  Builder b;
  const ir::ValueId x = b.u8({2, 3, 4}), y = b.u8({6, 4}), z = b.u8({24});
  const ir::ValueId c = b.constant(random_tensor(b.random, DType::s8, Shape{3, 3}, 0.1F, 0));
  b.graph.inputs = {x};
  b.layer("Reshape", ir::ReshapeAttrs{ir::ReshapeAttrs::Op::reshape, {6, 4}, false}, {x}, {y});
  const ir::ValueId w = b.u8({2, 3, 4}), v = b.u8({4, 6}), u = b.u8({24});
  b.layer("Relu", ir::ElementwiseAttrs{{ir::Activation::Kind::relu, 0, 0}}, {x}, {w});
  b.layer("Reshape", ir::ReshapeAttrs{ir::ReshapeAttrs::Op::reshape, {4, 6}, false}, {w}, {v});
  b.layer("Reshape", ir::ReshapeAttrs{ir::ReshapeAttrs::Op::reshape, {24}, false}, {v}, {u});
  b.layer("Reshape", ir::ReshapeAttrs{ir::ReshapeAttrs::Op::reshape, {24}, false}, {y}, {z});
  b.graph.outputs = {x, y, c, w, u, u, z, w};
  expect_as_reference(b.graph, "aliases");
}

TEST(a_chain_needs_memory_for_its_widest_step_only) {
  Builder b;
  ir::ValueId x = b.u8({1, 16, 40, 40});
  b.graph.inputs = {x};
  std::size_t all = 0;
  for (int i = 0; i < 20; ++i) {
    const ir::ValueId y = b.u8({1, 16, 40, 40});
    b.layer("Relu", ir::ElementwiseAttrs{{ir::Activation::Kind::relu, 0, 0}}, {x}, {y});
    x = y;
    all += 16 * 40 * 40;
  }
  b.graph.outputs = {x};
  const Executor executor(b.graph);
  CHECK_EQ(executor.arena_bytes(), 2U * 16 * 40 * 40);
  CHECK(executor.arena_bytes() < all / 5);
  CHECK(executor.packed_weight_bytes() >= 20U * 256);  // the tables
  expect_as_reference(b.graph, "chain");
}

TEST(buffers_alive_at_the_same_time_never_overlap) {
  Random random(3);
  for (int i = 0; i < 200; ++i) {
    std::vector<runtime::BufferRequest> requests;
    for (std::int64_t n = between(random, 1, 30); n > 0; --n) {
      const int first = static_cast<int>(between(random, 0, 15));
      requests.push_back(
          {static_cast<std::size_t>(between(random, 0, 1000)), first, first + static_cast<int>(between(random, 0, 6))});
    }
    const runtime::MemoryPlan plan = runtime::plan_memory(requests);
    for (std::size_t a = 0; a < requests.size(); ++a) {
      CHECK_EQ(plan.offsets[a] % runtime::kBufferAlignment, 0U);
      CHECK(plan.offsets[a] + requests[a].bytes <= plan.bytes || requests[a].bytes == 0);
      for (std::size_t o = 0; o < a; ++o) {
        if (requests[a].bytes == 0 || requests[o].bytes == 0) continue;
        const bool together =
            requests[a].first_step <= requests[o].last_step && requests[o].first_step <= requests[a].last_step;
        const bool apart = plan.offsets[a] + requests[a].bytes <= plan.offsets[o] ||
                           plan.offsets[o] + requests[o].bytes <= plan.offsets[a];
        CHECK(!together || apart);
      }
    }
  }
}

TEST(later_runs_allocate_nothing) {
  Builder b;
  const ir::ValueId x = b.u8({1, 8, 9, 9}), pooled = b.u8({1, 8, 3, 3}), sum = b.u8({1, 8, 3, 3}),
                    mean = b.u8({1, 8, 1, 1});
  b.graph.inputs = {x};
  ir::PoolAttrs pool;
  pool.kernel = pool.strides = {3, 3};
  b.layer("MaxPool", pool, {x}, {pooled});
  b.layer("Add", ir::ArithmeticAttrs{}, {pooled, pooled}, {sum});
  ir::ReduceAttrs reduce;
  reduce.all_from_axis2 = true;
  b.layer("GlobalAveragePool", reduce, {sum}, {mean});
  b.graph.outputs = {mean};
  const Executor executor(b.graph);
  const std::vector<Memory> inputs = random_inputs(b.graph, 1);
  Memory out(8);
  const void* in_pointers[] = {inputs[0].data()};
  void* out_pointers[] = {out.data()};
  executor.run({in_pointers, 1}, {out_pointers, 1});
  const long before = allocations;
  for (int i = 0; i < 5; ++i) executor.run({in_pointers, 1}, {out_pointers, 1});
  CHECK_EQ(allocations - before, 0L);
}

// ---- errors ----

TEST(errors_say_what_is_wrong) {
  Builder b;
  const ir::ValueId x = b.u8({1, 4, 5, 5});
  b.graph.inputs = {x};
  b.graph.outputs = {b.conv(x, 4)};
  const Executor executor(b.graph);
  void* out = nullptr;
  const void* in = nullptr;
  CHECK_THROWS(executor.run({}, {&out, 1}), "0 inputs were given to a program that has 1");
  CHECK_THROWS(executor.run({&in, 1}, {&out, 1}), "no memory was given for input 'v0'");
  CHECK_THROWS(Executor(b.graph, {-1}), "num_threads is -1");

  Builder unwritten;
  const ir::ValueId a = unwritten.u8({3}), c = unwritten.u8({3});
  unwritten.layer("Relu", ir::ElementwiseAttrs{}, {a}, {c});
  unwritten.graph.outputs = {c};
  CHECK_THROWS(Executor(unwritten.graph), "'v0' is read before any layer writes it");

  Builder unbound;
  const ir::ValueId dynamic = unbound.u8({ir::kDynamic, 3});
  unbound.graph.inputs = unbound.graph.outputs = {dynamic};
  CHECK_THROWS(Executor(unbound.graph), "unbound shape ?x3");
}

}  // namespace

VAIP_TEST_MAIN()
