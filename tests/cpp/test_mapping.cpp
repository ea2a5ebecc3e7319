#include <chrono>
#include <cmath>
#include <initializer_list>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "check.h"
#include "compiler/mapping/contraction.h"
#include "compiler/program.h"
#include "mapping_graphs.h"

namespace {

using namespace vaip;
using ir::DType;
using ir::Shape;
using test::GraphBuilder;

compiler::CompileOptions options(const std::string& device = "strix", const std::string& stack = "vitisai") {
  compiler::CompileOptions result;
  result.device = device::load(device);
  result.stack = device::load_stack(stack);
  return result;
}

// Limits and bookkeeping that hold for every layer of every program.
void check_program(const compiler::Program& program, const compiler::CompileOptions& used) {
  const device::Device& device = *used.device;
  const device::Profile& profile = used.stack->profile(device.generation);
  CHECK_EQ(program.layers.size(), program.graph.layers.size());
  CHECK_EQ(program.timing.layers.size(), program.graph.layers.size());
  std::int64_t read = 0, written = 0;
  for (std::size_t i = 0; i < program.layers.size(); ++i) {
    const sim::LayerProgram& layer = program.layers[i];
    const sim::LayerTiming& timing = program.timing.layers[i];
    CHECK_EQ(layer.name, program.graph.layers[i].name);
    CHECK_EQ(timing.macs, layer.macs);
    CHECK(std::isfinite(timing.cycles) && timing.cycles >= 0);
    CHECK(layer.rows <= device.array.rows && layer.columns <= device.array.columns);
    // Capacities, with the occupancy counted again from the tiles.
    const sim::Operand* operands[] = {&layer.a, &layer.b, &layer.c};
    std::int64_t tiles = 0;
    for (const sim::Operand* operand : operands) tiles += operand->buffers * operand->tile_bytes;
    CHECK(layer.l1_bytes >= tiles);
    CHECK(layer.l1_bytes <= device.core.data_memory_bytes - profile.kernels.core_reserved_bytes);
    CHECK(layer.l2_bytes <= device.memory_tile.bytes);
    // Time is at least what each resource needs at its peak.
    const double us = timing.cycles / (device.clock_ghz * 1e3);
    CHECK(us * 1e3 * device.dram.combined_gbps * (1 + 1e-9) >=
          static_cast<double>(timing.ddr_read_bytes + timing.ddr_write_bytes));
    CHECK(timing.utilisation >= 0 && timing.utilisation <= 1);
    read += timing.ddr_read_bytes;
    written += timing.ddr_write_bytes;
  }
  CHECK_EQ(program.timing.ddr_read_bytes, read);
  CHECK_EQ(program.timing.ddr_write_bytes, written);
}

compiler::Program compile_checked(ir::Graph graph, const compiler::CompileOptions& with = options()) {
  compiler::Program program = compiler::compile(std::move(graph), with);
  check_program(program, with);
  return program;
}

// A graph of one layer on the inputs given; constants keep their role as weights.
compiler::Program compile_one(const std::string& op, ir::LayerAttrs attrs, std::initializer_list<Shape> inputs,
                              const Shape& out, float out_scale = 0.5F, DType dtype = DType::s8) {
  GraphBuilder b;
  std::vector<ir::ValueId> ids;
  for (const Shape& shape : inputs) ids.push_back(b.input(shape, dtype));
  const ir::ValueId y = b.layer(op, std::move(attrs), ids, out, dtype, out_scale);
  return compile_checked(b.finish({y}));
}

const sim::LayerProgram& only(const compiler::Program& program) { return program.layers.at(0); }

}  // namespace

