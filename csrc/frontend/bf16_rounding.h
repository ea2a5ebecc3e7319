// QuantizeLinear and DequantizeLinear that convert between float and bfloat16, as AMD Quark writes them for its BF16
// models (Extended... of com.amd.quark, scale 1). To a layer that computes in bfloat16 they do nothing.
#pragma once

#include "frontend/graph_index.h"

namespace vaip::frontend {

bool is_bf16_rounding(const GraphIndex& index, const Node& node);

// Whether a node of the graph quantizes to integers, or computes with such tensors: a model that somebody has prepared
// for the IPU. (Its float layers are meant to be float.)
bool is_quantized(const OnnxGraph& graph);

// Whether a product or a normalization reads a float constant of more than one element, or what is computed of one: a
// trained network, and not arithmetic by itself, whose results nobody expects to be rounded.
bool has_float_weights(const OnnxGraph& graph);

}  // namespace vaip::frontend
