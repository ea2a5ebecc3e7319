// How a unit ends: the activation that joins it, the outputs and what they are kept as.
#include <algorithm>
#include <type_traits>
#include <utility>

#include "frontend/activations.h"
#include "frontend/unit_builder.h"
#include "frontend/unit_values.h"

namespace vaip::frontend {
namespace {

// The activation that a layer's kind can apply to its result; nullptr where it has none.
ir::Activation* activation_slot(ir::LayerAttrs& attrs) {
  return std::visit(
      [](auto& a) -> ir::Activation* {
        using Attrs = std::decay_t<decltype(a)>;
        if constexpr (std::is_same_v<Attrs, ir::ConvAttrs> || std::is_same_v<Attrs, ir::ConvTransposeAttrs> ||
                      std::is_same_v<Attrs, ir::MatMulAttrs> || std::is_same_v<Attrs, ir::NormalizationAttrs> ||
                      std::is_same_v<Attrs, ir::ArithmeticAttrs> || std::is_same_v<Attrs, ir::PoolAttrs> ||
                      std::is_same_v<Attrs, ir::ReduceAttrs>) {
          return &a.activation;
        } else {
          return nullptr;
        }
      },
      attrs);
}

std::string layer_name(const Node& node) {
  return node.name.empty() && !node.outputs.empty() ? node.outputs[0] : node.name;
}

}  // namespace

// Exporters write the bias of a linear layer as an Add behind its MatMul. In floats the two are one sum, rounded once.
void UnitBuilder::fuse_bias(const ir::LayerAttrs& attrs, std::string& output) {
  const auto* product = std::get_if<ir::MatMulAttrs>(&attrs);
  if (!product || !converts_floats() || layer_.inputs.size() != 3 || layer_.inputs[2] != ir::kNoValue) return;
  const ir::Value &x = local_.value(layer_.inputs[0]), &weight = local_.value(layer_.inputs[1]);
  if (x.quant || !weight.constant || weight.shape.size() != 2 || product->activation.kind != ir::Activation::Kind::none)
    return;
  const auto reader = index().sole_consumer(output);
  if (!reader) return;
  const Node& add = index().node(*reader);
  if (add.op_type != "Add" || !add.domain.empty() || add.inputs.size() != 2) return;
  const std::string& other = add.inputs[add.inputs[0] == output ? 1 : 0];
  const TensorData* bias = index().constant(other);
  const std::int64_t columns = weight.shape[product->transpose_b ? 0 : 1];
  if (!bias || !is_float_type(bias->dtype) || bias->shape != ir::Shape{columns}) return;
  layer_.inputs[2] = local_.add_value(constant_value(other, *bias, std::nullopt));
  absorb(*reader, output);
}

void UnitBuilder::fuse_activation(ir::LayerAttrs& attrs, std::string& output) {
  if (auto* elementwise = std::get_if<ir::ElementwiseAttrs>(&attrs)) {
    ir::Activation& function = elementwise->function;
    if (function.kind != ir::Activation::Kind::hard_sigmoid || function.beta != 0.5) return;
    if (const auto scaling = find_scaling(index(), output)) {
      function = {ir::Activation::Kind::scaled_hard_sigmoid, function.alpha, scaling->factor};
      absorb(scaling->mul, output);
    }
    return;
  }
  ir::Activation* slot = activation_slot(attrs);
  if (!slot || slot->kind != ir::Activation::Kind::none || index().escapes(output)) return;
  const std::vector<std::size_t>& consumers = index().consumers(output);
  if (consumers.size() == 2) {  // a Sigmoid and the Mul that it gates
    for (const std::size_t sigmoid : consumers) {
      const auto product = find_gate(index(), sigmoid);
      if (!product || (*product != consumers[0] && *product != consumers[1])) continue;
      *slot = {ir::Activation::Kind::swish, 1.0, 0.0};
      cover(sigmoid);
      return absorb(*product, output);
    }
  }
  if (consumers.size() != 1) return;
  if (const auto scaling = find_scaling(index(), output)) {
    *slot = {ir::Activation::Kind::linear, scaling->factor, 0.0};
    return absorb(scaling->mul, output);
  }
  const Node& next = index().node(consumers[0]);
  if (!is_activation(next) || next.inputs[0] != output) return;
  try {
    *slot = read_activation(index(), next);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::unsupported) throw;
    return;  // the layer stays without; the node gets its own reason
  }
  for (std::size_t i = 1; i < next.inputs.size(); ++i) cover_dequantize(next.inputs[i]);  // of a slope or bound
  absorb(consumers[0], output);
}

ir::DType UnitBuilder::float_type(const std::string& output) const {
  if (!converts_floats()) return ir::DType::f32;
  const TensorInfo* info = index().info(output);
  if (info && is_float_type(info->dtype)) return info->dtype;
  for (const ir::ValueId id : layer_.inputs) {
    if (id == ir::kNoValue) continue;
    const ir::Value& value = local_.value(id);
    if (!value.constant && is_float_type(value.dtype)) return value.dtype;
  }
  return ir::DType::f32;
}

