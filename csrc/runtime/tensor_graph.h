// A graph of layers as operations on tensors in memory: a layout per value, views where nothing needs to move, copies
// where layouts meet and into the outputs of the graph. Nothing has a kernel or an address yet.
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include "ir/graph.h"
#include "kernels/kernel.h"

namespace vaip::runtime {

// Memory that one or more tensors live in.
struct Storage {
  enum class Kind : std::uint8_t { arena, graph_input, graph_output, constant } kind = Kind::arena;
  std::size_t index = 0;  // of the graph input or output
  ir::Constant constant;  // only while a step reads it
  std::size_t bytes = 0;
  int first_step = -1, last_step = -1;
  std::size_t offset = 0;  // in the arena
};

// A value as it is stored.
struct Tensor {
  kernels::Operand operand;
  int storage = -1;
  std::int64_t offset = 0;  // of its first element, in elements from the start of the storage
};

// The op of operations that are no layers of the graph: transpositions that keep the dimensions.
inline constexpr const char* kReorder = "reorder";

struct Operation {
  const ir::Layer* layer;
  std::vector<int> inputs, outputs;  // tensors; -1: absent
  std::vector<bool> in_place = {};   // see kernels::LayerOperands
};

struct TensorGraph {
  std::vector<Tensor> tensors;
  std::vector<Storage> storages;
  std::vector<Operation> operations;  // in the order of their execution
  std::deque<ir::Layer> reorders;     // what the operations that are no layers of the graph refer to

  int add_storage(Storage::Kind kind, std::size_t index = 0);
  kernels::LayerOperands operands_of(const Operation& operation) const;
};

// Refers to layers of the graph.
TensorGraph make_tensor_graph(const ir::Graph& graph);

}  // namespace vaip::runtime
