// Scales, zero points and types: what QuantizeLinear, DequantizeLinear and the QLinear operators say of a tensor.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "frontend/graph_index.h"

namespace vaip::frontend {

// QuantizeLinear and DequantizeLinear under all their names: those of ai.onnx and com.microsoft, ExtendedQuantizeLinear
// of com.amd.quark and VitisQuantizeLinear of com.vai.quantize, with their counterparts.
bool is_quantize_operator(const Node& node);
bool is_dequantize_operator(const Node& node);
std::set<std::string> quantization_operators();
// The same, and the node has an input, a scale and an output.
bool is_quantize(const Node& node);
bool is_dequantize(const Node& node);

// The parts that a tensor can play in a quantized layer, and the element types that may play them.
enum class Role { activation, weight, bias };
bool allowed(Role role, ir::DType dtype);
std::string allowed_types(Role role);  // for messages: "uint8, int8, ..."

struct Quantization {
  ir::DType dtype = ir::DType::undefined;
  ir::QuantParams params;
  bool operator==(const Quantization& o) const { return dtype == o.dtype && params == o.params; }
};

// Of the integer tensor that a Q writes or a DQ reads. Throws Error(unsupported) when scale or zero point are no
// constants or are blocked, Error(invalid_model) when they contradict each other. `rank`: the tensor's, which makes the
// axis of per-channel parameters checked and positive.
Quantization read_quantization(const GraphIndex& index, const Node& node,
                               std::optional<std::size_t> rank = std::nullopt);
// The same for operators that list scale and zero point among their inputs, see qlinear_inputs(): `scale` is the input
// that holds the scale of `tensor`, the zero point follows it. Without a zero point it is 0, of the tensor's type.
Quantization read_parameters(const GraphIndex& index, const Node& node, const std::string& tensor, std::size_t scale,
                             std::size_t axis);

// The parameters of an integer tensor that is no constant: those of its producer, else of its first reader. Operators
// that move integers are looked through. Every reader has to agree with them, because a value has one meaning. nullopt:
// nothing in the graph tells.
std::optional<Quantization> tensor_quantization(const GraphIndex& index, const std::string& tensor,
                                                std::optional<std::size_t> rank = std::nullopt);

// A float constant quantized by ONNX's rule: saturate(round_half_even(x / scale) + zero_point), in float32.
TensorData quantize_constant(const TensorData& tensor, const Quantization& quantization, const std::string& what);

// The real numbers of a constant: a float initializer, or DequantizeLinear of an integer one. nullopt when it is
// neither.
std::optional<std::vector<double>> constant_reals(const GraphIndex& index, const std::string& value);

// Whether both are the same real numbers: one value, or two DequantizeLinear of one tensor with equal parameters.
bool same_tensor(const GraphIndex& index, const std::string& a, const std::string& b);

}  // namespace vaip::frontend
