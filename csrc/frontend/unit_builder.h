// Puts one unit together: a rule names the anchor's inputs and the layer's attributes, the builder finds the Q/DQ
// nodes, the activation and the outputs that belong to it. A unit that a rule declines half-way leaves no trace.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "frontend/moved_inputs.h"
#include "frontend/node_access.h"
#include "frontend/workspace.h"

namespace vaip::frontend {

class UnitBuilder {
 public:
  UnitBuilder(Workspace& workspace, std::size_t anchor);

  const Node& node() const { return index().node(anchor_); }
  const GraphIndex& index() const { return workspace_.index(); }
  bool converts_floats() const { return workspace_.converts_floats(); }  // float tensors may be a layer's
  template <typename... Parts>
  [[noreturn]] void decline(Parts&&... parts) const {
    frontend::decline(node(), std::forward<Parts>(parts)...);
  }

  // ---- the layer's inputs, in order; the references are valid until the next one is added ----
  const ir::Value& add_activation(std::size_t input);         // a computed tensor: integers, or a layer's float result
  const ir::Value& add_activation(const std::string& value);  // the same for an input of another node of the unit
  const ir::Value& add_weight(std::size_t input);             // a constant behind a DequantizeLinear
  // Either of these, or a float constant. role: what a quantized constant is.
  const ir::Value& add_operand(std::size_t input, Role role = Role::activation);
  // A constant, quantized or float; or absent.
  void add_bias(std::size_t input, const char* what = "bias");
  const ir::Value& add_parameter(const std::string& value, const char* what);  // such a constant of any of its nodes
  void add_absent() { layer_.inputs.push_back(ir::kNoValue); }
  // Operators that list the parameters of an integer tensor among their inputs.
  const ir::Value& add_integer_tensor(std::size_t input, const Quantization& quantization);
  const ir::Value& add_own_tensor();                       // what the anchor, a DequantizeLinear, reads
  const ir::Value& add_carried(const std::string& value);  // the integers that a float value of the anchor's stands for
  // The float tensor of an input, whatever node computes it.
  const ir::Value& add_float_tensor(std::size_t input);
  // A tensor without quantization parameters, constant or not, of one of these types.
  const ir::Value& add_plain(const std::string& value, const std::vector<ir::DType>& types);
  const ir::Value& add_constant(ir::Value constant);
  void add_vector(std::size_t input);  // a float constant, as one dimension; or absent
  void add_vector(const std::string& value);
  // Integers or booleans that stand for themselves (masks, indices), whatever node computes them, or constant.
  bool is_plain(std::size_t input) const;
  const ir::Value& add_plain(std::size_t input);
  // What a layer moves or selects: a plain tensor, or add_operand().
  const ir::Value& add_elements(std::size_t input) { return is_plain(input) ? add_plain(input) : add_operand(input); }

  // True once a tensor of integers was added that no DequantizeLinear stands behind. What a node does to it, it does to
  // the integers themselves; finish() declines where that is not what the layer does to the numbers that they stand
  // for.
  bool on_integers() const { return on_integers_; }

  void require_scalar(const ir::Value& value) const;  // declines one of more than one element
  void require_activation() const;                    // declines a node all of whose inputs so far are constants
  // Declines per-channel parameters of a constant, which only weights may have.
  void require_per_tensor(const ir::Value& value) const;

  // ---- inputs that are parameters: nullopt where absent; declined where they are no constants ----
  std::optional<std::vector<std::int64_t>> constant_integers(std::size_t input, const char* what) const;
  std::optional<std::vector<double>> constant_reals(std::size_t input, const char* what);
  // The same for integers that may follow from shapes: ir::kComputed where they are not known before the model runs.
  struct ShapeParameter {
    std::vector<std::int64_t> values;
    bool computed = false;  // the layer needs the input: see add_computed()
  };
  std::optional<ShapeParameter> shape_parameter(std::size_t input, const char* what) const;
  // Adds such inputs, from `first` on, behind the layer's tensor; nothing where none is computed.
  void add_computed(std::size_t first, const std::vector<ShapeParameter>& parameters);
  // True where an integer input is a constant or follows from shapes.
  bool follows_from_shapes(std::size_t input) const;
  // The tensor of which only the shape is read, whatever its elements are.
  const ir::Value& add_shape_source(std::size_t input);

