// Layers: what a quantized ONNX (sub)graph computes once its Q/DQ pairs are folded into the operators.
//
// A layer reads values (quantized integers or float), and writes values. Its meaning is that of docs/numerics.md: with
// DQ(q) = (q - zero_point) * scale, the output is Q(activation(op(DQ(x), DQ(w), ...))) evaluated in real arithmetic and
// rounded half to even once, at the end. An output value without quantization parameters is float: the same real
// number, rounded to float32.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ir/shape.h"

namespace vaip::ir {

using ValueId = std::int32_t;
inline constexpr ValueId kNoValue = -1;  // an optional input that is absent

// Scalar functions R -> R, as ONNX defines them. alpha/beta are the operator's attributes of these names
// (clip: alpha = min, beta = max; hard_sigmoid: max(0, min(1, alpha*x + beta)); leaky_relu, elu: alpha).
// Quark's XINT8 flow puts a Mul by a constant behind some of them, which the device does not execute separately:
// linear: alpha*x + beta; scaled_hard_sigmoid: beta * max(0, min(1, alpha*x + 0.5)).
struct Activation {
  enum class Kind : std::uint8_t {
    none,
    relu,
    clip,
    leaky_relu,
    elu,
    sigmoid,
    hard_sigmoid,
    hard_swish,
    swish,
    tanh,
    gelu,
    gelu_tanh,
    softplus,
    mish,
    exp,
    log,
    sqrt,
    reciprocal,
    neg,
    abs,
    erf,
    floor,
    ceil,
    round,
    sign,
    identity,
    linear,
    scaled_hard_sigmoid,
  };
  Kind kind = Kind::none;
  double alpha = 0.0;
  double beta = 0.0;
};
std::string_view name(Activation::Kind kind);
double apply(const Activation& activation, double x);  // the definition, in float64

struct QuantizeAttrs {};    // float -> integers of the output value's parameters
struct DequantizeAttrs {};  // integers -> float
struct RequantizeAttrs {};  // integers -> integers of other parameters (also integer type conversion)

// inputs: x [N,C,spatial...], w [M,C/group,kernel...], bias [M] or absent. 1 to 3 spatial dimensions.
struct ConvAttrs {
  Shape kernel, strides, dilations;
  Shape pads;  // begins then ends; already explicit unless auto_pad says otherwise
  enum class AutoPad : std::uint8_t { notset, valid, same_upper, same_lower } auto_pad = AutoPad::notset;
  std::int64_t groups = 1;
  Activation activation;
};

// inputs: a [..., M, K], b [..., K, N], bias (broadcastable to the output) or absent. Gemm and MatMul, numpy rules for
// rank 1 and batch broadcasting. out = alpha * a' b' + beta * bias.
struct MatMulAttrs {
  bool transpose_a = false, transpose_b = false;
  double alpha = 1.0, beta = 1.0;
  Activation activation;
};

// inputs: two or more (Sum, Min, Max), broadcast to a common shape.
struct ArithmeticAttrs {
  enum class Op : std::uint8_t { add, sub, mul, div, min, max, pow, prelu } op = Op::add;
  Activation activation;
};

struct ElementwiseAttrs {
  Activation function;
};

struct PoolAttrs {
  enum class Op : std::uint8_t { max, average } op = Op::max;
  Shape kernel, strides, dilations, pads;
  ConvAttrs::AutoPad auto_pad = ConvAttrs::AutoPad::notset;
  bool ceil_mode = false, count_include_pad = false;
  Activation activation;
};

// Reductions; GlobalAveragePool and GlobalMaxPool are reductions over the spatial axes with keepdims.
struct ReduceAttrs {
  enum class Op : std::uint8_t { mean, sum, max, min } op = Op::mean;
  std::vector<std::int64_t> axes;  // empty: all, or none if noop_with_empty_axes; may be negative
  bool all_from_axis2 = false;     // the Global* pools: axes 2..rank-1, whatever the rank
  bool keepdims = true, noop_with_empty_axes = false;
  Activation activation;
};

struct SoftmaxAttrs {
  std::int64_t axis = -1;
  bool log = false;
  bool flatten_to_2d = false;  // opset < 13: the input is coerced to 2-D at `axis`
};

// ---- data movement: integers are moved unchanged when input and output parameters agree, else requantized ----
struct ConcatAttrs {
  std::int64_t axis = 0;
};
struct PadAttrs {
  enum class Mode : std::uint8_t { constant, reflect, edge, wrap } mode = Mode::constant;
  std::vector<std::int64_t> pads;  // begins then ends, per entry of axes
  std::vector<std::int64_t> axes;  // empty: all
  double value = 0.0;              // real number (not quantized)
};
struct ReshapeAttrs {
  enum class Op : std::uint8_t { reshape, flatten, squeeze, unsqueeze, identity } op = Op::reshape;
  std::vector<std::int64_t> spec;  // reshape: target shape with 0 and -1; squeeze/unsqueeze: axes; flatten: {axis}
  bool allow_zero = false;
};
struct TransposeAttrs {
  std::vector<std::int64_t> perm;
};  // empty: reverse
struct SliceAttrs {
  std::vector<std::int64_t> starts, ends, axes, steps;
};
struct SplitAttrs {
  std::int64_t axis = 0;
  std::vector<std::int64_t> sizes;  // empty: equal parts
};
struct ResizeAttrs {
  enum class Mode : std::uint8_t { nearest, linear } mode = Mode::nearest;
  enum class Coordinates : std::uint8_t {
    half_pixel,
    half_pixel_symmetric,
    pytorch_half_pixel,
    align_corners,
    asymmetric
  };
  Coordinates coordinates = Coordinates::half_pixel;
  enum class Nearest : std::uint8_t {
    round_prefer_floor,
    round_prefer_ceil,
    floor,
    ceil
  } nearest = Nearest::round_prefer_floor;
  std::vector<double> scales;       // per entry of axes; empty when sizes are given
  std::vector<std::int64_t> sizes;  // per entry of axes
  std::vector<std::int64_t> axes;   // empty: all
};

using LayerAttrs = std::variant<QuantizeAttrs, DequantizeAttrs, RequantizeAttrs, ConvAttrs, MatMulAttrs,
                                ArithmeticAttrs, ElementwiseAttrs, PoolAttrs, ReduceAttrs, SoftmaxAttrs, ConcatAttrs,
                                PadAttrs, ReshapeAttrs, TransposeAttrs, SliceAttrs, SplitAttrs, ResizeAttrs>;

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

// True for layers that only rearrange elements (Concat ... Split and nearest Resize is not among them).
bool is_data_movement(const Layer& layer);

}  // namespace vaip::ir
