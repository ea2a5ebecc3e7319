// The attributes of each kind of layer, with ONNX's meaning.
#pragma once

#include <cstdint>
#include <limits>
#include <variant>
#include <vector>

#include "ir/activation.h"
#include "ir/shape.h"

namespace vaip::ir {

struct QuantizeAttrs {};    // float -> integers of the output value's parameters
struct DequantizeAttrs {};  // integers -> float
struct RequantizeAttrs {};  // integers -> integers of other parameters (also integer type conversion)

// inputs: x [N,C,spatial...], w [M,C/group,kernel...], bias [M] or absent, addend or absent: a tensor of the output's
// shape that is added before the activation, for outputs that are floats. 1 to 3 spatial dimensions.
struct ConvAttrs {
  Shape kernel, strides, dilations;
  Shape pads;  // begins then ends; already explicit unless auto_pad says otherwise
  enum class AutoPad : std::uint8_t { notset, valid, same_upper, same_lower } auto_pad = AutoPad::notset;
  std::int64_t groups = 1;
  Activation activation;
};

// inputs: x [N,C,spatial...], w [C,M/group,kernel...], bias [M] or absent: the gradient of a convolution. Where
// output_shape (spatial dimensions only) is given, it decides the pads.
struct ConvTransposeAttrs {
  Shape kernel, strides, dilations, pads, output_padding, output_shape;
  ConvAttrs::AutoPad auto_pad = ConvAttrs::AutoPad::notset;
  std::int64_t groups = 1;
  Activation activation;
};

// inputs: a [..., M, K], b [..., K, N], bias (broadcastable to the output) or absent, addend (the same, for float
// outputs) or absent. Gemm and MatMul, numpy rules for rank 1 and batch broadcasting. The output is the activation of
// alpha * a' b' + beta * bias + addend.
struct MatMulAttrs {
  bool transpose_a = false, transpose_b = false;
  double alpha = 1.0, beta = 1.0;
  Activation activation;
};

// Dynamic quantization. outputs: q (u8), scale (float scalar), zero point (u8 scalar), by ONNX's DynamicQuantizeLinear.
struct DynamicQuantizeAttrs {};

// Products with an operand whose parameters are computed at run time. inputs: a (u8, s8, or float, which is first
// quantized as by DynamicQuantizeLinear), b (constant, with its parameters: per tensor or along the output channels),
// zero point of a (scalar) or absent, scale of a (float scalar) or absent, bias (float) or absent. With a scale, or a
// float a, the output is the float sum (a - za)(b - zb) * sa * sb + bias; else it is the s32 sum (a - za)(b - zb).
struct IntegerMatMulAttrs {};
struct IntegerConvAttrs {
  ConvAttrs conv;
};

// inputs: two or more (Sum, Min, Max), broadcast to a common shape.
struct ArithmeticAttrs {
  enum class Op : std::uint8_t { add, sub, mul, div, min, max, pow, prelu } op = Op::add;
  Activation activation;
};

// Two tensors of numbers, broadcast to a common shape, compared as real numbers; the output is boolean.
struct ComparisonAttrs {
  enum class Op : std::uint8_t { equal, unequal, greater, greater_or_equal, less, less_or_equal } op = Op::equal;
};

// Plain integers or booleans (no quantization parameters), broadcast to a common shape; logical_not and bitwise_not
// have one input. The output has the inputs' type.
struct LogicAttrs {
  enum class Op : std::uint8_t {
    logical_and,
    logical_or,
    logical_xor,
    logical_not,
    bitwise_and,
    bitwise_or,
    bitwise_xor,
    bitwise_not,
    shift_left,
    shift_right
  } op = Op::logical_and;
};

// Two tensors of plain integers, broadcast to a common shape; the output has their type and wraps around. div is cut
// off towards zero; a modulus has the sign of the divisor, a remainder that of the dividend.
struct IntegerArithmeticAttrs {
  enum class Op : std::uint8_t { add, sub, mul, div, modulus, remainder, min, max } op = Op::add;
};

// inputs: condition (boolean), a, b, broadcast to a common shape: a where the condition holds, else b.
struct WhereAttrs {};

// Another element type, by ONNX's rules; neither side is quantized.
struct CastAttrs {};

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
  enum class Op : std::uint8_t { mean, sum, max, min, prod, l1, l2, sum_square, log_sum, log_sum_exp } op = Op::mean;
  std::vector<std::int64_t> axes;  // empty: all, or none if noop_with_empty_axes; may be negative
  bool all_from_axis2 = false;     // the Global* pools: axes 2..rank-1, whatever the rank
  bool keepdims = true, noop_with_empty_axes = false;
  Activation activation;
};

struct SoftmaxAttrs {
  std::int64_t axis = -1;
  bool log = false;
  bool flatten_to_2d = false;  // opset < 13: the input is coerced to 2-D at `axis`
  bool nan_is_zero = false;    // rows of no numbers (all masked) become zeros
};