  // ---- a node that stands for several layers: all but the last are steps ----
  // Ends the layer of the inputs that were added so far, and begins another. Its results are float tensors that the
  // node has no names for; `name` tells them and the layer apart from the others'.
  std::vector<ir::ValueId> step(ir::LayerAttrs attrs, const char* name, std::size_t results = 1);
  // The same with a result that is also an output of the node.
  ir::ValueId step_to(ir::LayerAttrs attrs, const char* name, const std::string& output);
  void add_result(ir::ValueId of_a_step) { layer_.inputs.push_back(of_a_step); }
  // Puts a step before the layer that makes float numbers of the integers which are its input at `position`.
  void dequantize(std::size_t position);
  const ir::Shape& shape(const std::string& value) const { return known_shape(node(), value); }
  const ir::Shape& shape_of(ir::ValueId of_a_step) const { return local_.value(of_a_step).shape; }

  void cover(std::size_t node);
  void cover_dequantize(const std::string& value);  // the DequantizeLinear that makes the value, if one does
  // Ends the layer with the anchor's outputs, each with the QuantizeLinear that alone reads it. Where the layer's kind
  // has an activation, the one that follows the anchor becomes part of it.
  // outputs: how many of them the layer has, at most.
  void finish(ir::LayerAttrs attrs, std::size_t outputs = static_cast<std::size_t>(-1));
  // Ends the layer with the anchor's output, an integer tensor of these parameters.
  void finish_quantized(ir::LayerAttrs attrs, const Quantization& quantization);
  // Ends the layer with the integers that the anchor, a QuantizeLinear, makes of a constant: of a weight that others
  // read than the layers which took it in.
  void finish_folded(const Quantization& quantization);
  // The same as finish(), the anchor's second output being indices.
  void finish_with_indices(ir::LayerAttrs attrs);
  // Ends the layer with the anchor's output, left float whatever reads it.
  void finish_float(ir::LayerAttrs attrs) { finish_float(std::move(attrs), node().outputs[0]); }
  void finish_float(ir::LayerAttrs attrs, const std::string& output);
  // The same for a result that other layers do not take as their input: it is not a rounded-off integer tensor, but one
  // of the model's own floats.
  void finish_leaving(ir::LayerAttrs attrs, const std::string& output);
  // Ends the layer with the anchor's outputs, which have no quantization parameters.
  void finish_plain(ir::LayerAttrs attrs, const std::vector<ir::DType>& types);

 private:
  struct Operand {
    ir::Value value;
    std::vector<std::size_t> nodes;
    bool bare = false;  // integers that are read as they are
  };
  const ir::Shape& known_shape(const Node& reader, const std::string& value) const;
  // AMD's operators take a zero point of any type; ONNX's schemas rule out what does not fit.
  void require_type(const Node& reader, const std::string& tensor, ir::DType dtype) const;
  const std::string& input_name(std::size_t input) const;
  Operand operand(const std::string& name) const;
  std::optional<Operand> float_operand(const std::string& name) const;
  std::optional<Operand> rounded_operand(const std::string& name) const;
  std::string unfit(const std::string& name) const;  // why it cannot be an operand
  std::optional<Operand> bare_integers(const std::string& name) const;
  Operand dequantized(std::size_t dq) const;
  Operand dequantized_constant(std::size_t dq, const TensorData& stored) const;
  const ir::Value& add(Operand operand);
  const ir::Value& add_stored(const std::string& value, ir::DType dtype);  // without parameters; a constant's type wins
  void fuse_bias(const ir::LayerAttrs& attrs, std::string& output);
  void fuse_activation(ir::LayerAttrs& attrs, std::string& output);
  void absorb(std::size_t node, std::string& output);  // the node that follows: its output is the layer's
  void add_output(ir::Value value);
  ir::DType float_type(const std::string& output) const;  // of an output that is left float
  // How a value that no QuantizeLinear reads is kept.
  enum class Kept { as_float, as_integers, plain };
  Kept kept(const ir::LayerAttrs& attrs);
  void add_computed_output(const std::string& name, Kept kept);
  const ir::Value& elements() const { return local_.value(elements_); }  // the first tensor that a layer moves
  std::optional<ir::Value> quantized_output(const std::string& name);
  bool same_parameters(const MovedInputs& moved) const;
  void finish_integers(ir::LayerAttrs attrs);
  void end_step(ir::LayerAttrs attrs, const char* name, const std::vector<std::string>& results);
  void infer_outputs();      // their shapes
  void trace_unquantized();  // see Workspace::is_unquantized()
  void commit(ir::LayerAttrs attrs);

  Workspace& workspace_;
  std::size_t anchor_;
  ir::Layer layer_;
  std::vector<ir::Layer> steps_;  // before it
  ir::Graph local_;
  std::vector<std::size_t> nodes_;
  bool on_integers_ = false;
  ir::ValueId elements_ = ir::kNoValue;
  std::vector<std::pair<std::string, std::string>> carried_;  // float values and the integers that stand for them
};

}  // namespace vaip::frontend
