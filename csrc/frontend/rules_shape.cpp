// Integers that follow from shapes: the dimensions of a tensor, ranges, tensors of a computed shape.
#include <limits>

#include "frontend/constants.h"
#include "frontend/rules.h"
#include "frontend/unit_values.h"

namespace vaip::frontend::rules {

void shape(UnitBuilder& unit) {
  const Node& node = unit.node();
  ir::ShapeAttrs attrs;
  attrs.count = node.op_type == "Size";
  attrs.start = attribute(node, "start", std::int64_t{0});
  attrs.end = attribute(node, "end", std::numeric_limits<std::int64_t>::max());
  unit.add_shape_source(0);
  unit.require_activation();
  unit.finish_plain(attrs, {ir::DType::s64});
}

void range(UnitBuilder& unit) {
  const Node& node = unit.node();
  if (node.inputs.size() != 3) reject(node, "has ", node.inputs.size(), " inputs");
  ir::DType dtype = ir::DType::undefined;
  for (std::size_t i = 0; i < 3; ++i) {
    if (!unit.is_plain(i)) unit.decline("`", node.inputs[i], "` is no integer (supported: int32, int64)");
    if (!unit.follows_from_shapes(i)) unit.decline("`", node.inputs[i], "` is computed from more than shapes");
    dtype = unit.add_plain(i).dtype;
    if (dtype != ir::DType::s64 && dtype != ir::DType::s32) {
      unit.decline("`", node.inputs[i], "` is ", ir::name(dtype), " (supported: int32, int64)");
    }
  }
  unit.require_activation();
  unit.finish_plain(ir::RangeAttrs{}, {dtype});
}

// One number, repeated.
void constant_of_shape(UnitBuilder& unit) {
  const Node& node = unit.node();
  const auto target = unit.shape_parameter(0, "shape");
  if (!target) reject(node, "has no shape");
  if (!target->computed) unit.decline("its shape is a constant; fold it");
  TensorData fill{ir::DType::f32, {}, make_constant(std::vector<std::byte>(sizeof(float)))};
  if (const auto found = node.attributes.find("value"); found != node.attributes.end()) {
    const auto* given = std::get_if<TensorData>(&found->second);
    if (!given || ir::element_count(given->shape) != 1) reject(node, "its value is not one number");
    fill = *given;
    fill.shape = {};
  }
  const ir::DType dtype = fill.dtype;
  if (dtype != ir::DType::f32 && !is_plain_type(dtype)) unit.decline("makes a tensor of ", ir::name(dtype));
  unit.add_constant(constant_value(node.outputs[0] + " (value)", fill, std::nullopt));
  unit.add_computed(0, {*target});
  dtype == ir::DType::f32 ? unit.finish_float(ir::ExpandAttrs{target->values})
                          : unit.finish_plain(ir::ExpandAttrs{target->values}, {dtype});
}

}  // namespace vaip::frontend::rules
