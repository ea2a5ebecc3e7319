// The layers on which both ways of timing must agree, and what agreement is.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "check.h"
#include "compiler/program.h"
#include "device/device.h"
#include "mapping_graphs.h"
#include "sim/simulate.h"

namespace vaip::test {

struct Machine {
  Machine(const std::string& device_name, const std::string& stack_name,
          const std::map<std::string, std::string>& overrides = {})
      : device(device::with_overrides(*device::load(device_name), overrides)), stack(device::load_stack(stack_name)) {}
  sim::Target target() const { return {device, *stack}; }

  device::Device device;
  std::shared_ptr<const device::Stack> stack;
};

inline std::vector<sim::LayerProgram> programs_of(const ir::Graph& graph, const std::string& device,
                                                  const std::string& stack) {
  compiler::CompileOptions options;
  options.device = device::load(device);
  options.stack = device::load_stack(stack);
  return compiler::compile(graph, options).layers;
}

inline std::vector<sim::LayerProgram> on_the_array(std::vector<sim::LayerProgram> layers) {
  layers.erase(std::remove_if(layers.begin(), layers.end(),
                              [](const sim::LayerProgram& layer) {
                                return layer.kernel.kind == sim::KernelKind::none ||
                                       layer.kernel.kind == sim::KernelKind::host;
                              }),
               layers.end());
  return layers;
}

// The steady state against the event-driven simulation: within 2 percent.
class Agreement {
 public:
  void add(const sim::LayerProgram& layer, const sim::Target& target) {
    const double steady = sim::time_layer(layer, target).cycles;
    const double event = sim::time_layer(layer, target, sim::Mode::event).cycles;
    const double off = 100 * std::fabs(steady / event - 1);
    ++layers_;
    sum_ += off;
    if (off > 2)
      report(target.device.name.c_str(), 0,
             detail::concat(target.stack.name, ": ", layer.op, " ", layer.name, ": ", steady, " and ", event));
  }
  void check() const {
    CHECK(layers_ > 0);
    CHECK(sum_ < 0.25 * layers_);  // percent on average
  }

 private:
  double layers_ = 0, sum_ = 0;
};

// One layer of each kind, with extents that no tile divides.
inline std::map<std::string, ir::Graph> layers_of_every_kind() {
  std::map<std::string, ir::Graph> graphs;
  const auto build = [&](const char* name, const auto& body) {
    GraphBuilder b;
    const ir::ValueId out = body(b);
    graphs[name] = b.finish({out});
  };
  const ir::Shape image = {1, 72, 61, 45}, matrix = {1, 700, 333};
  build("matmul", [&](GraphBuilder& b) {
    const ir::ValueId w = b.value({333, 517}, ir::DType::s8, 0.5F, true);
    return b.layer("MatMul", ir::MatMulAttrs{}, {b.input(matrix), w}, {1, 700, 517});
  });
  build("batched matmul", [&](GraphBuilder& b) {
    return b.layer("MatMul", ir::MatMulAttrs{}, {b.input({12, 197, 64}), b.input({12, 64, 197})}, {12, 197, 197});
  });
  build("convolution", [&](GraphBuilder& b) { return b.conv(b.input(image), 100, 3, 1); });
  build("pointwise convolution", [&](GraphBuilder& b) { return b.conv(b.input(image), 220, 1, 1); });
  build("strided convolution", [&](GraphBuilder& b) { return b.conv(b.input(image), 72, 5, 2); });
  build("grouped convolution", [&](GraphBuilder& b) { return b.conv(b.input(image), 96, 3, 1, 4); });
  build("nonlinear convolution",
        [&](GraphBuilder& b) { return b.conv(b.input(image), 64, 3, 1, 1, ir::Activation::Kind::sigmoid); });
  build("depthwise convolution", [&](GraphBuilder& b) { return b.conv(b.input({1, 144, 112, 97}), 144, 3, 1, 144); });
  build("add", [&](GraphBuilder& b) { return b.add(b.input({1, 96, 113, 111}), b.input({1, 96, 113, 111})); });
  build("relu", [&](GraphBuilder& b) {
    ir::ElementwiseAttrs attrs;
    attrs.function.kind = ir::Activation::Kind::relu;
    return b.layer("Relu", attrs, {b.input({1, 96, 113, 111})}, {1, 96, 113, 111});
  });
  build("sigmoid", [&](GraphBuilder& b) {
    ir::ElementwiseAttrs attrs;
    attrs.function.kind = ir::Activation::Kind::sigmoid;
    return b.layer("Sigmoid", attrs, {b.input(image)}, image);
  });
  build("max pool", [&](GraphBuilder& b) { return b.max_pool(b.input({1, 96, 113, 111}), 3, 2); });
  build("reduction", [&](GraphBuilder& b) { return b.global_average(b.input({1, 352, 31, 33})); });
  build("softmax", [&](GraphBuilder& b) {
    ir::SoftmaxAttrs attrs;
    attrs.axis = -1;
    return b.layer("Softmax", attrs, {b.input({12, 197, 197})}, {12, 197, 197});
  });
  build("concat", [&](GraphBuilder& b) {
    return b.layer("Concat", ir::ConcatAttrs{1}, {b.input(image), b.input(image)}, {1, 144, 61, 45});
  });
  build("transpose", [&](GraphBuilder& b) {
    ir::TransposeAttrs attrs;
    attrs.perm = {0, 2, 3, 1};
    return b.layer("Transpose", attrs, {b.input({1, 96, 113, 111})}, {1, 113, 111, 96});
  });
  build("resize", [&](GraphBuilder& b) {
    ir::ResizeAttrs attrs;
    attrs.mode = ir::ResizeAttrs::Mode::linear;
    return b.layer("Resize", attrs, {b.input(image)}, {1, 72, 122, 90});
  });
  build("nearest resize", [&](GraphBuilder& b) {
    ir::ResizeAttrs attrs;
    attrs.mode = ir::ResizeAttrs::Mode::nearest;
    return b.layer("Resize", attrs, {b.input(image)}, {1, 72, 122, 90});
  });
  build("requantize", [&](GraphBuilder& b) {
    return b.layer("Requantize", ir::RequantizeAttrs{}, {b.input({1, 96, 113, 111})}, {1, 96, 113, 111}, ir::DType::s8,
                   0.25F);
  });
  return graphs;
}

}  // namespace vaip::test