TEST(every_layer_kind_maps) {
  const Shape image = {1, 16, 20, 30}, matrix = {2, 3, 50, 70};
  ir::ConvAttrs conv;
  conv.kernel = conv.strides = conv.dilations = {1, 1};
  using Kind = sim::KernelKind;
  CHECK(only(compile_one("Conv", conv, {image, {24, 16, 1, 1}}, {1, 24, 20, 30})).kernel.kind == Kind::convolution);
  CHECK(only(compile_one("MatMul", ir::MatMulAttrs{}, {matrix, {2, 3, 70, 90}}, {2, 3, 50, 90})).kernel.kind ==
        Kind::matmul);
  for (const auto op : {ir::ArithmeticAttrs::Op::add, ir::ArithmeticAttrs::Op::mul, ir::ArithmeticAttrs::Op::div,
                        ir::ArithmeticAttrs::Op::max, ir::ArithmeticAttrs::Op::prelu}) {
    ir::ArithmeticAttrs attrs;
    attrs.op = op;
    CHECK(only(compile_one("Arithmetic", attrs, {image, {16, 1, 1}}, image)).kernel.kind == Kind::element);
  }
  ir::ElementwiseAttrs relu, gelu;
  relu.function.kind = ir::Activation::Kind::relu;
  gelu.function.kind = ir::Activation::Kind::gelu;
  CHECK(only(compile_one("Relu", relu, {image}, image)).kernel.function == sim::Function::relu);
  CHECK(only(compile_one("Gelu", gelu, {image}, image)).kernel.function == sim::Function::nonlinear);
  ir::PoolAttrs pool;
  pool.kernel = {2, 2};
  pool.strides = {2, 2};
  CHECK_EQ(only(compile_one("MaxPool", pool, {image}, {1, 16, 10, 15})).kernel.work_per_element, 4);
  ir::ReduceAttrs reduce;
  reduce.all_from_axis2 = true;
  CHECK(only(compile_one("GlobalAveragePool", reduce, {image}, {1, 16, 1, 1})).kernel.function ==
        sim::Function::reduce);
  CHECK(only(compile_one("Softmax", ir::SoftmaxAttrs{}, {matrix}, matrix)).kernel.function == sim::Function::softmax);
  CHECK(only(compile_one("Concat", ir::ConcatAttrs{1}, {image, image}, {1, 32, 20, 30})).kernel.kind == Kind::copy);
  CHECK(only(compile_one("Pad", ir::PadAttrs{}, {image}, {1, 16, 22, 32})).kernel.kind == Kind::copy);
  CHECK(only(compile_one("Transpose", ir::TransposeAttrs{{0, 2, 3, 1}}, {image}, {1, 20, 30, 16})).kernel.kind ==
        Kind::copy);
  CHECK(only(compile_one("Slice", ir::SliceAttrs{{0}, {8}, {1}, {1}}, {image}, {1, 8, 20, 30})).kernel.kind ==
        Kind::copy);
  CHECK(only(compile_one("Split", ir::SplitAttrs{1, {}}, {image}, {1, 16, 20, 30})).kernel.kind == Kind::copy);
  ir::ResizeAttrs resize;
  CHECK(only(compile_one("Resize", resize, {image}, {1, 16, 40, 60})).kernel.kind == Kind::copy);
  resize.mode = ir::ResizeAttrs::Mode::linear;
  CHECK(only(compile_one("Resize", resize, {image}, {1, 16, 40, 60})).kernel.function == sim::Function::resize);
  CHECK(only(compile_one("Requantize", ir::RequantizeAttrs{}, {image}, image)).kernel.function ==
        sim::Function::requantize);
}

TEST(data_movement_between_different_parameters_is_work) {
  const Shape image = {1, 16, 20, 30};
  const auto moved = compile_one("Concat", ir::ConcatAttrs{1}, {image, image}, {1, 32, 20, 30}, 0.25F);
  CHECK(only(moved).kernel.function == sim::Function::requantize);
  const auto reshaped = compile_one("Reshape", ir::ReshapeAttrs{}, {image}, {1, 9600}, 0.25F);
  CHECK(only(reshaped).kernel.kind == sim::KernelKind::element);
}

