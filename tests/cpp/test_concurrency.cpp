// Programs are shared by threads: whatever runs at the same time, each run's numbers are those of a run alone. Without
// onnxruntime, so that it can be built with -DVAIP_SANITIZE=thread.
#include <atomic>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "compiler/program.h"
#include "device/device.h"
#include "frontend/recognise.h"
#include "ir/binding.h"
#include "runtime/executor.h"

namespace {

using vaip::frontend::Node;
using vaip::frontend::OnnxGraph;
using vaip::frontend::TensorData;
using vaip::ir::DType;
using vaip::ir::Shape;

constexpr int kThreads = 8;
constexpr int kRuns = 50;

template <typename T>
TensorData tensor(DType dtype, const Shape& shape, const std::vector<T>& values) {
  const std::size_t size = values.size() * sizeof(T);
  const std::shared_ptr<std::byte> bytes(new std::byte[size], std::default_delete<std::byte[]>());
  std::memcpy(bytes.get(), values.data(), size);
  TensorData data;
  data.dtype = dtype;
  data.shape = shape;
  data.constant = {bytes, size};
  return data;
}

// x (uint8, N x 8 x 6 x 6) -> Conv 3 x 3 to 16 channels, Relu -> y (uint8), in QDQ form.
OnnxGraph convolution() {
  OnnxGraph graph;
  const auto scalar = [&](const std::string& name, float scale, std::uint8_t zero_point) {
    graph.constants[name + "_scale"] = tensor<float>(DType::f32, {}, {scale});
    graph.constants[name + "_zero"] = tensor<std::uint8_t>(DType::u8, {}, {zero_point});
  };
  scalar("x", 0.02f, 120);
  scalar("y", 0.05f, 7);
  std::mt19937 random(1);
  std::vector<std::int8_t> weights(16 * 8 * 3 * 3);
  for (std::int8_t& weight : weights) weight = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
  graph.constants["w"] = tensor(DType::s8, {16, 8, 3, 3}, weights);
  graph.constants["w_scale"] = tensor<float>(DType::f32, {}, {0.01f});
  graph.constants["w_zero"] = tensor<std::int8_t>(DType::s8, {}, {0});

  const auto add = [&](const std::string& op, int version, std::vector<std::string> inputs, const std::string& output) {
    Node node;
    node.id = graph.nodes.size();
    node.name = op + "_" + output;
    node.op_type = op;
    node.since_version = version;
    node.inputs = std::move(inputs);
    node.outputs = {output};
    graph.nodes.push_back(std::move(node));
    return &graph.nodes.back();
  };
  add("DequantizeLinear", 13, {"x", "x_scale", "x_zero"}, "x_real");
  add("DequantizeLinear", 13, {"w", "w_scale", "w_zero"}, "w_real");
  add("Conv", 11, {"x_real", "w_real"}, "conv")->attributes["pads"] = std::vector<std::int64_t>{1, 1, 1, 1};
  add("Relu", 14, {"conv"}, "relu");
  add("QuantizeLinear", 13, {"relu", "y_scale", "y_zero"}, "y");

  const auto declare = [&](const std::string& name, DType dtype, const Shape& shape) {
    graph.values[name] = {dtype, true, shape};
  };
  const Shape in{vaip::ir::kDynamic, 8, 6, 6}, out{vaip::ir::kDynamic, 16, 6, 6};
  declare("x", DType::u8, in);
  declare("x_real", DType::f32, in);
  declare("w_real", DType::f32, {16, 8, 3, 3});
  for (const char* name : {"conv", "relu"}) declare(name, DType::f32, out);
  declare("y", DType::u8, out);
  for (const auto& [name, data] : graph.constants) declare(name, data.dtype, data.shape);
  graph.inputs = {"x"};
  graph.outputs = {"y"};
  return graph;
}

// A program for a batch size, the input to run it on and what it yields alone.
struct Case {
  explicit Case(std::int64_t batch)
      : input(static_cast<std::size_t>(batch * 8 * 6 * 6)), expected(static_cast<std::size_t>(batch * 16 * 6 * 6)) {
    std::mt19937 random(static_cast<unsigned>(batch));
    for (std::uint8_t& x : input) x = static_cast<std::uint8_t>(random());
    const vaip::ir::Graph graph = vaip::ir::bind_shapes(vaip::frontend::lower(convolution()), {{batch, 8, 6, 6}});
    vaip::compiler::CompileOptions options;
    options.device = vaip::device::load("strix");
    options.stack = vaip::device::load_stack("vitisai");
    const vaip::compiler::Program program = vaip::compiler::compile(graph, options);
    cycles = program.timing.cycles;
    executor.emplace(program.graph, vaip::runtime::ExecutorOptions{1});
    run(expected);
  }

  void run(std::vector<std::uint8_t>& output) const {
    const std::vector<const void*> inputs{input.data()};
    const std::vector<void*> outputs{output.data()};
    executor->run(inputs, outputs);
  }

  std::vector<std::uint8_t> input, expected;
  double cycles = 0;
  std::optional<vaip::runtime::Executor> executor;
};

}  // namespace

TEST(runs_of_two_programs_do_not_disturb_each_other) {
  const Case small(1), large(5);
  CHECK(small.expected != std::vector<std::uint8_t>(small.expected.size(), small.expected[0]));
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int run = 0; run < kRuns; ++run) {
        const Case& current = (t + run) % 2 == 0 ? small : large;
        std::vector<std::uint8_t> output(current.expected.size());
        current.run(output);
        if (output != current.expected) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(wrong.load(), 0);
}

TEST(compiling_and_running_at_the_same_time_is_safe) {
  const Case reference(2);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      const Case own(2);
      std::vector<std::uint8_t> output(reference.expected.size());
      reference.run(output);
      if (own.expected != reference.expected || output != reference.expected) ++wrong;
      if (own.cycles != reference.cycles || own.cycles <= 0) ++wrong;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(wrong.load(), 0);
}

VAIP_TEST_MAIN()
