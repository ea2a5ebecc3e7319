// The shape rules of the layer kinds, one overload each; ir::infer_shapes() picks by the layer's attributes.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "ir/graph.h"

namespace vaip::ir::shape_inference {

// What a rule sees: the layer, and the shape of each input (nullptr for an absent one).
class Inputs {
 public:
  Inputs(const Graph& graph, const Layer& layer);

  std::size_t count() const { return shapes_.size(); }
  bool has(std::size_t i) const { return i < shapes_.size() && shapes_[i] != nullptr; }
  const Shape& operator[](std::size_t i) const;  // throws Error(invalid_model) when the input is absent
  std::size_t outputs() const { return layer_.outputs.size(); }

  // Throws Error(kind): "Conv `name`: <parts> (input shapes 1x3x8x8, 4x3x3x3)".
  template <typename... Parts>
  [[noreturn]] void reject(ErrorKind kind, Parts&&... parts) const {
    fail(kind, layer_.op, " `", layer_.name, "`: ", std::forward<Parts>(parts)..., " (input shapes ", describe(), ")");
  }
  template <typename... Parts>
  void require(bool condition, Parts&&... parts) const {
    if (!condition) reject(ErrorKind::invalid_model, std::forward<Parts>(parts)...);
  }
  // The axis counted from the front; throws Error(invalid_model) when it is outside [-rank, rank).
  std::size_t axis(std::int64_t axis, std::size_t rank) const;
  // The same for a list; an empty one means all axes. Throws when an axis occurs twice.
  std::vector<std::size_t> axes(const std::vector<std::int64_t>& axes, std::size_t rank) const;
  // a * b; throws Error(invalid_model) when 64 bits do not hold it.
  std::int64_t multiply(std::int64_t a, std::int64_t b) const;
  // broadcast(), with the layer named in the error.
  Shape broadcast(const Shape& a, const Shape& b) const;
  // Throws Error(invalid_model) unless a window's parameter (strides, pads, ...) is absent or has `count` entries, each
  // `least` or more and small enough that the rules' arithmetic stays within 64 bits.
  void require_window(const Shape& parameter, std::size_t count, std::int64_t least, const char* what) const;

 private:
  std::string describe() const;
  const Layer& layer_;
  std::vector<const Shape*> shapes_;
};

// Entry i of a window's parameter, or the value that stands for an absent one.
inline std::int64_t entry_or(const Shape& parameter, std::size_t i, std::int64_t otherwise) {
  return i < parameter.size() ? parameter[i] : otherwise;
}

// Whether two dimensions are known and not the same.
inline bool differ(std::int64_t a, std::int64_t b) { return a != b && a != kDynamic && b != kDynamic; }

// windows and matrices
std::vector<Shape> infer(const ConvAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const ConvTransposeAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const IntegerConvAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const PoolAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const MatMulAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const IntegerMatMulAttrs& attrs, const Inputs& in);
// element-wise and reductions
std::vector<Shape> infer(const QuantizeAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const DequantizeAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const RequantizeAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const DynamicQuantizeAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const CastAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const ElementwiseAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const ArithmeticAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const ComparisonAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const LogicAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const IntegerArithmeticAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const WhereAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const ReduceAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const ArgAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const TopKAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const CumSumAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const SoftmaxAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const NormalizationAttrs& attrs, const Inputs& in);
// integers that follow from shapes
std::vector<Shape> infer(const ShapeAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const RangeAttrs& attrs, const Inputs& in);
// data movement
std::vector<Shape> infer(const ConcatAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const PadAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const ReshapeAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const TransposeAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const SliceAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const SplitAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const ExpandAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const TileAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const GatherAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const SpaceDepthAttrs& attrs, const Inputs& in);
std::vector<Shape> infer(const ResizeAttrs& attrs, const Inputs& in);

}  // namespace vaip::ir::shape_inference
