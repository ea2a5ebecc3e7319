// Attention and what surrounds it in the models that onnxruntime's transformer optimizer writes: each node is several
// layers, as the IPU executes them.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "frontend/constants.h"
#include "frontend/rules.h"
#include "frontend/unit_values.h"

namespace vaip::frontend::rules {
namespace {

void require_conversion(const UnitBuilder& unit) {
  if (unit.converts_floats()) return;
  unit.decline(
      "has no quantized form; quantize the model before such fusions, or set enable_f32_to_bf16_conversion to run its "
      "float layers in bfloat16");
}

void require_absent(const UnitBuilder& unit, std::size_t input, const char* what) {
  if (has_input(unit.node(), input)) unit.decline("its input ", what, " is not supported; remove it from the model");
}

void require_unused(const UnitBuilder& unit, std::size_t output, const char* what) {
  const std::vector<std::string>& outputs = unit.node().outputs;
  if (output >= outputs.size() || outputs[output].empty()) return;
  if (unit.index().escapes(outputs[output]) || !unit.index().consumers(outputs[output]).empty())
    unit.decline("its output ", what, " (`", outputs[output], "`) is not supported");
}

ir::Value float_constant(const std::string& name, ir::Shape shape, const std::vector<float>& elements) {
  std::vector<std::byte> bytes(elements.size() * sizeof(float));
  std::memcpy(bytes.data(), elements.data(), bytes.size());
  return {name, ir::DType::f32, std::move(shape), std::nullopt, make_constant(std::move(bytes))};
}

// What both operators say of themselves.
struct Heads {
  std::int64_t count = 1;
  double scale = 0;  // 0: one over the root of a head's size
  float filtered = -10000.0F;
  bool causal = false;
};

Heads read_heads(const UnitBuilder& unit) {
  const Node& node = unit.node();
  Heads heads;
  heads.count = attribute(node, "num_heads", std::int64_t{0});
  if (heads.count < 1) reject(node, "num_heads is ", heads.count);
  heads.scale = attribute(node, "scale", 0.0F);
  heads.filtered = attribute(node, "mask_filter_value", heads.filtered);
  heads.causal = attribute(node, "unidirectional", std::int64_t{0}) != 0;
  return heads;
}

// [batch, sequence, heads * size] -> [batch, heads, sequence, size]
ir::ValueId split_heads(UnitBuilder& unit, ir::ValueId x, const Heads& heads, const char* reshaped,
                        const char* transposed) {
  const std::int64_t width = unit.shape_of(x).back();
  if (width % heads.count != 0) reject(unit.node(), width, " columns do not divide into ", heads.count, " heads");
  ir::ReshapeAttrs reshape;
  reshape.spec = {0, 0, heads.count, width / heads.count};
  unit.add_result(x);
  const ir::ValueId split = unit.step(std::move(reshape), reshaped)[0];
  unit.add_result(split);
  return unit.step(ir::TransposeAttrs{{0, 2, 1, 3}}, transposed)[0];
}

// 0 where an integer mask is 1, the filter's value where it is 0; `axes`: what it lacks of [batch, head, query, key].
ir::ValueId additive_mask(UnitBuilder& unit, std::size_t input, std::vector<std::int64_t> axes, const Heads& heads) {
  if (!unit.is_plain(input)) unit.decline("the type of `", unit.node().inputs[input], "` is not known, or no integer");
  unit.add_plain(input);
  const ir::ValueId real = unit.step(ir::CastAttrs{}, "mask")[0];
  unit.add_result(real);
  const ir::ValueId wide =
      unit.step(ir::ReshapeAttrs{ir::ReshapeAttrs::Op::unsqueeze, std::move(axes), false}, "mask_unsqueezed")[0];
  unit.add_result(wide);
  const auto filtered = static_cast<double>(heads.filtered);
  return unit.step(ir::ElementwiseAttrs{{ir::Activation::Kind::linear, -filtered, filtered}}, "mask_scaled")[0];
}

ir::ValueId add(UnitBuilder& unit, ir::ValueId scores, ir::ValueId mask, const char* name) {
  unit.add_result(scores);
  unit.add_result(mask);
  return unit.step(ir::ArithmeticAttrs{}, name)[0];
}

ir::ValueId add_mask(UnitBuilder& unit, ir::ValueId scores, std::size_t input, const Heads& heads) {
  const ir::Shape shape = unit.shape(unit.node().inputs[input]);
  if (shape.size() == 2) return add(unit, scores, additive_mask(unit, input, {1, 2}, heads), "masked");
  if (shape.size() == 3) return add(unit, scores, additive_mask(unit, input, {1}, heads), "masked");
  unit.decline("a mask of shape ", ir::to_string(shape),
               " is not supported; use one of [batch, sequence] (the optimizer's use_raw_attention_mask)");
}

// Queries see the keys up to their own position.
ir::ValueId add_causal_mask(UnitBuilder& unit, ir::ValueId scores, const Heads& heads) {
  const ir::Shape& shape = unit.shape_of(scores);
  const std::int64_t queries = shape[2], keys = shape[3];
  if (queries == ir::kDynamic || keys == ir::kDynamic)
    unit.decline("unidirectional with a dynamic sequence length is not supported; fix the length");
  std::vector<float> mask(static_cast<std::size_t>(queries * keys), 0.0F);
  for (std::int64_t q = 0; q < queries; ++q)
    for (std::int64_t k = q + 1 + keys - queries; k < keys; ++k)
      mask[static_cast<std::size_t>(q * keys + k)] = heads.filtered;
  unit.add_result(scores);
  unit.add_constant(float_constant(unit.node().outputs[0] + "/causal_mask", {queries, keys}, mask));
  return unit.step(ir::ArithmeticAttrs{}, "causal")[0];
}

// From the three tensors of heads to the end. mask, bias: inputs of the node, where they are given.
void attend(UnitBuilder& unit, ir::ValueId q, ir::ValueId k, ir::ValueId v, const Heads& heads, std::size_t mask,
            std::size_t bias) {
  ir::MatMulAttrs product;
  product.transpose_b = true;
  const std::int64_t size = unit.shape_of(q).back(), width = heads.count * unit.shape_of(v).back();
  product.alpha = heads.scale != 0 ? heads.scale : 1.0 / std::sqrt(static_cast<double>(size));
  unit.add_result(q);
  unit.add_result(k);
  unit.add_absent();
  ir::ValueId scores = unit.step(std::move(product), "scores")[0];
  if (has_input(unit.node(), bias)) {
    unit.add_result(scores);
    unit.add_operand(bias);
    scores = unit.step(ir::ArithmeticAttrs{}, "biased")[0];
  }
  if (has_input(unit.node(), mask)) scores = add_mask(unit, scores, mask, heads);
  if (heads.causal) scores = add_causal_mask(unit, scores, heads);
  unit.add_result(scores);
  const ir::ValueId weights = unit.step(ir::SoftmaxAttrs{}, "softmax")[0];
  unit.add_result(weights);
  unit.add_result(v);
  unit.add_absent();
  const ir::ValueId context = unit.step(ir::MatMulAttrs{}, "context")[0];
  unit.add_result(context);
  const ir::ValueId merged = unit.step(ir::TransposeAttrs{{0, 2, 1, 3}}, "merged")[0];
  unit.add_result(merged);
  ir::ReshapeAttrs reshape;
  reshape.spec = {0, 0, width};
  unit.finish(std::move(reshape), 1);
}

}  // namespace

// Self-attention with the weights of queries, keys and values side by side.
void attention(UnitBuilder& unit) {
  const Node& node = unit.node();
  require_conversion(unit);
  require_absent(unit, 4, "past");
  require_absent(unit, 6, "past_sequence_length");
  require_unused(unit, 1, "present");
  if (attribute(node, "do_rotary", std::int64_t{0}) != 0) unit.decline("do_rotary is not supported");
  const Heads heads = read_heads(unit);
  unit.add_activation(0);
  const ir::Shape weight = unit.add_weight(1).shape;
  if (weight.size() != 2) reject(node, "weights of shape ", ir::to_string(weight));
  unit.add_bias(2);
  const ir::ValueId projected = unit.step(ir::MatMulAttrs{}, "projection")[0];
  std::vector<std::int64_t> sizes = attribute(node, "qkv_hidden_sizes", std::vector<std::int64_t>{});
  if (sizes.empty()) sizes.assign(3, weight[1] / 3);
  if (sizes.size() != 3 || sizes[0] + sizes[1] + sizes[2] != weight[1])
    reject(node, "weights of ", weight[1], " columns are not those of queries, keys and values");
  unit.add_result(projected);
  const std::vector<ir::ValueId> parts = unit.step(ir::SplitAttrs{-1, sizes}, "split", 3);
  const ir::ValueId q = split_heads(unit, parts[0], heads, "query_heads", "query");
  const ir::ValueId k = split_heads(unit, parts[1], heads, "key_heads", "key");
  const ir::ValueId v = split_heads(unit, parts[2], heads, "value_heads", "value");
  attend(unit, q, k, v, heads, 3, 5);
}

// The projections stand before it; their biases may be its own.
void multi_head_attention(UnitBuilder& unit) {
  const Node& node = unit.node();
  require_conversion(unit);
  for (const auto& [input, what] : {std::pair(6, "past_key"), std::pair(7, "past_value")})
    require_absent(unit, static_cast<std::size_t>(input), what);
  require_unused(unit, 1, "present_key");
  require_unused(unit, 2, "present_value");
  if (!has_input(node, 1) || !has_input(node, 2)) unit.decline("packed keys and values are not supported");
  const Heads heads = read_heads(unit);
  std::vector<double> bias = unit.constant_reals(3, "bias").value_or(std::vector<double>{});
  std::vector<ir::ValueId> parts;
  std::size_t at = 0;
  for (const auto& [input, name] : {std::pair(0, "query"), std::pair(1, "key"), std::pair(2, "value")}) {
    const std::string& tensor = node.inputs[static_cast<std::size_t>(input)];
    const ir::Shape shape = unit.shape(tensor);
    if (shape.size() != 3) unit.decline("`", tensor, "` of shape ", ir::to_string(shape), "; needs rank 3");
    const auto width = static_cast<std::size_t>(std::max<std::int64_t>(0, shape[2]));
    if (shape[2] == ir::kDynamic || width % static_cast<std::size_t>(heads.count) != 0)
      unit.decline("`", tensor, "` of shape ", ir::to_string(shape), " does not divide into ", heads.count, " heads");
    unit.add_activation(tensor);
    if (!bias.empty()) {
      if (at + width > bias.size()) reject(node, "its bias has ", bias.size(), " elements");
      const auto first = bias.begin() + static_cast<std::ptrdiff_t>(at);
      unit.add_constant(
          float_constant(node.inputs[3] + "/" + name, {shape[2]}, {first, first + static_cast<std::ptrdiff_t>(width)}));
      at += width;
      parts.push_back(unit.step(ir::ArithmeticAttrs{}, name)[0]);
    } else {
      parts.push_back(unit.step(ir::ReshapeAttrs{ir::ReshapeAttrs::Op::identity, {}, false}, name)[0]);
    }
  }
  const ir::ValueId q = split_heads(unit, parts[0], heads, "query_split", "query_heads");
  const ir::ValueId k = split_heads(unit, parts[1], heads, "key_split", "key_heads");
  const ir::ValueId v = split_heads(unit, parts[2], heads, "value_split", "value_heads");
  attend(unit, q, k, v, heads, 4, 5);
}

namespace {

ir::ValueId embedding(UnitBuilder& unit, std::size_t table, std::size_t indices, const char* name) {
  unit.add_operand(table);
  if (!unit.is_plain(indices)) unit.decline("the type of `", unit.node().inputs[indices], "` is not known");
  unit.add_plain(indices);
  return unit.step(ir::GatherAttrs{}, name)[0];
}

// The first rows of the table, one per position of the sequence.
ir::ValueId positions(UnitBuilder& unit, std::size_t table) {
  const ir::Shape ids = unit.shape(unit.node().inputs[0]);
  if (ids.size() != 2 || ids[1] == ir::kDynamic)
    unit.decline("no position_ids with a dynamic sequence length is not supported; fix the length");
  unit.add_operand(table);
  return unit.step(ir::SliceAttrs{{0}, {ids[1]}, {0}, {1}}, "position")[0];
}

}  // namespace

// Words, positions and perhaps segments, added and normalised.
void embed_layer_normalization(UnitBuilder& unit) {
  const Node& node = unit.node();
  require_conversion(unit);
  for (const std::size_t input : {0, 2, 3, 5, 6})
    if (!has_input(node, input)) reject(node, "input ", input, " is missing");
  require_unused(unit, 1, "mask_index");
  std::vector<ir::ValueId> terms = {embedding(unit, 2, 0, "word")};
  terms.push_back(has_input(node, 8) ? embedding(unit, 3, 8, "position") : positions(unit, 3));
  if (has_input(node, 1) && has_input(node, 4)) terms.push_back(embedding(unit, 4, 1, "segment"));
  for (const ir::ValueId term : terms) unit.add_result(term);
  const bool keeps_sum = node.outputs.size() > 2 && !node.outputs[2].empty();
  const ir::ValueId sum = keeps_sum ? unit.step_to(ir::ArithmeticAttrs{}, "sum", node.outputs[2])
                                    : unit.step(ir::ArithmeticAttrs{}, "sum")[0];
  unit.add_result(sum);
  unit.add_bias(5, "gamma");
  unit.add_bias(6, "beta");
  ir::NormalizationAttrs attrs;
  attrs.epsilon = attribute(node, "epsilon", 1e-12F);
  unit.finish(attrs, 1);
}

}  // namespace vaip::frontend::rules
