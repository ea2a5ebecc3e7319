#include "runtime/layer_fusion.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "base/half.h"

namespace vaip::runtime {
namespace {

using ir::DType;
using ir::ValueId;

constexpr std::size_t kAbsent = static_cast<std::size_t>(-1);

bool is_none(const ir::Activation& activation) {
  return activation.kind == ir::Activation::Kind::none || activation.kind == ir::Activation::Kind::identity;
}

// What a product, or arithmetic, applies to its result; nullptr for other layers.
ir::Activation* activation_of(ir::Layer& layer) {
  if (auto* conv = std::get_if<ir::ConvAttrs>(&layer.attrs)) return &conv->activation;
  if (auto* matmul = std::get_if<ir::MatMulAttrs>(&layer.attrs)) return &matmul->activation;
  if (auto* arithmetic = std::get_if<ir::ArithmeticAttrs>(&layer.attrs)) return &arithmetic->activation;
  return nullptr;
}

bool is_product(const ir::Layer& layer) { return layer.as<ir::ConvAttrs>() || layer.as<ir::MatMulAttrs>(); }

bool has_input(const ir::Layer& layer, std::size_t input) {
  return input < layer.inputs.size() && layer.inputs[input] != ir::kNoValue;
}

bool works_on_rows(const ir::Layer& layer) {
  const auto* normalization = layer.as<ir::NormalizationAttrs>();
  using Op = ir::NormalizationAttrs::Op;
  return layer.as<ir::SoftmaxAttrs>() ||
         (normalization && (normalization->op == Op::layer || normalization->op == Op::rms));
}

class Fuser {
 public:
  explicit Fuser(const ir::Graph& graph)
      : graph_(graph), reads_(graph.values.size(), 0), maker_(graph.values.size(), kAbsent) {
    for (const ir::Layer& layer : graph.layers)
      for (const ValueId id : layer.inputs)
        if (id != ir::kNoValue) ++reads_[at(id)];
    for (const ValueId id : graph.outputs) ++reads_[at(id)];
    is_output_.assign(graph.values.size(), false);
    for (const ValueId id : graph.outputs) is_output_[at(id)] = true;
    gone_.assign(graph.layers.size(), false);
  }

  ir::Graph run() && {
    for (std::size_t i = 0; i < graph_.layers.size(); ++i) {
      ir::Layer& layer = graph_.layers[i];
      if (layer.as<ir::MatMulAttrs>() && !has_blocks(layer)) {
        take_result_factor(layer);
        for (const std::size_t input : {std::size_t{0}, std::size_t{1}}) take_factor(layer, input);
      }
      if (layer.as<ir::ElementwiseAttrs>()) take_function(i);
      if (layer.as<ir::WhereAttrs>()) take_zeros(i);
      if (layer.as<ir::ArithmeticAttrs>()) take_addend(i);
      for (const ValueId id : graph_.layers[i].outputs)
        if (id != ir::kNoValue) maker_[at(id)] = i;
    }
    for (std::size_t i = 0; i < graph_.layers.size(); ++i)
      if (!gone_[i]) keep_float(graph_.layers[i]);
    std::vector<ir::Layer> layers;
    for (std::size_t i = 0; i < graph_.layers.size(); ++i)
      if (!gone_[i]) layers.push_back(std::move(graph_.layers[i]));
    graph_.layers = std::move(layers);
    return std::move(graph_);
  }

 private:
  static std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }
  const ir::Shape& shape(ValueId id) const { return graph_.value(id).shape; }

  bool is_real(ValueId id) const {
    const ir::Value& value = graph_.value(id);
    return !value.quant && (value.dtype == DType::bf16 || value.dtype == DType::f32);
  }

  // The layer that makes a value which only this reader needs, in bfloat16; kAbsent if there is none.
  std::size_t sole_maker(ValueId id) const {
    const ir::Value& value = graph_.value(id);
    if (value.dtype != DType::bf16 || value.quant || value.constant) return kAbsent;
    return reads_[at(id)] == 1 && !is_output_[at(id)] ? maker_[at(id)] : kAbsent;
  }

