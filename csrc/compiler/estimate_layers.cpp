#include "compiler/estimate_layers.h"

#include <algorithm>

#include "base/error.h"
#include "compiler/mapping/contraction.h"
#include "compiler/mapping/stream.h"
#include "compiler/mapping/window.h"
#include "compiler/query_stack.h"
#include "sim/simulate.h"

namespace vaip::compiler {
namespace {

constexpr std::int64_t kMostLines = 1 << 16;

struct Edges {  // where a stage of a pipeline finds its input and leaves its output
  bool a_in_l2 = false, c_in_l2 = false;
};

void check(const ConvQuery& query) {
  const auto range = [](const char* field, std::int64_t value, std::int64_t lowest) {
    check_range("estimate_conv", field, value, lowest, kMostLines);
  };
  range("height", query.height, 1);
  range("width", query.width, 1);
  range("in_channels", query.in_channels, 1);
  range("out_channels", query.out_channels, 1);
  range("window", query.window, 1);
  range("stride", query.stride, 1);
  if (query.depthwise && query.in_channels != query.out_channels)
    fail(ErrorKind::invalid_argument, "estimate_conv: a depthwise convolution has as many output channels as input ",
         "channels; got ", query.out_channels, " and ", query.in_channels);
}

WindowAxis axis(std::int64_t output, const ConvQuery& query) {
  return {(output - 1) * query.stride + query.window, output, query.stride, query.window};
}

std::int64_t input_bytes(const ConvQuery& query) {  // without padding
  return device::bytes(query.a, query.height * query.stride * query.width * query.stride * query.in_channels);
}

std::optional<sim::LayerProgram> map_depthwise(const ConvQuery& query, const Region& region, const sim::Target& target,
                                               Edges edges) {
  SlidingWindow problem;
  problem.kernel.kind = sim::KernelKind::depthwise;
  problem.kernel.a = query.a;
  problem.kernel.b = query.b;
  problem.kernel.c = query.out;
  problem.channels = query.out_channels;
  problem.vertical = axis(query.height, query);
  problem.horizontal = axis(query.width, query);
  problem.taps = query.window * query.window;
  problem.a_bytes = input_bytes(query);
  problem.b_bytes = device::bytes(query.b, problem.taps * query.out_channels);
  problem.c_bytes = device::bytes(query.out, problem.outputs());
  problem.a_in_l2 = edges.a_in_l2;
  problem.c_in_l2 = edges.c_in_l2;
  return map_window(problem, region, target);
}

std::optional<sim::LayerProgram> map_dense(const ConvQuery& query, const Region& region, const sim::Target& target,
                                           Edges edges) {
  Contraction problem;
  problem.kind = sim::KernelKind::convolution;
  problem.a = query.a;
  problem.b = query.b;
  problem.c = query.out;
  problem.window = query.window * query.window;
  problem.channels = query.in_channels;
  problem.n = query.out_channels;
  if (query.window == 1) {  // a plain product over the positions
    const std::int64_t positions = query.height * query.width;
    problem.horizontal = {positions, positions, 1, 1};
    problem.a_bytes = device::bytes(query.a, positions * query.in_channels);
  } else {
    problem.vertical = axis(query.height, query);
    problem.horizontal = axis(query.width, query);
    problem.a_bytes = input_bytes(query);
  }
  problem.b_bytes = device::bytes(query.b, problem.window * problem.channels * problem.n);
  problem.c_bytes = device::bytes(query.out, problem.positions() * problem.n);
  problem.a_in_l2 = edges.a_in_l2;
  problem.c_in_l2 = edges.c_in_l2;
  return map_contraction(problem, region, target);
}

sim::LayerProgram map(const ConvQuery& query, const sim::Target& target, Edges edges) {
  const Region region = make_region(target, query.rows, query.columns);
  std::optional<sim::LayerProgram> layer =
      query.depthwise ? map_depthwise(query, region, target, edges) : map_dense(query, region, target, edges);
  if (!layer)
    fail(ErrorKind::unsupported, "estimate_conv: no tiling fits the memories of device '", target.device.name, "'");
  layer->op = "Conv";
  layer->name = detail::concat(query.depthwise ? "depthwise " : "conv ", query.window, "x", query.window, " ",
                               query.in_channels, "->", query.out_channels, " ", query.height, "x", query.width);
  return *std::move(layer);
}

QueryStack adjusted_stack(const ConvQuery& query, const device::Device& device, const device::Stack& stack) {
  check(query);
  QueryStack adjusted(device, stack);
  adjusted.use_convolution(query.kernel, query.a, query.b);
  if (!query.host_call) adjusted.leave_out_host_call();
  return adjusted;
}

// Takes the host's costs out of a program of one layer: those of a pipeline are paid once.
double layer_cycles(const sim::Timing& timing) { return timing.cycles - timing.host_cycles; }

}  // namespace

sim::Timing estimate_conv(const ConvQuery& query, const device::Device& device, const device::Stack& stack) {
  const QueryStack adjusted = adjusted_stack(query, device, stack);
  const sim::Target target(device, adjusted.get());
  return sim::simulate(std::vector<sim::LayerProgram>{map(query, target, {})}, target, query.mode);
}

sim::Timing estimate_pipeline(const std::vector<ConvQuery>& stages, const device::Device& device,
                              const device::Stack& stack) {
  if (stages.empty()) fail(ErrorKind::invalid_argument, "estimate_pipeline: no stages");
  sim::Timing result;
  double slowest = 0, filling = 0;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const ConvQuery& stage = stages[i];
    const QueryStack adjusted = adjusted_stack(stage, device, stack);
    const sim::Target target(device, adjusted.get());
    const Edges edges{i > 0, i + 1 < stages.size()};
    sim::Timing timing =
        sim::simulate(std::vector<sim::LayerProgram>{map(stage, target, edges)}, target, stages.front().mode);
    slowest = std::max(slowest, layer_cycles(timing));
    // A stage starts when the one before has made the rows under its window.
    timing.layers.front().start_cycles = timing.host_cycles + filling;
    const double per_line = layer_cycles(timing) / static_cast<double>(stage.height);
    if (i + 1 < stages.size()) filling += per_line * static_cast<double>(stages[i + 1].window);
    result.device = timing.device;
    result.stack = timing.stack;
    result.mode = timing.mode;
    result.clock_ghz = timing.clock_ghz;
    result.host_cycles = std::max(result.host_cycles, timing.host_cycles);
    result.macs += timing.macs;
    result.ddr_read_bytes += timing.ddr_read_bytes;
    result.ddr_write_bytes += timing.ddr_write_bytes;
    result.layers.push_back(std::move(timing.layers.front()));
  }
  result.cycles = result.host_cycles + filling + slowest;
  return result;
}

