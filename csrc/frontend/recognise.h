// Recognises typed layers in an ONNX graph: operators with the Q/DQ nodes, biases and activations that belong to them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "frontend/onnx_graph.h"
#include "ir/graph.h"

namespace vaip::frontend {

// A unit is a group of nodes that becomes one layer: it is claimed as a whole or not at all.
struct Unit {
  ir::Layer layer;                 // inputs/outputs refer to Recognition::graph
  std::vector<std::size_t> nodes;  // indices into OnnxGraph::nodes, the anchor first
};

struct Recognition {
  ir::Graph graph;          // the values; every unit's layer, in topological order; the graph's inputs and outputs
  std::vector<Unit> units;  // units[i].layer == graph.layers[i]
  // Per ONNX node: why it is in no unit, in words that say what to change and leave out the node's name; "" if in one.
  std::vector<std::string> reasons;
  bool converts_floats = false;  // as it was asked for
};

// What becomes of a node that contradicts the ONNX specification.
enum class Malformed : std::uint8_t {
  error,   // Error(invalid_model)
  reason,  // it is in no unit: for models that another reader has accepted, and will judge
};

struct RecognitionOptions {
  Malformed malformed = Malformed::error;
  // Layers all of whose tensors are float are layers that compute in bfloat16. Else they are in no unit: the model is
  // to be quantized.
  bool converts_floats = false;
  // The nodes have been claimed: small integers among the graph's inputs are known when shapes are bound.
  bool cluster = false;
};

// Never throws for what it merely does not support (that is a reason). Throws Error(invalid_model) for a graph whose
// values do not fit together.
Recognition recognise(const OnnxGraph& graph, RecognitionOptions options = {});

// The layers as the device executes them: with converts_floats, the float ones in bfloat16.
ir::Graph executable(const Recognition& recognition);

// The graph of a claimed cluster: `graph` holds its nodes only, and each of them must be recognised.
// Throws Error(internal) that names the first node that is not.
ir::Graph lower(const OnnxGraph& graph, bool converts_floats = false);

}  // namespace vaip::frontend
