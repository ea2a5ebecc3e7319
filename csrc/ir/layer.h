// Layers: what a quantized ONNX (sub)graph computes once its Q/DQ pairs are folded into the operators.
//
// A layer reads values (quantized integers or float), and writes values. Its meaning is that of docs/numerics.md: with
// DQ(q) = (q - zero_point) * scale, the output is Q(activation(op(DQ(x), DQ(w), ...))) evaluated in real arithmetic and
// rounded half to even once, at the end. A float output value without quantization parameters is the same real number,
// rounded to float32. Plain integers and booleans (masks, indices) stand for themselves.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "ir/attributes.h"

namespace vaip::ir {

using ValueId = std::int32_t;
inline constexpr ValueId kNoValue = -1;  // an optional input that is absent

struct Layer {
  std::string name;                     // the anchor node's name (its first output's name where it has none)
  std::string op;                       // the anchor node's ONNX op type, e.g. "Conv"; what reports print
  std::vector<std::string> onnx_nodes;  // every node that this layer covers, the anchor first
  LayerAttrs attrs;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;

  template <typename Attrs>
  const Attrs* as() const {
    return std::get_if<Attrs>(&attrs);
  }
};

// True for layers that only rearrange elements (Concat ... SpaceDepth; nearest Resize is not among them).
bool is_data_movement(const Layer& layer);

}  // namespace vaip::ir