  // Puts the layer that makes what layer i reads in place of layer i, whose result it then makes.
  void move_behind(std::size_t maker, std::size_t i) {
    ir::Layer layer = std::move(graph_.layers[maker]);
    ir::Layer& last = graph_.layers[i];
    layer.outputs = last.outputs;
    layer.onnx_nodes.insert(layer.onnx_nodes.end(), last.onnx_nodes.begin(), last.onnx_nodes.end());
    last = std::move(layer);
    gone_[maker] = true;
  }

  void take_function(std::size_t i) {
    const ir::Layer& layer = graph_.layers[i];
    const ir::Activation function = layer.as<ir::ElementwiseAttrs>()->function;
    const std::size_t maker = sole_maker(layer.inputs[0]);
    if (maker == kAbsent || !is_real(layer.outputs[0])) return;
    ir::Activation* own = activation_of(graph_.layers[maker]);
    if (!own || !is_none(*own) || has_blocks(graph_.layers[maker])) return;
    *own = function;
    move_behind(maker, i);
  }

  // Where(IsNaN(p), 0, p) behind p = Softmax(...), which torch's newer exporter writes for rows that are wholly masked.
  void take_zeros(std::size_t i) {
    const ir::Layer& where = graph_.layers[i];
    const ValueId p = where.inputs[2];
    const std::size_t test = maker_[at(where.inputs[0])], maker = maker_[at(p)];
    if (test == kAbsent || maker == kAbsent || !graph_.layers[maker].as<ir::SoftmaxAttrs>()) return;
    const ir::Layer& comparison = graph_.layers[test];
    const auto* attrs = comparison.as<ir::ComparisonAttrs>();
    if (!attrs || attrs->op != ir::ComparisonAttrs::Op::unequal || comparison.inputs != std::vector<ValueId>{p, p})
      return;
    const bool alone = reads_[at(where.inputs[0])] == 1 && reads_[at(p)] == 3 && !is_output_[at(p)];
    const bool is_bf16 = graph_.value(p).dtype == DType::bf16 && graph_.value(where.outputs[0]).dtype == DType::bf16;
    const auto zero = number(where.inputs[1]);
    auto& softmax = std::get<ir::SoftmaxAttrs>(graph_.layers[maker].attrs);
    if (!alone || !is_bf16 || !zero || *zero != 0.0 || softmax.log || shape(p) != shape(where.outputs[0])) return;
    if (graph_.value(graph_.layers[maker].inputs[0]).dtype != DType::bf16) return;
    softmax.nan_is_zero = true;
    graph_.layers[maker].onnx_nodes.insert(graph_.layers[maker].onnx_nodes.end(), comparison.onnx_nodes.begin(),
                                           comparison.onnx_nodes.end());
    gone_[test] = true;
    move_behind(maker, i);
  }

  void take_addend(std::size_t i) {
    const ir::Layer& add = graph_.layers[i];
    const ir::ArithmeticAttrs attrs = *add.as<ir::ArithmeticAttrs>();
    if (attrs.op != ir::ArithmeticAttrs::Op::add || add.inputs.size() != 2 || !is_real(add.outputs[0])) return;
    // Of two products the later one: the other's result exists by then.
    std::array<std::size_t, 2> sides = {0, 1};
    std::array<std::size_t, 2> makers = {sole_maker(add.inputs[0]), sole_maker(add.inputs[1])};
    if (makers[0] == kAbsent || (makers[1] != kAbsent && makers[1] > makers[0])) std::swap(sides[0], sides[1]);
    for (const std::size_t side : sides) {
      const std::size_t maker = makers[side];
      const ValueId addend = add.inputs[1 - side];
      if (maker == kAbsent || !takes_addend(graph_.layers[maker], addend, add.outputs[0])) continue;
      ir::Layer& product = graph_.layers[maker];
      product.inputs.resize(4, ir::kNoValue);
      product.inputs[3] = addend;
      *activation_of(product) = attrs.activation;
      return move_behind(maker, i);
    }
  }

  bool takes_addend(ir::Layer& product, ValueId addend, ValueId sum) const {
    if (!is_product(product) || !is_none(*activation_of(product)) || has_input(product, 3)) return false;
    if (!is_real(addend) || shape(product.outputs[0]) != shape(sum)) return false;
    if (product.as<ir::ConvAttrs>()) return shape(addend) == shape(sum);
    return !has_blocks(product) && shape(product.inputs[1]).size() > 1 && shape(sum).size() > 1;
  }

