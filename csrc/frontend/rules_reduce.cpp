// Pools and reductions.
#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "frontend/constants.h"
#include "frontend/rules.h"

namespace vaip::frontend::rules {
namespace {

using Reduction = ir::ReduceAttrs::Op;

// The spatial pads of a Pad node that adds zeros around an image and does nothing else.
std::optional<ir::Shape> zero_pads(const GraphIndex& index, std::size_t i) {
  const Node& node = index.node(i);
  if (node.op_type != "Pad" || !node.domain.empty() || node.outputs.empty() || !has_input(node, 0)) return std::nullopt;
  if (attribute(node, "mode", "constant") != "constant" || attribute(node, "value", 0.0F) != 0.0F ||
      has_input(node, 3)) {
    return std::nullopt;
  }
  if (has_input(node, 2)) {
    const TensorData* constant = index.constant(node.inputs[2]);
    if (constant && constant->dtype != ir::DType::f32) return std::nullopt;  // a Pad of integers
    const auto value = constant_reals(index, node.inputs[2]);
    if (!value || value->size() != 1 || (*value)[0] != 0.0) return std::nullopt;
  }
  ir::Shape pads = attribute(node, "pads", ir::Shape{});
  if (has_input(node, 1)) {
    const TensorData* constant = index.constant(node.inputs[1]);
    if (!constant) return std::nullopt;
    pads = integer_elements(*constant, node.inputs[1]);
  }
  const std::size_t rank = pads.size() / 2;
  if (pads.size() % 2 != 0 || rank < 3) return std::nullopt;
  for (const std::size_t batch_or_channel : {std::size_t{0}, std::size_t{1}, rank, rank + 1}) {
    if (pads[batch_or_channel] != 0) return std::nullopt;
  }
  ir::Shape spatial;
  for (std::size_t k = 0; k < pads.size(); ++k) {
    if (pads[k] < 0) return std::nullopt;
    if (k % rank >= 2) spatial.push_back(pads[k]);
  }
  return spatial;
}

Reduction reduce_op(const std::string& op_type) {
  constexpr std::array<std::pair<const char*, Reduction>, 10> table = {{{"ReduceMean", Reduction::mean},
                                                                        {"ReduceSum", Reduction::sum},
                                                                        {"ReduceMax", Reduction::max},
                                                                        {"ReduceMin", Reduction::min},
                                                                        {"ReduceProd", Reduction::prod},
                                                                        {"ReduceL1", Reduction::l1},
                                                                        {"ReduceL2", Reduction::l2},
                                                                        {"ReduceSumSquare", Reduction::sum_square},
                                                                        {"ReduceLogSum", Reduction::log_sum},
                                                                        {"ReduceLogSumExp", Reduction::log_sum_exp}}};
  for (const auto& [name, op] : table) {
    if (op_type == name) return op;
  }
  fail(ErrorKind::internal, "no reduction for ", op_type);
}

}  // namespace

ir::PoolAttrs read_pool(const Node& node, ir::PoolAttrs::Op op) {
  if (!has_attribute(node, "kernel_shape")) reject(node, "has no kernel_shape");
  Window window = read_window(node, {});
  ir::PoolAttrs attrs;
  attrs.op = op;
  attrs.kernel = std::move(window.kernel);
  attrs.strides = std::move(window.strides);
  attrs.dilations = std::move(window.dilations);
  attrs.pads = std::move(window.pads);
  attrs.auto_pad = window.auto_pad;
  attrs.ceil_mode = attribute(node, "ceil_mode", std::int64_t{0}) != 0;
  attrs.count_include_pad = attribute(node, "count_include_pad", std::int64_t{0}) != 0;
  return attrs;
}

void check_pool_rank(const UnitBuilder& unit, const ir::Value& x) {
  if (x.shape.size() < 3 || x.shape.size() > 5) {
    unit.decline("an input of rank ", x.shape.size(), "; 1 to 3 spatial dimensions are supported");
  }
}

void pool(UnitBuilder& unit) {
  const Node& node = unit.node();
  if (node.outputs.size() > 1 && !node.outputs[1].empty())
    unit.decline("the output Indices is not supported; pool without it");
  ir::PoolAttrs attrs =
      read_pool(node, node.op_type == "MaxPool" ? ir::PoolAttrs::Op::max : ir::PoolAttrs::Op::average);

  const auto producer = has_input(node, 0) ? unit.index().producer(node.inputs[0]) : std::nullopt;
  const bool padded = producer && find_padded_pool(unit.index(), *producer).has_value();
  if (padded) {
    attrs.pads = zero_pads(unit.index(), *producer).value_or(attrs.pads);
    attrs.count_include_pad = true;
    unit.cover(*producer);
    if (has_input(unit.index().node(*producer), 2)) unit.cover_dequantize(unit.index().node(*producer).inputs[2]);
  }
  const ir::Value x = padded ? unit.add_activation(unit.index().node(*producer).inputs[0]) : unit.add_activation(0);
  check_pool_rank(unit, x);
  unit.finish(std::move(attrs));
}

std::optional<std::size_t> find_padded_pool(const GraphIndex& index, std::size_t pad) {
  const auto pads = zero_pads(index, pad);
  const auto reader = pads ? index.sole_consumer(index.node(pad).outputs[0]) : std::nullopt;
  if (!reader) return std::nullopt;
  const Node& pool = index.node(*reader);
  const bool plain = pool.op_type == "AveragePool" && pool.domain.empty() && !has_attribute(pool, "auto_pad") &&
                     attribute(pool, "ceil_mode", std::int64_t{0}) == 0;
  const ir::Shape own = plain ? attribute(pool, "pads", ir::Shape{}) : ir::Shape{1};
  const bool unpadded = std::all_of(own.begin(), own.end(), [](std::int64_t p) { return p == 0; });
  const std::size_t spatial = attribute(pool, "kernel_shape", ir::Shape{}).size();
  return unpadded && pads->size() == 2 * spatial ? reader : std::nullopt;
}

void global_pool(UnitBuilder& unit) {
  ir::ReduceAttrs attrs;
  attrs.op = unit.node().op_type == "GlobalMaxPool" ? ir::ReduceAttrs::Op::max : ir::ReduceAttrs::Op::mean;
  attrs.all_from_axis2 = true;
  unit.add_activation(0);
  unit.finish(std::move(attrs));
}

void reduce(UnitBuilder& unit) {
  const Node& node = unit.node();
  ir::ReduceAttrs attrs;
  attrs.op = reduce_op(node.op_type);
  // An attribute before ReduceSum-13 and the others' version 18, an input since.
  attrs.axes = attribute(node, "axes", std::vector<std::int64_t>{});
  if (const auto axes = unit.constant_integers(1, "axes")) attrs.axes = *axes;
  attrs.keepdims = attribute(node, "keepdims", std::int64_t{1}) != 0;
  attrs.noop_with_empty_axes = attribute(node, "noop_with_empty_axes", std::int64_t{0}) != 0;
  unit.add_activation(0);
  unit.finish(std::move(attrs));
}

}  // namespace vaip::frontend::rules
