// Layers that read or make indices.
#include "frontend/rules.h"

namespace vaip::frontend::rules {
namespace {

ir::GatherAttrs::Op gather_op(const std::string& op_type) {
  if (op_type == "GatherElements") return ir::GatherAttrs::Op::elements;
  return op_type == "GatherND" ? ir::GatherAttrs::Op::nd : ir::GatherAttrs::Op::gather;
}

}  // namespace

void gather(UnitBuilder& unit) {
  const Node& node = unit.node();
  ir::GatherAttrs attrs;
  attrs.op = gather_op(node.op_type);
  attrs.axis = attribute(node, "axis", std::int64_t{0});
  attrs.batch_dims = attribute(node, "batch_dims", std::int64_t{0});
  const ir::Value& data = unit.add_elements(0);
  unit.require_per_tensor(data);
  if (data.constant && data.dtype == ir::DType::f32 && !unit.converts_floats())
    unit.decline("table `", data.name, "` is float; quantize it");
  if (ir::size_of(data.dtype) == 0) unit.decline("table `", data.name, "` is ", ir::name(data.dtype), ", packed");
  if (!unit.is_plain(1)) unit.decline("the type of the indices `", node.inputs[1], "` is not known, or no integer one");
  const ir::Value& indices = unit.add_plain(1);
  if (indices.dtype != ir::DType::s32 && indices.dtype != ir::DType::s64) {
    unit.decline("the indices are ", ir::name(indices.dtype), " (supported: int32, int64)");
  }
  unit.require_activation();
  unit.finish(attrs);
}

void arg(UnitBuilder& unit) {
  const Node& node = unit.node();
  ir::ArgAttrs attrs;
  attrs.op = node.op_type == "ArgMin" ? ir::ArgAttrs::Op::min : ir::ArgAttrs::Op::max;
  attrs.axis = attribute(node, "axis", std::int64_t{0});
  attrs.keepdims = attribute(node, "keepdims", std::int64_t{1}) != 0;
  attrs.select_last = attribute(node, "select_last_index", std::int64_t{0}) != 0;
  unit.add_activation(0);
  unit.finish_plain(attrs, {ir::DType::s64});
}

void top_k(UnitBuilder& unit) {
  const Node& node = unit.node();
  ir::TopKAttrs attrs;
  attrs.axis = attribute(node, "axis", std::int64_t{-1});
  attrs.largest = attribute(node, "largest", std::int64_t{1}) != 0;
  if (const auto k = unit.constant_integers(1, "k")) {
    if (k->size() != 1) reject(node, "k has ", k->size(), " elements");
    attrs.k = (*k)[0];
  } else if (has_attribute(node, "k")) {  // before TopK-10
    attrs.k = attribute(node, "k", std::int64_t{1});
  } else {
    reject(node, "has no k");
  }
  unit.add_activation(0);
  unit.finish_with_indices(attrs);
}

void cum_sum(UnitBuilder& unit) {
  const Node& node = unit.node();
  ir::CumSumAttrs attrs;
  const auto axis = unit.constant_integers(1, "axis");
  if (!axis || axis->size() != 1) reject(node, "needs one axis");
  attrs.axis = (*axis)[0];
  attrs.exclusive = attribute(node, "exclusive", std::int64_t{0}) != 0;
  attrs.reverse = attribute(node, "reverse", std::int64_t{0}) != 0;
  const bool plain = unit.is_plain(0);
  const ir::DType dtype = unit.add_elements(0).dtype;
  unit.require_activation();
  plain ? unit.finish_plain(attrs, {dtype}) : unit.finish(attrs);
}

}  // namespace vaip::frontend::rules