TEST(views_and_empty_tensors_are_free) {
  const Shape image = {1, 16, 20, 30};
  const auto view = compile_one("Reshape", ir::ReshapeAttrs{}, {image}, {1, 9600});
  CHECK_EQ(view.timing.layers[0].cycles, 0.0);
  CHECK_EQ(view.timing.cycles, 0.0);
  for (const Shape& empty : {Shape{0, 16, 20, 30}, Shape{1, 16, 0, 30}}) {
    ir::ElementwiseAttrs relu;
    relu.function.kind = ir::Activation::Kind::relu;
    CHECK_EQ(compile_one("Relu", relu, {empty}, empty).timing.cycles, 0.0);
    CHECK_EQ(compile_one("Concat", ir::ConcatAttrs{1}, {empty}, empty).timing.cycles, 0.0);
    ir::ConvAttrs conv;
    conv.kernel = conv.strides = conv.dilations = {1, 1};
    CHECK_EQ(compile_one("Conv", conv, {empty, {24, 16, 1, 1}}, {empty[0], 24, empty[2], empty[3]}).timing.cycles, 0.0);
  }
  // An empty reduction still writes its output.
  CHECK(compile_one("MatMul", ir::MatMulAttrs{}, {{4, 0}, {0, 8}}, {4, 8}).timing.cycles >= 0);
  ir::ReduceAttrs sum;
  CHECK(compile_one("ReduceSum", sum, {{0, 4}}, {1, 1}).timing.cycles >= 0);
}

TEST(quantization_at_the_edge_is_host_work) {
  GraphBuilder b;
  const ir::ValueId x = b.quantize(b.input({1, 8, 32, 32}, DType::f32));
  const ir::ValueId y = b.conv(x, 8, 3, 1);
  const auto program = compile_checked(b.finish({b.dequantize(y)}));
  CHECK(program.layers[0].kernel.kind == sim::KernelKind::host);
  CHECK_EQ(program.layers[0].host_elements, 8 * 32 * 32);
  CHECK(program.layers[2].kernel.kind == sim::KernelKind::host);
  CHECK(program.timing.host_cycles > program.timing.layers[0].cycles + program.timing.layers[2].cycles);
  CHECK(program.timing.host_cycles < program.timing.cycles);
}

TEST(convolutions_count_their_multiplications) {
  const auto count = [](std::int64_t cin, std::int64_t cout, std::int64_t k, std::int64_t stride, std::int64_t groups) {
    GraphBuilder b;
    const ir::ValueId x = b.input({2, cin, 28, 36});
    const ir::ValueId y = b.conv(x, cout, k, stride, groups);
    const ir::Graph graph = b.finish({y});
    const std::int64_t expected = ir::macs(graph, graph.layers[0]);
    CHECK_EQ(compile_checked(graph).timing.macs, expected);
  };
  count(3, 64, 7, 2, 1);
  count(64, 64, 3, 1, 1);
  count(64, 128, 1, 2, 1);
  count(64, 64, 3, 1, 64);   // depthwise
  count(64, 128, 3, 1, 64);  // depthwise with a multiplier
  count(64, 96, 3, 1, 4);    // grouped
  count(1, 16, 3, 1, 1);
}

TEST(convolutions_of_other_ranks_map) {
  for (const std::size_t spatial : {std::size_t{1}, std::size_t{3}}) {
    GraphBuilder b;
    Shape in = {1, 12}, weight = {20, 12}, out = {1, 20};
    ir::ConvAttrs attrs;
    for (std::size_t i = 0; i < spatial; ++i) {
      in.push_back(40);
      weight.push_back(3);
      out.push_back(38);
      attrs.kernel.push_back(3);
      attrs.strides.push_back(1);
      attrs.dilations.push_back(1);
    }
    const ir::ValueId x = b.input(in), w = b.value(weight, DType::s8, 0.5F, true);
    const ir::ValueId y = b.layer("Conv", attrs, {x, w}, out);
    const ir::Graph graph = b.finish({y});
    const std::int64_t expected = ir::macs(graph, graph.layers[0]);
    CHECK_EQ(compile_checked(graph).timing.macs, expected);
  }
}