void UnitBuilder::absorb(std::size_t node, std::string& output) {
  cover(node);
  output = index().node(node).outputs[0];
}

void UnitBuilder::add_output(ir::Value value) { layer_.outputs.push_back(local_.add_value(std::move(value))); }

std::optional<ir::Value> UnitBuilder::quantized_output(const std::string& name) {
  const auto reader = index().sole_consumer(name);
  if (!reader || !is_quantize(index().node(*reader)) || index().node(*reader).inputs[0] != name) return std::nullopt;
  try {
    const Quantization quantization = read_quantization(index(), index().node(*reader));
    if (!allowed(Role::activation, quantization.dtype) || !quantization.params.per_tensor()) return std::nullopt;
    cover(*reader);
    return tensor_value(index().node(*reader).outputs[0], quantization.dtype, {}, quantization.params);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::unsupported) throw;
    return std::nullopt;  // the layer's output stays float; the Q gets its own reason
  }
}

bool UnitBuilder::same_parameters(const MovedInputs& moved) const {
  const ir::Value& first = local_.value(layer_.inputs[moved.first]);
  for (std::size_t i = moved.first; i < moved.last; ++i) {
    const ir::Value& value = local_.value(layer_.inputs[i]);
    if (!value.quant || !value.quant->per_tensor() || value.dtype != first.dtype || value.quant != first.quant) {
      return false;
    }
  }
  return true;
}

UnitBuilder::Kept UnitBuilder::kept(const ir::LayerAttrs& attrs) {
  const MovedInputs moved = moved_inputs(attrs, layer_.inputs.size());
  if (moved.first == moved.last) return Kept::as_float;
  elements_ = layer_.inputs[moved.first];
  for (std::size_t i = moved.first; i < moved.last; ++i) {
    const ir::Value& value = local_.value(layer_.inputs[i]);
    if (value.dtype != elements().dtype || value.quant != elements().quant) return Kept::as_float;
  }
  if (!elements().quant) return is_plain_type(elements().dtype) ? Kept::plain : Kept::as_float;
  return elements().quant->per_tensor() ? Kept::as_integers : Kept::as_float;
}

void UnitBuilder::add_computed_output(const std::string& name, Kept kept) {
  if (name.empty()) {
    layer_.outputs.push_back(ir::kNoValue);
  } else if (kept == Kept::plain) {
    add_output(tensor_value(name, elements().dtype, {}, std::nullopt));
  } else if (auto quantized = quantized_output(name)) {
    add_output(*std::move(quantized));
  } else if (kept == Kept::as_integers && !index().consumers(name).empty()) {
    const std::string integers = name + " (integers)";
    carried_.emplace_back(name, integers);
    add_output(tensor_value(integers, elements().dtype, {}, elements().quant));
  } else {
    add_output(tensor_value(name, float_type(name), {}, std::nullopt));
  }
}

void UnitBuilder::finish_integers(ir::LayerAttrs attrs) {
  MovedInputs moved = moved_inputs(attrs, layer_.inputs.size());
  // Any constant that a Pad puts between integers is one of them.
  if (std::holds_alternative<ir::PadAttrs>(attrs)) moved = {0, 1};
  if (moved.first == moved.last || !same_parameters(moved)) {
    decline("input `", local_.value(layer_.inputs[0]).name, "` ", unfit(local_.value(layer_.inputs[0]).name));
  }
  const ir::Value source = local_.value(layer_.inputs[0]);
  for (const std::string& name : node().outputs) {
    if (name.empty()) {
      layer_.outputs.push_back(ir::kNoValue);
    } else {
      add_output(tensor_value(name, source.dtype, {}, source.quant));
    }
  }
  commit(std::move(attrs));
}

void UnitBuilder::finish(ir::LayerAttrs attrs, std::size_t outputs) {
  if (on_integers_) return finish_integers(std::move(attrs));
  std::string first = node().outputs[0];
  fuse_bias(attrs, first);
  fuse_activation(attrs, first);
  const Kept kind = kept(attrs);
  add_computed_output(first, kind);
  for (std::size_t i = 1; i < std::min(outputs, node().outputs.size()); ++i)
    add_computed_output(node().outputs[i], kind);
  commit(std::move(attrs));
}

void UnitBuilder::finish_with_indices(ir::LayerAttrs attrs) {
  add_computed_output(node().outputs[0], kept(attrs));
  if (node().outputs.size() > 1 && !node().outputs[1].empty()) {
    add_output(tensor_value(node().outputs[1], ir::DType::s64, {}, std::nullopt));
  }
  commit(std::move(attrs));
}

void UnitBuilder::finish_quantized(ir::LayerAttrs attrs, const Quantization& quantization) {
  if (!allowed(Role::activation, quantization.dtype) || !quantization.params.per_tensor()) {
    decline("an output of type ", ir::name(quantization.dtype),
            quantization.params.per_tensor() ? "" : ", per channel,",
            " is not supported (supported: ", allowed_types(Role::activation), ", per tensor)");
  }
  add_output({node().outputs[0], quantization.dtype, {}, quantization.params, std::nullopt});
  commit(std::move(attrs));
}

