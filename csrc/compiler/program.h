// A compiled program: the single hand-over to both executors. What is timed is what is executed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "device/device.h"
#include "ir/graph.h"
#include "sim/layer_program.h"
#include "sim/simulate.h"

namespace vaip::compiler {

struct CompileOptions {
  std::shared_ptr<const device::Device> device;
  std::shared_ptr<const device::Stack> stack;
  std::optional<int> rows, columns;  // use a part of the array
  sim::Mode mode = sim::Mode::steady;
};

struct Program {
  ir::Graph graph;                        // shapes bound, in execution order
  std::vector<sim::LayerProgram> layers;  // layers[i] is graph.layers[i] mapped on the array
  sim::Timing timing;                     // of `layers`; data-independent, so it is made once, here
};

// graph: shapes static (ir::bind_shapes). Throws Error(unsupported) naming the layer that cannot be mapped at any
// tiling.
Program compile(ir::Graph graph, const CompileOptions& options);

}  // namespace vaip::compiler
