// A graph of layers over values; the hand-over from the frontend to the compiler.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ir/dtype.h"
#include "ir/layer.h"
#include "ir/shape.h"

namespace vaip::ir {

// real = (q - zero_point) * scale. One entry each: per tensor. More: one per index along `axis` or, in blocks, one per
// `block` indices along it and per index of every other dimension (row-major over the tensor so shortened).
struct QuantParams {
  std::vector<float> scale;
  std::vector<std::int32_t> zero_point;  // same length as scale
  int axis = 0;                          // meaningful when scale.size() > 1; never negative
  std::int64_t block = 0;                // 0: not in blocks

  bool per_tensor() const { return scale.size() == 1; }
  bool operator==(const QuantParams& o) const {
    return scale == o.scale && zero_point == o.zero_point && (per_tensor() || (axis == o.axis && block == o.block));
  }
  bool operator!=(const QuantParams& o) const { return !(*this == o); }
};

// Bytes of a constant, shared between graphs and programs; row-major.
struct Constant {
  std::shared_ptr<const std::byte> data;
  std::size_t size_bytes = 0;
  template <typename T>
  const T* as() const {
    return reinterpret_cast<const T*>(data.get());
  }
};

struct Value {
  std::string name;  // the ONNX value's name
  DType dtype = DType::undefined;
  Shape shape;                       // kDynamic where unknown; all static in a compiled Program
  std::optional<QuantParams> quant;  // absent: a float (or plain integer) tensor
  std::optional<Constant> constant;
};

struct Graph {
  std::vector<Value> values;
  std::vector<Layer> layers;  // topologically ordered
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;

  ValueId add_value(Value value) {
    values.push_back(std::move(value));
    return static_cast<ValueId>(values.size()) - 1;
  }
  const Value& value(ValueId id) const { return values[static_cast<std::size_t>(id)]; }
  Value& value(ValueId id) { return values[static_cast<std::size_t>(id)]; }
};

// Shapes of the layer's outputs from those of its inputs (unknown dimensions stay kDynamic where they matter).
// Throws Error(invalid_model) that names the layer, op and shapes when they do not fit together.
std::vector<Shape> infer_shapes(const Graph& graph, const Layer& layer);

// Explicit begin/end pads of a convolution or pooling window, auto_pad resolved. spatial: the input's spatial
// dimensions.
Shape explicit_pads(const Shape& spatial, const Shape& kernel, const Shape& strides, const Shape& dilations,
                    const Shape& pads, ConvAttrs::AutoPad auto_pad);

// Explicit begin/end pads of a transposed convolution, auto_pad and output_shape resolved.
Shape transposed_pads(const ConvTransposeAttrs& attrs, const Shape& spatial, const Shape& kernel);

// Multiply-accumulates of a layer with static shapes; 0 for layers without (pooling, element-wise, data movement).
std::int64_t macs(const Graph& graph, const Layer& layer);

}  // namespace vaip::ir