TEST(matmul_shapes) {
  const auto macs = [](const Shape& a, const Shape& b, const Shape& out) {
    return compile_one("MatMul", ir::MatMulAttrs{}, {a, b}, out).timing.macs;
  };
  CHECK_EQ(macs({5, 7}, {7, 9}, {5, 9}), 5 * 7 * 9);
  CHECK_EQ(macs({7}, {7, 9}, {9}), 7 * 9);
  CHECK_EQ(macs({5, 7}, {7}, {5}), 5 * 7);
  CHECK_EQ(macs({7}, {7}, {}), 7);
  CHECK_EQ(macs({4, 3, 5, 7}, {7, 9}, {4, 3, 5, 9}), 12 * 5 * 7 * 9);
  CHECK_EQ(macs({4, 1, 5, 7}, {3, 7, 9}, {4, 3, 5, 9}), 12 * 5 * 7 * 9);
  CHECK_EQ(macs({1, 4096}, {4096, 11008}, {1, 11008}), std::int64_t{4096} * 11008);
}

TEST(resident_activations_do_not_touch_ddr) {
  GraphBuilder b;
  const ir::ValueId x = b.input({1, 32, 28, 28});
  const ir::ValueId y = b.conv(b.conv(x, 32, 3, 1), 32, 3, 1);
  const ir::Graph graph = b.finish({y});
  const std::int64_t weights = 32 * 32 * 9 + 32 * 4, image = 32 * 28 * 28;
  const auto with = compile_checked(graph);
  CHECK_EQ(with.timing.ddr_write_bytes, image);  // only the output
  CHECK(with.timing.layers[0].ddr_write_bytes == 0);
  CHECK(with.timing.layers[1].ddr_read_bytes >= weights && with.timing.layers[1].ddr_read_bytes % weights == 0);

  compiler::CompileOptions streaming = options();
  streaming.stack = std::make_shared<const device::Stack>(
      device::with_overrides(*streaming.stack, {{"generations.xdna2.dataflow.activations_in_l2", "0"}}));
  const auto without = compile_checked(graph, streaming);
  CHECK_EQ(without.timing.ddr_write_bytes, 2 * image);
  CHECK(without.timing.layers[1].ddr_read_bytes >= weights + image);
  CHECK(without.timing.cycles >= with.timing.cycles);
}

TEST(activations_that_do_not_fit_go_through_ddr) {
  GraphBuilder b;
  const ir::ValueId x = b.input({1, 64, 320, 320});
  const ir::ValueId y = b.conv(b.conv(x, 64, 3, 1), 64, 3, 1);
  const auto program = compile_checked(b.finish({y}));
  CHECK_EQ(program.timing.layers[0].ddr_write_bytes, 64 * 320 * 320);
}

TEST(a_value_read_much_later_does_not_overfill_the_memory_tiles) {
  GraphBuilder b;
  ir::ValueId x = b.conv(b.input({1, 64, 56, 56}), 64, 3, 1);
  std::vector<ir::ValueId> skips;
  for (int i = 0; i < 12; ++i) {
    skips.push_back(x);
    x = b.conv(x, 64, 3, 1);
  }
  for (const ir::ValueId skip : skips) x = b.add(x, skip);
  compile_checked(b.finish({x}));  // the capacities are checked there
}