void UnitBuilder::finish_folded(const Quantization& quantization) {
  add_constant(constant_value(node().inputs[0], workspace_.folded(anchor_, quantization), quantization.params));
  add_output({node().outputs[0], quantization.dtype, {}, quantization.params, std::nullopt});
  commit(ir::ReshapeAttrs{ir::ReshapeAttrs::Op::identity, {}, false});
}

void UnitBuilder::finish_float(ir::LayerAttrs attrs, const std::string& output) {
  add_output(tensor_value(output, float_type(output), {}, std::nullopt));
  commit(std::move(attrs));
}

void UnitBuilder::finish_leaving(ir::LayerAttrs attrs, const std::string& output) {
  finish_float(std::move(attrs), output);
  workspace_.leave(output);
}

void UnitBuilder::finish_plain(ir::LayerAttrs attrs, const std::vector<ir::DType>& types) {
  for (std::size_t i = 0; i < types.size(); ++i) {
    add_output(tensor_value(node().outputs[i], types[i], {}, std::nullopt));
    workspace_.leave(node().outputs[i]);
  }
  commit(std::move(attrs));
}

void UnitBuilder::trace_unquantized() {
  if (converts_floats()) return;
  bool reads_float = false;
  for (const std::vector<ir::ValueId>* ids : {&layer_.inputs, &layer_.outputs}) {
    for (const ir::ValueId id : *ids) {
      if (id == ir::kNoValue) continue;
      const ir::Value& value = local_.value(id);
      if (value.quant) return;
      if (ids == &layer_.outputs || value.constant || value.dtype != ir::DType::f32) continue;
      if (!workspace_.is_unquantized(value.name)) return;
      reads_float = true;
    }
  }
  if (reads_float)
    decline("all of its tensors are float or plain integers; quantize them, or set enable_f32_to_bf16_conversion");
  for (const ir::ValueId id : layer_.outputs) {
    if (id != ir::kNoValue && local_.value(id).dtype == ir::DType::f32)
      workspace_.mark_unquantized(local_.value(id).name);
  }
}

void UnitBuilder::infer_outputs() {
  const std::vector<ir::Shape> shapes = ir::infer_shapes(local_, layer_);
  if (layer_.outputs.size() > shapes.size()) {
    decline("has ", layer_.outputs.size(), " outputs; only the first ", shapes.size(), " are supported");
  }
  for (std::size_t i = 0; i < layer_.outputs.size(); ++i)
    if (layer_.outputs[i] != ir::kNoValue) local_.value(layer_.outputs[i]).shape = shapes[i];
}

void UnitBuilder::end_step(ir::LayerAttrs attrs, const char* name, const std::vector<std::string>& results) {
  for (const std::string& result : results) add_output(tensor_value(result, float_type(result), {}, std::nullopt));
  layer_.op = node().op_type;
  layer_.name = layer_name(node()) + "/" + name;
  layer_.attrs = std::move(attrs);
  infer_outputs();
  steps_.push_back(std::move(layer_));
  layer_ = {};
}

std::vector<ir::ValueId> UnitBuilder::step(ir::LayerAttrs attrs, const char* name, std::size_t results) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < results; ++i)
    names.push_back(detail::concat(node().outputs[0], "/", name, results > 1 ? detail::concat("_", i) : std::string()));
  end_step(std::move(attrs), name, names);
  return steps_.back().outputs;
}

ir::ValueId UnitBuilder::step_to(ir::LayerAttrs attrs, const char* name, const std::string& output) {
  end_step(std::move(attrs), name, {output});
  return steps_.back().outputs[0];
}

void UnitBuilder::dequantize(std::size_t position) {
  ir::Layer reader = std::exchange(layer_, {});
  layer_.inputs = {reader.inputs[position]};
  reader.inputs[position] = step(ir::DequantizeAttrs{}, "dequantized").front();
  layer_ = std::move(reader);
}

void UnitBuilder::commit(ir::LayerAttrs attrs) {
  const bool dequantizes = std::holds_alternative<ir::DequantizeAttrs>(attrs);
  layer_.op = dequantizes ? "DequantizeLinear" : node().op_type;  // of a carried value: its node has another type
  layer_.attrs = std::move(attrs);
  layer_.name = layer_name(node());
  for (const std::size_t i : nodes_) layer_.onnx_nodes.push_back(layer_name(index().node(i)));
  infer_outputs();
  for (const ir::ValueId id : layer_.outputs) {
    if (id == ir::kNoValue) continue;
    const ir::Value& output = local_.value(id);
    if (!output.quant && is_plain_type(output.dtype) && tensor_quantization(index(), output.name, output.shape.size()))
      decline("its result `", output.name, "` is read as a quantized tensor");
  }
  trace_unquantized();
  for (ir::Layer& step : steps_) {
    step.onnx_nodes = layer_.onnx_nodes;
    workspace_.commit(std::move(step), local_, nodes_);
  }
  workspace_.commit(std::move(layer_), local_, std::move(nodes_));
  for (const auto& [value, integers] : carried_) workspace_.carry(value, {integers, anchor_});
}

}  // namespace vaip::frontend