  // Products with weights of few bits have a kernel of their own.
  bool has_blocks(const ir::Layer& layer) const {
    if (!layer.as<ir::MatMulAttrs>()) return false;
    const ir::Value& b = graph_.value(layer.inputs[1]);
    return b.quant && b.quant->block != 0;
  }

  // The one number that a constant is.
  std::optional<double> number(ValueId id) const {
    const ir::Value& value = graph_.value(id);
    if (!value.constant || value.quant || ir::element_count(value.shape) != 1) return std::nullopt;
    if (value.dtype == DType::f32) return static_cast<double>(*value.constant->as<float>());
    if (value.dtype == DType::bf16) return static_cast<double>(from_bfloat16(*value.constant->as<std::uint16_t>()));
    return std::nullopt;
  }

  // x * number or x / number, of which only x is read then.
  void take_factor(ir::Layer& matmul, std::size_t input) {
    const std::size_t maker = sole_maker(matmul.inputs[input]);
    if (maker == kAbsent) return;
    const ir::Layer& scaling = graph_.layers[maker];
    const auto* attrs = scaling.as<ir::ArithmeticAttrs>();
    if (!attrs || !is_none(attrs->activation) || scaling.inputs.size() != 2) return;
    const bool divides = attrs->op == ir::ArithmeticAttrs::Op::div;
    if (!divides && attrs->op != ir::ArithmeticAttrs::Op::mul) return;
    for (const std::size_t side : {std::size_t{1}, std::size_t{0}}) {
      const auto factor = number(scaling.inputs[side]);
      const ValueId x = scaling.inputs[1 - side];
      if (!factor || (divides && (side == 0 || *factor == 0.0))) continue;
      if (graph_.value(x).dtype != DType::bf16 || graph_.value(x).quant || shape(x) != shape(scaling.outputs[0]))
        continue;
      std::get<ir::MatMulAttrs>(matmul.attrs).alpha *= divides ? 1.0 / *factor : *factor;
      matmul.onnx_nodes.insert(matmul.onnx_nodes.end(), scaling.onnx_nodes.begin(), scaling.onnx_nodes.end());
      matmul.inputs[input] = x;
      gone_[maker] = true;
      return;
    }
  }

  // As a function of the sum it would be behind whatever is added.
  void take_result_factor(ir::Layer& matmul) const {
    auto& attrs = std::get<ir::MatMulAttrs>(matmul.attrs);
    const ir::Activation factor = attrs.activation;
    if (factor.kind != ir::Activation::Kind::linear || factor.beta != 0.0 || has_input(matmul, 2)) return;
    if (graph_.value(matmul.outputs[0]).dtype != DType::bf16 || graph_.value(matmul.inputs[0]).dtype != DType::bf16)
      return;
    attrs.alpha *= factor.alpha;
    attrs.activation = {};
  }

  void keep_float(const ir::Layer& reader) {
    const bool rows = works_on_rows(reader);
    const bool elements = reader.as<ir::ArithmeticAttrs>() || reader.as<ir::ReduceAttrs>() ||
                          reader.as<ir::ElementwiseAttrs>() || reader.as<ir::ExpandAttrs>();
    if (!rows && !elements) return;
    for (const ValueId id : reader.inputs) {
      const std::size_t maker = id == ir::kNoValue ? kAbsent : sole_maker(id);
      if (maker == kAbsent) continue;
      const ir::Layer& layer = graph_.layers[maker];
      if (layer.as<ir::ArithmeticAttrs>() || (rows ? is_product(layer) : goes_on(layer)))
        graph_.value(id).dtype = DType::f32;
    }
  }

  // A statistic of a row, such as its norm, is rounded nowhere on its way back to the row.
  bool goes_on(const ir::Layer& layer) const {
    if (layer.as<ir::ReduceAttrs>()) return true;
    const bool passes = layer.as<ir::ElementwiseAttrs>() || layer.as<ir::ExpandAttrs>();
    return passes && graph_.value(layer.inputs[0]).dtype == DType::f32;
  }

  ir::Graph graph_;
  std::vector<int> reads_;
  std::vector<std::size_t> maker_;
  std::vector<bool> is_output_, gone_;
};

}  // namespace

ir::Graph fuse_layers(const ir::Graph& graph) { return Fuser(graph).run(); }

}  // namespace vaip::runtime