TEST(random_layers_respect_the_capacities) {
  std::mt19937 random(7);
  const auto between = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random);
  };
  const DType types[] = {DType::s8, DType::u8, DType::s16, DType::bf16, DType::s4};
  const std::vector<std::string> devices = device::names(), stacks = device::stack_names();
  for (int trial = 0; trial < 150; ++trial) {
    GraphBuilder b;
    const DType dtype = types[between(0, 4)];
    const std::int64_t cin = between(1, 600), side = between(1, 120), k = between(0, 3) * 2 + 1;
    const ir::ValueId x = b.value({between(1, 3), cin, side, between(1, 120)}, dtype);
    ir::ConvAttrs conv;
    conv.kernel = {k, k};
    conv.strides = {between(1, 3), between(1, 3)};
    conv.dilations = {between(1, 2), between(1, 2)};
    conv.groups = between(0, 3) == 0 ? cin : 1;
    const std::int64_t cout = conv.groups > 1 ? cin * between(1, 2) : between(1, 900);
    const ir::ValueId w = b.value({cout, cin / conv.groups, k, k}, dtype, 0.5F, true);
    const Shape in = b.shape(x);
    const Shape out = {in[0], cout, (in[2] - 1) / conv.strides[0] + 1, (in[3] - 1) / conv.strides[1] + 1};
    const ir::ValueId y = b.layer("Conv", conv, {x, w}, out, dtype);
    const ir::ValueId z = b.layer("Relu", ir::ElementwiseAttrs{}, {y}, out, dtype);
    compile_checked(b.finish({z}), options(devices[static_cast<std::size_t>(between(0, 4))],
                                           stacks[static_cast<std::size_t>(between(0, 4))]));
  }
}

// The search skips what is slower by this bound than the fastest known: any tile has to respect it, not only the best.
TEST(no_mapping_takes_less_than_its_lower_bound) {
  std::mt19937 random(11);
  const auto between = [&](int low, int high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random);
  };
  int compared = 0, close = 0;
  for (int i = 0; i < 6000; ++i) {
    const auto device = device::load(i % 2 == 0 ? "strix" : "phoenix");
    const auto stack = device::load_stack(i % 3 == 0 ? "iron" : "vitisai");
    const sim::Target target(*device, *stack);
    const compiler::Region region = compiler::make_region(target, std::nullopt, std::nullopt);
    compiler::Contraction problem;
    problem.kind = i % 4 < 2 ? sim::KernelKind::convolution : sim::KernelKind::matmul;
    const std::int64_t side = problem.kind == sim::KernelKind::convolution ? between(1, 3) : 1;
    const std::int64_t height = side == 1 ? 1 : between(1, 60), width = between(1, side == 1 ? 3000 : 60);
    problem.vertical = {height + side - 1, height, 1, side};
    problem.horizontal = {width + side - 1, width, 1, side};
    problem.window = side * side;
    problem.channels = between(1, 64) * 8;
    problem.n = between(1, 64) * 8;
    problem.a_bytes = problem.vertical.input * problem.horizontal.input * problem.channels;
    problem.b_bytes = problem.window * problem.channels * problem.n;
    problem.c_bytes = height * width * problem.n;
    problem.a_in_l2 = between(0, 3) == 0;
    problem.c_in_l2 = between(0, 3) == 0;
    problem.b_row_major = between(0, 2) == 0;
    const compiler::Tile tile = {between(1, 32) * 4, between(1, 16) * 8, between(1, 16) * 8};
    const auto layer = compiler::map_contraction(problem, region, target, {tile, between(1, 2)});
    if (!layer) continue;
    const sim::KernelCycles kernel =
        sim::KernelModel(layer->kernel, target.device, target.profile).cycles(layer->kernel);
    const double least = sim::least_cycles(*layer, kernel, target),
                 exact = sim::layer_cost(*layer, kernel, target).cycles;
    CHECK(least > 0 && least <= exact);
    CHECK(sim::least_cycles(*layer, kernel, target, 0) <= least);  // of the cores alone
    ++compared;
    close += least > 0.8 * exact ? 1 : 0;
  }
  CHECK(compared > 1000);
  CHECK(2 * close > compared);  // or it would spare the search little
}