// (x - mean) / sqrt(variance + epsilon) * scale + bias over groups of elements; rms: x / sqrt(mean square + epsilon).
// inputs: x, scale or absent, bias or absent.
//   layer, rms  the dimensions from `axis` on together; scale and bias broadcast to them
//   instance    the spatial dimensions of each channel (axis 1); scale and bias [C]
//   group       `groups` runs of channels with their spatial dimensions; scale and bias [C] or [groups]
//   batch       nothing is measured: scale, bias, mean and variance [C] are inputs 1 to 4
//   l1, l2      along `axis`: x / sum |x|, x / sqrt(sum x^2); 0 where that is 0/0
struct NormalizationAttrs {
  enum class Op : std::uint8_t { layer, rms, instance, group, batch, l1, l2 } op = Op::layer;
  std::int64_t axis = -1, groups = 1;
  double epsilon = 1e-5;
  Activation activation;
};

// The index (s64) of the largest or smallest element along an axis, the first of several unless select_last.
struct ArgAttrs {
  enum class Op : std::uint8_t { max, min } op = Op::max;
  std::int64_t axis = 0;
  bool keepdims = true, select_last = false;
};

// outputs: the k largest or smallest elements along an axis, sorted, and their indices (s64). Of equal elements the one
// with the lower index comes first.
struct TopKAttrs {
  std::int64_t k = 1, axis = -1;
  bool largest = true;
};

// Sums of the elements up to each position along an axis.
struct CumSumAttrs {
  std::int64_t axis = 0;
  bool exclusive = false, reverse = false;
};

// ---- integers that follow from shapes: known, and no layers any more, once shapes are bound (ir/binding.h) ----
// The dimensions [start, end) of the input or, with `count`, the number of its elements.
struct ShapeAttrs {
  std::int64_t start = 0, end = std::numeric_limits<std::int64_t>::max();
  bool count = false;
};
// inputs: start, limit and delta, scalars of one integer type.
struct RangeAttrs {};

// What stands in an attribute for an entry that is computed from shapes: the layer has it as a further input, behind
// the tensor that it moves, and binding shapes puts the number here and takes the input away.
inline constexpr std::int64_t kComputed = std::numeric_limits<std::int64_t>::min();

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
  std::vector<std::int64_t>
      spec;  // reshape: target shape with 0 and -1 (may be computed); squeeze/unsqueeze: axes; flatten: {axis}
  bool allow_zero = false;
};
struct TransposeAttrs {
  std::vector<std::int64_t> perm;
};  // empty: reverse
struct SliceAttrs {
  std::vector<std::int64_t> starts, ends;  // may be computed
  std::vector<std::int64_t> axes, steps;
};
struct SplitAttrs {
  std::int64_t axis = 0;
  std::vector<std::int64_t> sizes;  // empty: equal parts
};
struct ExpandAttrs {
  Shape shape;  // may be computed
};  // the output is the broadcast of the input's shape and this one
struct TileAttrs {
  std::vector<std::int64_t> repeats;  // per dimension; may be computed
};
// inputs: data, indices (s32 or s64; negative ones count from the end). gather: the slices at the indices along `axis`;
// elements: one element per index, along `axis`; nd: slices at index tuples, after batch_dims common dimensions.
struct GatherAttrs {
  enum class Op : std::uint8_t { gather, elements, nd } op = Op::gather;
  std::int64_t axis = 0, batch_dims = 0;
};
// Blocks of block x block pixels become channels, or the reverse. dcr: the block's position is the slower part of the
// channel number (depth, column, row); crd: the faster.
struct SpaceDepthAttrs {
  enum class Op : std::uint8_t { depth_to_space, space_to_depth } op = Op::depth_to_space;
  enum class Order : std::uint8_t { dcr, crd } order = Order::dcr;
  std::int64_t block = 1;
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

using LayerAttrs =
    std::variant<QuantizeAttrs, DequantizeAttrs, RequantizeAttrs, ConvAttrs, ConvTransposeAttrs, MatMulAttrs,
                 DynamicQuantizeAttrs, IntegerMatMulAttrs, IntegerConvAttrs, ArithmeticAttrs, ComparisonAttrs,
                 LogicAttrs, IntegerArithmeticAttrs, WhereAttrs, CastAttrs, ElementwiseAttrs, PoolAttrs, ReduceAttrs,
                 SoftmaxAttrs, NormalizationAttrs, ArgAttrs, TopKAttrs, CumSumAttrs, ShapeAttrs, RangeAttrs,
                 ConcatAttrs, PadAttrs, ReshapeAttrs, TransposeAttrs, SliceAttrs, SplitAttrs, ExpandAttrs, TileAttrs,
                 GatherAttrs, SpaceDepthAttrs, ResizeAttrs>;

}  // namespace vaip::ir