sim::Timing estimate_attention(const AttentionQuery& query, const device::Device& device, const device::Stack& stack) {
  const auto range = [](const char* field, std::int64_t value, std::int64_t highest) {
    check_range("estimate_attention", field, value, 1, highest);
  };
  range("queries", query.queries, kLargestExtent);
  range("keys", query.keys, kLargestExtent);
  range("head_dim", query.head_dim, kLargestExtent);
  range("query_heads", query.query_heads, 1 << 12);
  range("kv_heads", query.kv_heads, query.query_heads);
  QueryStack adjusted(device, stack);
  if (!query.host_call) adjusted.leave_out_host_call();
  adjusted.profile().dataflow.element_rows = 0;  // the softmax runs where the products do
  const sim::Target target(device, adjusted.get());
  const Region region = make_region(target, query.rows, query.columns);

  const auto product = [&](std::int64_t k, std::int64_t n) {
    Contraction problem;
    problem.a = problem.b = problem.c = query.format;
    problem.batch = query.query_heads;
    problem.horizontal = {query.queries, query.queries, 1, 1};
    problem.channels = k;
    problem.n = n;
    problem.a_bytes = device::bytes(query.format, query.query_heads * query.queries * k);
    problem.b_bytes = device::bytes(query.format, query.kv_heads * k * n);
    problem.c_bytes = device::bytes(query.format, query.query_heads * query.queries * n);
    return problem;
  };
  Contraction scores = product(query.head_dim, query.keys);
  scores.c_in_l2 = true;
  Contraction values = product(query.keys, query.head_dim);
  values.a_in_l2 = true;
  ElementStream softmax;
  softmax.kernel.kind = sim::KernelKind::element;
  softmax.kernel.function = sim::Function::softmax;
  softmax.kernel.a = softmax.kernel.b = softmax.kernel.c = query.format;
  softmax.elements = query.query_heads * query.queries * query.keys;
  softmax.a_bytes = softmax.c_bytes = softmax.a_from_l2 = device::bytes(query.format, softmax.elements);
  softmax.c_in_l2 = true;

  std::vector<sim::LayerProgram> layers;
  const auto add = [&](std::optional<sim::LayerProgram> layer, const char* op, const char* name) {
    if (!layer)
      fail(ErrorKind::unsupported, "estimate_attention: no tiling of ", name, " fits the memories of device '",
           device.name, "'");
    layer->op = op;
    layer->name = name;
    layers.push_back(*std::move(layer));
  };
  add(map_contraction(scores, region, target), "MatMul", "scores");
  add(map_elements(softmax, region, target), "Softmax", "softmax");
  add(map_contraction(values, region, target), "MatMul", "values");
  return sim::simulate(layers, target, query.mode);
}

}  // namespace vaip::compiler
