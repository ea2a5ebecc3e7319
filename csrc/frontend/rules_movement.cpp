// Layers that rearrange elements. What an operator took as an attribute in its early versions and takes as an input
// since is read from whichever there is.
#include "frontend/rules.h"

namespace vaip::frontend::rules {
namespace {

std::vector<std::int64_t> integers(UnitBuilder& unit, const char* name, std::size_t input) {
  if (const auto given = unit.constant_integers(input, name)) return *given;
  return attribute(unit.node(), name, std::vector<std::int64_t>{});
}

UnitBuilder::ShapeParameter shape_integers(UnitBuilder& unit, const char* name, std::size_t input) {
  if (auto given = unit.shape_parameter(input, name)) return *std::move(given);
  return {attribute(unit.node(), name, std::vector<std::int64_t>{}), false};
}

double real_fill(UnitBuilder& unit) {
  const auto value = unit.constant_reals(2, "constant_value");
  if (value && value->size() != 1) reject(unit.node(), "constant_value is not a scalar");
  return value ? (*value)[0] : attribute(unit.node(), "value", 0.0F);
}

// Between integers the constant is one, too: this is the number that it stands for.
double integer_fill(UnitBuilder& unit, const ir::QuantParams& quantization) {
  const std::vector<std::int64_t> value =
      unit.constant_integers(2, "constant_value").value_or(std::vector<std::int64_t>{0});
  if (value.size() != 1) reject(unit.node(), "constant_value is not a scalar");
  return static_cast<double>(value[0] - quantization.zero_point[0]) * quantization.scale[0];
}

// The tensor that a layer moves: a quantized one, a layer's float result, plain integers or booleans.
// parameters: what is said of the move by the inputs from `first` on.
void add_moved(UnitBuilder& unit, std::size_t first = 1,
               const std::vector<UnitBuilder::ShapeParameter>& parameters = {}) {
  unit.require_per_tensor(unit.add_elements(0));
  unit.add_computed(first, parameters);
  unit.require_activation();
}

void finish_reshape(UnitBuilder& unit, ir::ReshapeAttrs::Op op, std::vector<std::int64_t> spec) {
  ir::ReshapeAttrs attrs;
  attrs.op = op;
  attrs.spec = std::move(spec);
  add_moved(unit);
  unit.finish(std::move(attrs));
}

}  // namespace

void concat(UnitBuilder& unit) {
  const Node& node = unit.node();
  if (!has_attribute(node, "axis")) reject(node, "has no axis");
  if (node.inputs.empty()) reject(node, "has no inputs");
  for (std::size_t i = 0; i < node.inputs.size(); ++i) unit.require_per_tensor(unit.add_elements(i));
  unit.require_activation();
  unit.finish(ir::ConcatAttrs{attribute(node, "axis", std::int64_t{0})});
}

void pad(UnitBuilder& unit) {
  const Node& node = unit.node();
  ir::PadAttrs attrs;
  const std::string mode = attribute(node, "mode", "constant");
  if (mode == "constant") {
    attrs.mode = ir::PadAttrs::Mode::constant;
  } else if (mode == "reflect") {
    attrs.mode = ir::PadAttrs::Mode::reflect;
  } else if (mode == "edge") {
    attrs.mode = ir::PadAttrs::Mode::edge;
  } else if (mode == "wrap") {
    attrs.mode = ir::PadAttrs::Mode::wrap;
  } else {
    reject(node, "mode is '", mode, "'");
  }
  const ir::Value x = unit.add_activation(0);
  attrs.pads = integers(unit, "pads", 1);
  attrs.value = unit.on_integers() ? integer_fill(unit, *x.quant) : real_fill(unit);
  if (const auto axes = unit.constant_integers(3, "axes")) attrs.axes = *axes;
  unit.finish(std::move(attrs));
}

void reshape(UnitBuilder& unit) {
  const auto shape = unit.shape_parameter(1, "shape");
  if (!shape) reject(unit.node(), "has no shape");
  ir::ReshapeAttrs attrs;
  attrs.spec = shape->values;
  attrs.allow_zero = attribute(unit.node(), "allowzero", std::int64_t{0}) != 0;
  add_moved(unit, 1, {*shape});
  unit.finish(std::move(attrs));
}

void flatten(UnitBuilder& unit) {
  finish_reshape(unit, ir::ReshapeAttrs::Op::flatten, {attribute(unit.node(), "axis", std::int64_t{1})});
}

void squeeze(UnitBuilder& unit) {
  const bool removes = unit.node().op_type == "Squeeze";
  std::vector<std::int64_t> axes = integers(unit, "axes", 1);
  if (!removes && axes.empty() && !has_attribute(unit.node(), "axes") && !has_input(unit.node(), 1)) {
    reject(unit.node(), "has no axes");
  }
  finish_reshape(unit, removes ? ir::ReshapeAttrs::Op::squeeze : ir::ReshapeAttrs::Op::unsqueeze, std::move(axes));
}

void identity(UnitBuilder& unit) { finish_reshape(unit, ir::ReshapeAttrs::Op::identity, {}); }

void dropout(UnitBuilder& unit) {
  const Node& node = unit.node();
  if (node.outputs.size() > 1 && !node.outputs[1].empty()) unit.decline("the output mask is not supported");
  const auto training = unit.constant_integers(2, "training_mode");
  if (training && (training->size() != 1 || (*training)[0] != 0)) unit.decline("training_mode is not supported");
  if (node.since_version < 7 && attribute(node, "is_test", std::int64_t{0}) == 0) {
    unit.decline("is in training mode, as its is_test is 0");
  }
  finish_reshape(unit, ir::ReshapeAttrs::Op::identity, {});
}

void transpose(UnitBuilder& unit) {
  add_moved(unit);
  unit.finish(ir::TransposeAttrs{attribute(unit.node(), "perm", std::vector<std::int64_t>{})});
}

void slice(UnitBuilder& unit) {
  ir::SliceAttrs attrs;
  const UnitBuilder::ShapeParameter starts = shape_integers(unit, "starts", 1), ends = shape_integers(unit, "ends", 2);
  attrs.starts = starts.values;
  attrs.ends = ends.values;
  attrs.axes = integers(unit, "axes", 3);
  attrs.steps = unit.constant_integers(4, "steps").value_or(std::vector<std::int64_t>{});
  add_moved(unit, 1, {starts, ends});
  unit.finish(std::move(attrs));
}

void split(UnitBuilder& unit) {
  const Node& node = unit.node();
  ir::SplitAttrs attrs;
  attrs.axis = attribute(node, "axis", std::int64_t{0});
  attrs.sizes = integers(unit, "split", 1);
  const auto outputs = static_cast<std::int64_t>(node.outputs.size());
  const std::int64_t parts = attribute(node, "num_outputs", outputs);
  if (parts != outputs) reject(node, "num_outputs is ", parts, ", but it has ", outputs, " outputs");
  add_moved(unit);
  unit.finish(std::move(attrs));
}

void expand(UnitBuilder& unit) {
  const auto shape = unit.shape_parameter(1, "shape");
  if (!shape) reject(unit.node(), "has no shape");
  add_moved(unit, 1, {*shape});
  unit.finish(ir::ExpandAttrs{shape->values});
}

void tile(UnitBuilder& unit) {
  if (unit.node().since_version < 6) unit.decline("opset versions before 6 are not supported");
  const auto repeats = unit.shape_parameter(1, "repeats");
  if (!repeats) reject(unit.node(), "has no repeats");
  add_moved(unit, 1, {*repeats});
  unit.finish(ir::TileAttrs{repeats->values});
}

void depth_to_space(UnitBuilder& unit) {
  const Node& node = unit.node();
  if (!has_attribute(node, "blocksize")) reject(node, "has no blocksize");
  ir::SpaceDepthAttrs attrs;
  attrs.block = attribute(node, "blocksize", std::int64_t{1});
  if (node.op_type == "SpaceToDepth") attrs.op = ir::SpaceDepthAttrs::Op::space_to_depth;
  const std::string mode = attribute(node, "mode", "DCR");
  if (mode == "CRD") attrs.order = ir::SpaceDepthAttrs::Order::crd;
  if (mode != "CRD" && mode != "DCR") reject(node, "mode is '", mode, "'");
  add_moved(unit);
  unit.finish(attrs);
}

}  // namespace vaip::frontend::rules
