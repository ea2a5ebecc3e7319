// What recognition has found so far: the units, the values that they read and write, the nodes that they cover.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "frontend/constant_evaluation.h"
#include "frontend/graph_index.h"
#include "frontend/quantization.h"
#include "frontend/recognise.h"

namespace vaip::frontend {

class Workspace {
 public:
  explicit Workspace(const OnnxGraph& graph, bool converts_floats = false);
  Workspace(const Workspace&) = delete;  // what evaluates shapes refers to the workspace
  Workspace& operator=(const Workspace&) = delete;

  const GraphIndex& index() const { return index_; }
  bool converts_floats() const { return converts_floats_; }  // see RecognitionOptions
  bool covered(std::size_t node) const { return covered_[node]; }
  bool read(const std::string& value) const { return read_.count(value) != 0; }  // by a unit
  bool written(const std::string& value) const { return written_.count(value) != 0; }
  ir::ValueId find(const std::string& value) const { return ids_.at(value); }

  // What a unit inferred for the value, else what the model declares; nullptr where neither is known.
  const ir::Shape* shape(const std::string& value) const;
  ir::DType dtype(const std::string& value) const;  // the same; undefined where neither is known

  // The constant that a QuantizeLinear of a float constant makes; computed once per node.
  const TensorData& folded(std::size_t quantize_node, const Quantization& quantization);

  // A float value that some unit keeps as integers: its node only moves or selects what a DequantizeLinear made, so the
  // value is that of integers with the same parameters, and its readers need no Q/DQ pair to have them.
  struct Carried {
    std::string name;  // of the integers
    std::size_t node;  // that computes the value
  };
  void carry(const std::string& value, Carried integers) { carried_.emplace(value, std::move(integers)); }
  const std::map<std::string, Carried>& carried() const { return carried_; }

  // Results that are floats or integers of the model's own: no quantized layer takes them as its input.
  void leave(const std::string& value) { leaving_.insert(value); }
  bool leaves(const std::string& value) const { return leaving_.count(value) != 0; }
  const ir::Value& value(const std::string& name) const { return graph_.value(find(name)); }

  // Float values that some unit makes of plain integers alone (a Cast of a mask): no quantized tensor leads to them.
  void mark_unquantized(const std::string& value) { unquantized_.insert(value); }
  bool is_unquantized(const std::string& value) const { return unquantized_.count(value) != 0; }

  // Integers that follow from shapes, as far as they are known before the model runs: nullptr where a value is none.
  const Integers* shape_integers(const std::string& value) const { return evaluator_.find(value); }
  // Finds them for what a node computes; to be called in topological order, before the node's own unit is built.
  void trace_shape_integers(std::size_t node);
  // The graph is a claimed cluster: small integers among its inputs are read when shapes are bound.
  void trust_integer_inputs();

  // Takes over a finished unit; `local` holds the layer's values. Nodes: the anchor first.
  void commit(ir::Layer layer, const ir::Graph& local, std::vector<std::size_t> nodes);

  // The recognised graph: units in topological order, inputs and outputs as the OnnxGraph has them.
  Recognition finish(std::vector<std::string> reasons) &&;

 private:
  ir::ValueId intern(const ir::Value& value);
  // shape(), or that of the integers that a float value stands for.
  const ir::Shape* shape_behind(const std::string& value) const;

  GraphIndex index_;
  ConstantEvaluator evaluator_;
  bool converts_floats_;
  ir::Graph graph_;
  std::vector<Unit> units_;
  std::vector<bool> covered_;
  std::unordered_map<std::string, ir::ValueId> ids_;                        // of what is no constant
  std::unordered_map<std::string, std::vector<ir::ValueId>> constant_ids_;  // one per set of parameters
  std::unordered_set<std::string> read_, written_, leaving_, unquantized_;
  std::unordered_map<std::size_t, TensorData> folded_;
  std::map<std::string, Carried> carried_;  // by the float value's name
};

}  // namespace vaip::frontend
