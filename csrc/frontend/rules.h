// The recognition rules: which operators become which layers. A rule adds the layer's inputs and finishes the unit; it
// declines with a reason what VAIP does not execute.
#pragma once

#include <set>
#include <string>

#include "frontend/decomposed.h"
#include "frontend/unit_builder.h"

namespace vaip::frontend {

using Rule = void (*)(UnitBuilder& unit);

// The rule of an operator; nullptr where VAIP has no such layer.
Rule find_rule(const Node& node);

// The types of all operators that have one, in whatever domain: what the configuration's op_types may name.
std::set<std::string> recognised_operators();

namespace rules {

// products: rules_product.cpp
void conv(UnitBuilder& unit);
void conv(UnitBuilder& unit, const ir::Activation& activation);
void gemm(UnitBuilder& unit);
void gemm(UnitBuilder& unit, const ir::Activation& activation);
void matmul(UnitBuilder& unit);
void product(UnitBuilder& unit, ir::MatMulAttrs attrs);  // of the first two inputs, without a bias
void conv_transpose(UnitBuilder& unit);
// QLinear forms: rules_qlinear_product.cpp, rules_qlinear.cpp
void qlinear_conv(UnitBuilder& unit);
void qlinear_matmul(UnitBuilder& unit);
void qgemm(UnitBuilder& unit);
void qlinear_arithmetic(UnitBuilder& unit);
void qlinear_activation(UnitBuilder& unit);
void qlinear_average_pool(UnitBuilder& unit);
void qlinear_global_average_pool(UnitBuilder& unit);
void qlinear_reduce_mean(UnitBuilder& unit);
void qlinear_softmax(UnitBuilder& unit);
void qlinear_where(UnitBuilder& unit);
void qlinear_concat(UnitBuilder& unit);
// element-wise: rules_elementwise.cpp
void arithmetic(UnitBuilder& unit);  // of plain integers, too
void modulus(UnitBuilder& unit);
void activation(UnitBuilder& unit);
void prelu(UnitBuilder& unit);
void softmax(UnitBuilder& unit);
void gate(UnitBuilder& unit, std::size_t sigmoid);  // anchored at the Mul; see find_gate()
// windows and reductions: rules_reduce.cpp
void pool(UnitBuilder& unit);
// The Pad of zeros that alone feeds an AveragePool without pads: the two are one average that counts the padding.
std::optional<std::size_t> find_padded_pool(const GraphIndex& index, std::size_t pad);
void global_pool(UnitBuilder& unit);
void reduce(UnitBuilder& unit);
// normalizations: rules_normalization.cpp
void layer_normalization(UnitBuilder& unit);  // and RMSNormalization
void instance_normalization(UnitBuilder& unit);
void group_normalization(UnitBuilder& unit);
void batch_normalization(UnitBuilder& unit);
void lp_normalization(UnitBuilder& unit);
void local_response_normalization(UnitBuilder& unit);
void decomposed(UnitBuilder& unit, const Decomposed& found);  // anchored at its last node
// operators that onnxruntime fuses: rules_fused.cpp, rules_attention.cpp
void fused_matmul(UnitBuilder& unit);
void fused_gemm(UnitBuilder& unit);
void fused_conv(UnitBuilder& unit);
void fast_gelu(UnitBuilder& unit);  // and BiasGelu
void skip_normalization(UnitBuilder& unit);
void attention(UnitBuilder& unit);
void multi_head_attention(UnitBuilder& unit);
void embed_layer_normalization(UnitBuilder& unit);
// data movement: rules_movement.cpp
void concat(UnitBuilder& unit);
void pad(UnitBuilder& unit);
void reshape(UnitBuilder& unit);
void flatten(UnitBuilder& unit);
void squeeze(UnitBuilder& unit);  // and Unsqueeze
void identity(UnitBuilder& unit);
void dropout(UnitBuilder& unit);  // as in inference: the identity
void transpose(UnitBuilder& unit);
void slice(UnitBuilder& unit);
void split(UnitBuilder& unit);
void expand(UnitBuilder& unit);
void tile(UnitBuilder& unit);
void depth_to_space(UnitBuilder& unit);  // and SpaceToDepth
// indices: rules_index.cpp
void gather(UnitBuilder& unit);  // and GatherElements, GatherND
void arg(UnitBuilder& unit);
void top_k(UnitBuilder& unit);
void cum_sum(UnitBuilder& unit);
// integers that follow from shapes: rules_shape.cpp
void shape(UnitBuilder& unit);  // and Size
void range(UnitBuilder& unit);
void constant_of_shape(UnitBuilder& unit);
// conditions: rules_logic.cpp
void comparison(UnitBuilder& unit);
void is_nan(UnitBuilder& unit);
void logic(UnitBuilder& unit);
ir::DType add_plain_inputs(UnitBuilder& unit);  // all of the inputs, which have one plain type
void where(UnitBuilder& unit);
void cast(UnitBuilder& unit);
// Resize and Upsample: rules_resize.cpp
void resize(UnitBuilder& unit);
void upsample(UnitBuilder& unit);
// dynamic quantization: rules_dynamic.cpp
void dynamic_quantize(UnitBuilder& unit);
void integer_product(UnitBuilder& unit);          // MatMulInteger, ConvInteger
void dynamic_quantize_matmul(UnitBuilder& unit);  // and MatMulIntegerToFloat, of com.microsoft
// weights of few bits, quantized in blocks: rules_blocks.cpp
void matmul_nbits(UnitBuilder& unit);
// MatMul or Gemm of a float tensor and a constant whose DequantizeLinear has blocks; false where it is no such product.
bool block_product(UnitBuilder& unit, const ir::MatMulAttrs& attrs);
// Q and DQ that belong to no other unit: rules_quantize.cpp
void quantize(UnitBuilder& unit);
void dequantize(UnitBuilder& unit);
void dequantize_carried(UnitBuilder& unit, const std::string& value);  // see Workspace::Carried

// What Conv and the pools have in common.
struct Window {
  ir::Shape kernel, strides, dilations, pads;
  ir::ConvAttrs::AutoPad auto_pad = ir::ConvAttrs::AutoPad::notset;
};
Window read_window(const Node& node, const ir::Shape& default_kernel);

ir::ConvAttrs read_conv(const UnitBuilder& unit, const ir::Value& x, const ir::Value& weight);
ir::PoolAttrs read_pool(const Node& node, ir::PoolAttrs::Op op);
void check_pool_rank(const UnitBuilder& unit, const ir::Value& x);

// The integer tensor at `input`, its scale and zero point behind it; a constant's may vary along `channel_axis`.
ir::Value add_qlinear_tensor(UnitBuilder& unit, std::size_t input, std::size_t channel_axis = 0);
// What the node says of its output.
Quantization qlinear_output(const UnitBuilder& unit);

}  // namespace rules
}  // namespace vaip::frontend