TEST(a_layer_that_fits_nowhere_is_named) {
  compiler::CompileOptions tiny = options();
  tiny.device = std::make_shared<const device::Device>(
      device::with_overrides(*tiny.device, {{"core.data_memory_bytes", "4096"}}));
  GraphBuilder b;
  const ir::ValueId y = b.conv(b.input({1, 8, 64, 64}), 8, 31, 1);
  const ir::Graph graph = b.finish({y});
  try {
    compiler::compile(graph, tiny);
    CHECK(false);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::unsupported);
    const std::string message = error.what();
    CHECK(message.find("Conv_0") != std::string::npos);
    CHECK(message.find("1x8x64x64") != std::string::npos);
    CHECK(message.find("strix") != std::string::npos);
  }
  compiler::CompileOptions full = options();
  full.device = std::make_shared<const device::Device>(
      device::with_overrides(*full.device, {{"core.data_memory_bytes", "3328"}}));
  CHECK_THROWS(compiler::compile(graph, full), "reserves 3328 bytes");
}

TEST(a_type_the_array_does_not_know_is_named) {
  GraphBuilder b;
  const ir::ValueId x = b.input({4, 4}, DType::string);
  const ir::ValueId y = b.layer("Relu", ir::ElementwiseAttrs{}, {x}, {4, 4}, DType::string);
  CHECK_THROWS(compiler::compile(b.finish({y}), options()), "Relu_0");
}

TEST(more_array_and_more_clock_are_never_slower) {
  const auto latency = [](const compiler::CompileOptions& with) {
    return compile_checked(test::mobilenet_v2(), with).timing.latency_us();
  };
  const double base = latency(options());
  for (const auto& [field, value] : {std::pair{"clock_ghz", "3.6"},
                                     {"dram.read_gbps", "100"},
                                     {"dram.write_gbps", "100"},
                                     {"stream.bytes_per_cycle", "8"}}) {
    compiler::CompileOptions with = options();
    with.device = std::make_shared<const device::Device>(device::with_overrides(*with.device, {{field, value}}));
    CHECK(latency(with) <= base * (1 + 1e-9));
  }
  compiler::CompileOptions column = options();
  column.columns = 1;
  CHECK(latency(column) > base);
  column.columns = 9;
  CHECK_THROWS(compiler::compile(test::mobilenet_v2(), column), "8 columns");
}

TEST(compilation_is_deterministic) {
  const auto a = compile_checked(test::resnet18()), b = compile_checked(test::resnet18());
  CHECK_EQ(a.timing.cycles, b.timing.cycles);
  for (std::size_t i = 0; i < a.layers.size(); ++i) CHECK(a.timing.layers[i].tile == b.timing.layers[i].tile);
}

// Published end-to-end latencies (XINT8): the 8700G through ignite-xdna, Strix from RyzenAI-SW. The vitisai profile's
// layer_us and launch were settled on these four rows, so this guards residuals; other networks are not covered by it.
TEST(known_networks_within_25_percent) {
  struct Row {
    ir::Graph (*graph)();
    const char* device;
    double measured_ms;
    std::int64_t macs;
  };
  for (const Row& row : {Row{test::resnet50, "8700g", 5.27, 4089184256}, Row{test::mobilenet_v2, "8700g", 2.68, 0},
                         Row{test::resnet50, "strix", 3.58, 4089184256}, Row{test::resnet18, "strix", 1.70, 0}}) {
    const auto program = compile_checked(row.graph(), options(row.device));
    const double ms = program.timing.latency_us() / 1e3;
    if (std::fabs(ms / row.measured_ms - 1) > 0.25)
      test::report(row.device, 0,
                   "predicted " + std::to_string(ms) + " ms, measured " + std::to_string(row.measured_ms));
    if (row.macs > 0) CHECK_EQ(program.timing.macs, row.macs);
  }
}

TEST(resnet50_compiles_in_a_fraction_of_a_second) {
  ir::Graph graph = test::resnet50();
  const auto with = options();
  const auto start = std::chrono::steady_clock::now();
  compiler::compile(std::move(graph), with);
  const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  std::fprintf(stderr, "       resnet50 mapped and timed in %.1f ms\n", ms);
  CHECK(ms < 300);
}

VAIP_TEST_MAIN()
