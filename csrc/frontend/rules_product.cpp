// Convolutions and matrix products.
#include <utility>

#include "frontend/rules.h"

namespace vaip::frontend::rules {
namespace {

using AutoPad = ir::ConvAttrs::AutoPad;

AutoPad read_auto_pad(const Node& node) {
  const std::string text = attribute(node, "auto_pad", "NOTSET");
  if (text == "NOTSET" || text.empty()) return AutoPad::notset;
  if (text == "VALID") return AutoPad::valid;
  if (text == "SAME_UPPER") return AutoPad::same_upper;
  if (text == "SAME_LOWER") return AutoPad::same_lower;
  reject(node, "auto_pad is '", text, "'");
}

// A constant operand's scales may vary along the output's columns only: those of a row would have to be applied inside
// the sum.
void check_weight_axis(const UnitBuilder& unit, const ir::Value& weight, bool transposed) {
  if (!weight.constant || !weight.quant || weight.quant->per_tensor()) return;
  const int rank = static_cast<int>(weight.shape.size());
  const int columns = transposed ? rank - 2 : rank - 1;
  if (rank < 2 || weight.quant->axis != columns) {
    unit.decline("weight `", weight.name, "` has per-channel parameters along axis ", weight.quant->axis,
                 "; only its output channels' axis is supported");
  }
}

// Products are of integers, whose accumulators are, or of floats that are converted.
void require_integers(const UnitBuilder& unit, const ir::Value& factor) {
  if (!factor.quant && !unit.converts_floats()) {
    unit.decline(factor.constant ? "weight `" : "input `", factor.name, "` is float; quantize it",
                 factor.constant ? "" : " (no DequantizeLinear before it)");
  }
}

// Both operands are numbers of one kind; a quantized constant stands for floats, too. Beside a float one a quantized
// tensor is read as the real numbers that it stands for, where floats are converted.
void make_one_kind(UnitBuilder& unit, const ir::Value& a, const ir::Value& b) {
  const auto is_float = [](const ir::Value& v) { return !v.quant; };
  const auto is_integer = [](const ir::Value& v) { return v.quant && !v.constant; };
  if (is_integer(a) && is_float(b)) unit.dequantize(0);
  if (is_integer(b) && is_float(a)) unit.dequantize(1);
}

// Adds a factor: quantized, a constant or not. What is a weight, per channel or packed, is on the right.
ir::Value add_left_factor(UnitBuilder& unit) {
  const ir::Value value = unit.add_operand(0);
  require_integers(unit, value);
  unit.require_per_tensor(value);
  return value;
}

ir::Value add_right_factor(UnitBuilder& unit) {
  const ir::Value value = unit.add_operand(1, Role::weight);
  require_integers(unit, value);
  return value;
}

}  // namespace

Window read_window(const Node& node, const ir::Shape& default_kernel) {
  Window window;
  window.kernel = attribute(node, "kernel_shape", default_kernel);
  const std::size_t rank = window.kernel.size();
  window.strides = attribute(node, "strides", ir::Shape(rank, 1));
  window.dilations = attribute(node, "dilations", ir::Shape(rank, 1));
  window.pads = attribute(node, "pads", ir::Shape(2 * rank, 0));
  window.auto_pad = read_auto_pad(node);
  return window;
}

ir::ConvAttrs read_conv(const UnitBuilder& unit, const ir::Value& x, const ir::Value& weight) {
  const std::size_t rank = weight.shape.size();
  if (rank < 3 || rank > 5) unit.decline("a weight of rank ", rank, "; 1 to 3 spatial dimensions are supported");
  if (x.shape.size() != rank) {
    reject(unit.node(), "input ", ir::to_string(x.shape), " and weight ", ir::to_string(weight.shape),
           " differ in rank");
  }
  if (weight.quant && !weight.quant->per_tensor() && weight.quant->axis != 0) {
    unit.decline("weight `", weight.name, "` has per-channel parameters along axis ", weight.quant->axis,
                 "; only the output channels' axis 0 is supported");
  }
  const Window window = read_window(unit.node(), ir::Shape(weight.shape.begin() + 2, weight.shape.end()));
  ir::ConvAttrs attrs;
  attrs.kernel = window.kernel;
  attrs.strides = window.strides;
  attrs.dilations = window.dilations;
  attrs.pads = window.pads;
  attrs.auto_pad = window.auto_pad;
  attrs.groups = attribute(unit.node(), "group", std::int64_t{1});
  return attrs;
}

void conv(UnitBuilder& unit) { conv(unit, {}); }

void conv(UnitBuilder& unit, const ir::Activation& activation) {
  const ir::Value x = unit.add_activation(0);
  require_integers(unit, x);
  const ir::Value weight = unit.add_weight(1);
  make_one_kind(unit, x, weight);
  unit.add_bias(2);
  ir::ConvAttrs attrs = read_conv(unit, x, weight);
  attrs.activation = activation;
  unit.finish(std::move(attrs));
}

void conv_transpose(UnitBuilder& unit) {
  const Node& node = unit.node();
  const ir::Value x = unit.add_activation(0);
  require_integers(unit, x);
  const ir::Value weight = unit.add_weight(1);
  make_one_kind(unit, x, weight);
  const std::size_t rank = weight.shape.size();
  if (rank < 3 || rank > 5) unit.decline("a weight of rank ", rank, "; 1 to 3 spatial dimensions are supported");
  if (weight.quant && !weight.quant->per_tensor() && weight.quant->axis != 1) {
    unit.decline("weight `", weight.name, "` has per-channel parameters along axis ", weight.quant->axis,
                 "; only the output channels' axis 1 is supported");
  }
  const Window window = read_window(node, ir::Shape(weight.shape.begin() + 2, weight.shape.end()));
  ir::ConvTransposeAttrs attrs;
  attrs.kernel = window.kernel;
  attrs.strides = window.strides;
  attrs.dilations = window.dilations;
  attrs.pads = window.pads;
  attrs.auto_pad = window.auto_pad;
  attrs.output_padding = attribute(node, "output_padding", ir::Shape{});
  attrs.output_shape = attribute(node, "output_shape", ir::Shape{});
  attrs.groups = attribute(node, "group", std::int64_t{1});
  unit.add_bias(2);
  unit.finish(std::move(attrs));
}

void gemm(UnitBuilder& unit) { gemm(unit, {}); }

void gemm(UnitBuilder& unit, const ir::Activation& activation) {
  const Node& node = unit.node();
  if (has_attribute(node, "broadcast")) unit.decline("opset versions before 7 are not supported");
  ir::MatMulAttrs attrs;
  attrs.transpose_a = attribute(node, "transA", std::int64_t{0}) != 0;
  attrs.transpose_b = attribute(node, "transB", std::int64_t{0}) != 0;
  attrs.alpha = attribute(node, "alpha", 1.0F);
  attrs.beta = attribute(node, "beta", 1.0F);
  attrs.activation = activation;
  if (block_product(unit, attrs)) return;
  const ir::Value a = add_left_factor(unit);
  const ir::Value b = add_right_factor(unit);
  make_one_kind(unit, a, b);
  if (a.shape.size() != 2 || b.shape.size() != 2) {
    reject(node, "operands of shapes ", ir::to_string(a.shape), " and ", ir::to_string(b.shape), " are not matrices");
  }
  check_weight_axis(unit, b, attrs.transpose_b);
  unit.require_activation();
  unit.add_bias(2);
  unit.finish(attrs);
}

void matmul(UnitBuilder& unit) {
  if (block_product(unit, {})) return;
  product(unit, {});
}

void product(UnitBuilder& unit, ir::MatMulAttrs attrs) {
  const ir::Value a = add_left_factor(unit);
  const ir::Value b = add_right_factor(unit);
  make_one_kind(unit, a, b);
  check_weight_axis(unit, b, attrs.transpose_b);
  unit.require_activation();
  unit.add_absent();
  unit.finish(std::move(attrs));
}

}  // namespace vaip::frontend::rules
