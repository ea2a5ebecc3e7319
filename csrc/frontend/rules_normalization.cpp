// Normalizations.
#include <algorithm>
#include <array>

#include "frontend/rules.h"

namespace vaip::frontend::rules {
namespace {

using Op = ir::NormalizationAttrs::Op;

ir::NormalizationAttrs read(const Node& node, Op op) {
  ir::NormalizationAttrs attrs;
  attrs.op = op;
  attrs.epsilon = attribute(node, "epsilon", 1e-5F);
  return attrs;
}

// Constants, quantized or float: the layer applies them as real numbers. `last`: of the inputs from 1 on.
void add_parameters(UnitBuilder& unit, std::size_t last) {
  constexpr std::array<const char*, 5> names = {"", "scale", "bias", "mean", "variance"};
  for (std::size_t i = 1; i <= last; ++i) unit.add_bias(i, names[i]);
}

void require_only_result(const UnitBuilder& unit) {
  const Node& node = unit.node();
  for (std::size_t i = 1; i < node.outputs.size(); ++i) {
    const std::string& name = node.outputs[i];
    if (!name.empty() && (unit.index().escapes(name) || !unit.index().consumers(name).empty()))
      unit.decline("its output ", i, " (`", name, "`) is not supported; only the normalised tensor is");
  }
}

void finish(UnitBuilder& unit, const ir::NormalizationAttrs& attrs) {
  require_only_result(unit);
  unit.finish(attrs, 1);
}

// Instance and group normalization: neither their scale nor their bias may be absent.
void finish_scaled_and_shifted(UnitBuilder& unit, const ir::NormalizationAttrs& attrs) {
  const Node& node = unit.node();
  if (!has_input(node, 1) || !has_input(node, 2)) reject(node, "has no scale or no bias");
  unit.add_activation(0);
  add_parameters(unit, 2);
  finish(unit, attrs);
}

// The parameter's dimensions are the last ones of the tensor that it scales or shifts, or 1.
void require_broadcast(const UnitBuilder& unit, const ir::Value& parameter, const ir::Shape& normalised) {
  const ir::Shape& shape = parameter.shape;
  bool fits = shape.size() <= normalised.size();
  for (std::size_t d = 0; fits && d < shape.size(); ++d)
    fits = shape[d] == 1 || shape[d] == normalised[normalised.size() - shape.size() + d];
  if (!fits) unit.decline("`", parameter.name, "` does not broadcast to ", ir::to_string(normalised));
}

}  // namespace

// Also RMSNormalization and onnxruntime's SimplifiedLayerNormalization, which do not subtract the mean.
void layer_normalization(UnitBuilder& unit) {
  const Node& node = unit.node();
  ir::NormalizationAttrs attrs = read(node, node.op_type == "LayerNormalization" ? Op::layer : Op::rms);
  attrs.axis = attribute(node, "axis", std::int64_t{-1});
  unit.add_activation(0);
  if (!has_input(node, 1)) reject(node, "has no scale");
  add_parameters(unit, attrs.op == Op::layer ? 2 : 1);
  finish(unit, attrs);
}

void instance_normalization(UnitBuilder& unit) { finish_scaled_and_shifted(unit, read(unit.node(), Op::instance)); }

// Its scale and bias have one element per group before version 21, one per channel since.
void group_normalization(UnitBuilder& unit) {
  const Node& node = unit.node();
  if (!has_attribute(node, "num_groups")) reject(node, "has no num_groups");
  ir::NormalizationAttrs attrs = read(node, Op::group);
  attrs.groups = attribute(node, "num_groups", std::int64_t{1});
  finish_scaled_and_shifted(unit, attrs);
}

void batch_normalization(UnitBuilder& unit) {
  const Node& node = unit.node();
  if (node.since_version < 7) unit.decline("opset versions before 7 are not supported");
  if (attribute(node, "training_mode", std::int64_t{0}) != 0) unit.decline("training_mode is not supported");
  if (attribute(node, "spatial", std::int64_t{1}) != 1) unit.decline("spatial = 0 is not supported");
  for (std::size_t i = 1; i < 5; ++i)
    if (!has_input(node, i)) reject(node, "input ", i, " is missing");
  const ir::NormalizationAttrs attrs = read(node, Op::batch);
  unit.add_activation(0);
  add_parameters(unit, 4);
  finish(unit, attrs);
}

void lp_normalization(UnitBuilder& unit) {
  const Node& node = unit.node();
  const std::int64_t p = attribute(node, "p", std::int64_t{2});
  if (p != 1 && p != 2) reject(node, "p is ", p);
  ir::NormalizationAttrs attrs;
  attrs.op = p == 1 ? Op::l1 : Op::l2;
  attrs.axis = attribute(node, "axis", std::int64_t{-1});
  unit.add_activation(0);
  finish(unit, attrs);
}

void decomposed(UnitBuilder& unit, const Decomposed& found) {
  const ir::Shape shape = unit.add_activation(found.input).shape;
  for (const std::size_t i : found.nodes) {
    unit.cover(i);
    for (const std::string& input : unit.index().node(i).inputs) unit.cover_dequantize(input);
  }
  ir::LayerAttrs attrs = found.attrs;
  if (auto* normalization = std::get_if<ir::NormalizationAttrs>(&attrs)) {
    const auto rank = static_cast<std::int64_t>(shape.size()), count = static_cast<std::int64_t>(found.axes.size());
    std::vector<std::int64_t> axes = found.axes;
    for (std::int64_t& axis : axes) axis += axis < 0 ? rank : 0;
    std::sort(axes.begin(), axes.end());
    for (std::int64_t i = 0; i < count; ++i) {
      if (axes[static_cast<std::size_t>(i)] != rank - count + i) unit.decline("means over other than the last axes");
    }
    if (count == 0) unit.decline("means over all axes");
    normalization->axis = -count;
    const ir::Shape normalised(shape.end() - count, shape.end());
    if (!found.scale.empty()) require_broadcast(unit, unit.add_parameter(found.scale, "scale"), normalised);
    if (found.scale.empty() && !found.bias.empty()) unit.add_absent();
    if (!found.bias.empty()) require_broadcast(unit, unit.add_parameter(found.bias, "bias"), normalised);
  }
  unit.finish(attrs);
}

void local_response_normalization(UnitBuilder& unit) {
  unit.decline(
      "is on the CPU with AMD's compiler, too: the IPU has no layer for it; train the network with BatchNormalization "
      "instead, or leave it there");
}

}  // namespace vaip::frontend::rules
