#include "frontend/unit_builder.h"

#include <algorithm>
#include <type_traits>

#include "frontend/activations.h"
#include "frontend/constants.h"
#include "frontend/integer_operators.h"
#include "frontend/moved_inputs.h"

namespace vaip::frontend {
namespace {

ir::Value tensor_value(const std::string& name, ir::DType dtype, const ir::Shape& shape,
                       std::optional<ir::QuantParams> params) {
  return {name, dtype, shape, std::move(params), std::nullopt};
}

ir::Value constant_value(const std::string& name, const TensorData& tensor, std::optional<ir::QuantParams> params) {
  ir::Value value = tensor_value(name, tensor.dtype, tensor.shape, std::move(params));
  value.constant = tensor.constant;
  return value;
}

// Why a value that comes from no DequantizeLinear cannot be a layer's input, and what to do about it.
std::string not_quantized(const GraphIndex& index, const std::string& value) {
  const TensorInfo* info = index.info(value);
  const ir::DType dtype = info ? info->dtype : ir::DType::undefined;
  const std::string type(ir::name(dtype));
  switch (dtype) {
    case ir::DType::undefined:
      return "comes from no DequantizeLinear; quantize it";
    case ir::DType::f32:
      return "is float; quantize it (no DequantizeLinear before it)";
    case ir::DType::f16:
    case ir::DType::bf16:
    case ir::DType::f64:
      return "is " + type + "; convert the model to float and quantize it";
    default:
      return "is " + type + "; tensors are read through a DequantizeLinear only";
  }
}

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

bool is_plain_type(ir::DType dtype) {
  return (ir::is_integer(dtype) && ir::size_of(dtype) > 0) || dtype == ir::DType::boolean;
}

}  // namespace

UnitBuilder::UnitBuilder(Workspace& workspace, std::size_t anchor)
    : workspace_(workspace), anchor_(anchor), nodes_{anchor} {
  if (node().outputs.empty()) reject(node(), "has no output");
}

void UnitBuilder::cover(std::size_t node) {
  if (std::find(nodes_.begin(), nodes_.end(), node) == nodes_.end()) nodes_.push_back(node);
}

void UnitBuilder::cover_dequantize(const std::string& value) {
  const auto producer = index().producer(value);
  if (producer && is_dequantize(index().node(*producer))) cover(*producer);
}

const ir::Shape& UnitBuilder::known_shape(const Node& reader, const std::string& value) const {
  if (const ir::Shape* shape = workspace_.shape(value)) return *shape;
  frontend::decline(reader, "the shape of `", value,
                    "` is not known; run onnx.shape_inference.infer_shapes on the model first");
}

UnitBuilder::Operand UnitBuilder::dequantized_constant(std::size_t dq, const TensorData& stored) const {
  const Node& source = index().node(dq);
  const Quantization quantization = read_quantization(index(), source, stored.shape.size());
  const ir::QuantParams& params = quantization.params;
  if (quantization.dtype != stored.dtype) {
    reject(source, "the zero point is ", ir::name(quantization.dtype), ", the tensor ", ir::name(stored.dtype));
  }
  if (!params.per_tensor() &&
      stored.shape[static_cast<std::size_t>(params.axis)] != static_cast<std::int64_t>(params.scale.size())) {
    reject(source, "has ", params.scale.size(), " scales along axis ", params.axis, " of ",
           ir::to_string(stored.shape));
  }
  return {constant_value(source.inputs[0], stored, params), {dq}};
}

void UnitBuilder::require_type(const Node& reader, const std::string& tensor, ir::DType dtype) const {
  const TensorInfo* info = index().info(tensor);
  if (info && info->dtype != ir::DType::undefined && info->dtype != dtype)
    reject(reader, "the zero point is ", ir::name(dtype), ", the tensor ", ir::name(info->dtype));
}

UnitBuilder::Operand UnitBuilder::dequantized(std::size_t dq) const {
  const Node& source = index().node(dq);
  const std::string& tensor = source.inputs[0];
  if (const TensorData* stored = index().constant(tensor)) return dequantized_constant(dq, *stored);
  const auto producer = index().producer(tensor);
  if (producer && is_quantize(index().node(*producer))) {
    const Node& q = index().node(*producer);
    if (const TensorData* constant = index().constant(q.inputs[0])) {
      const Quantization quantization = read_quantization(index(), q, constant->shape.size());
      Operand folded = dequantized_constant(dq, workspace_.folded(*producer, quantization));
      if (*folded.value.quant != quantization.params) {
        frontend::decline(source, "its scale or zero point differs from that of `", tensor, "`");
      }
      folded.nodes.push_back(*producer);
      return folded;
    }
  }

  const ir::Shape& shape =
      workspace_.shape(tensor) ? known_shape(source, tensor) : known_shape(source, source.outputs[0]);
  const Quantization quantization = read_quantization(index(), source, shape.size());
  if (!allowed(Role::activation, quantization.dtype)) {
    frontend::decline(source, "activations of type ", ir::name(quantization.dtype),
                      " are not supported (supported: ", allowed_types(Role::activation), ")");
  }
  if (!quantization.params.per_tensor()) {
    frontend::decline(source, "per-channel scales or zero points of activations are not supported; use one per tensor");
  }
  require_type(source, tensor, quantization.dtype);
  if (const auto own = tensor_quantization(index(), tensor, shape.size()); own && !(*own == quantization)) {
    frontend::decline(source, "its scale or zero point differs from that of `", tensor, "`");
  }
  return {tensor_value(tensor, quantization.dtype, shape, quantization.params), {dq}};
}

const std::string& UnitBuilder::input_name(std::size_t input) const {
  if (!has_input(node(), input)) reject(node(), "input ", input, " is missing");
  return node().inputs[input];
}

UnitBuilder::Operand UnitBuilder::operand(const std::string& name) const {
  if (const TensorData* constant = index().constant(name)) {
    if (constant->dtype != ir::DType::f32) decline("constant input `", name, "` is ", ir::name(constant->dtype));
    return {constant_value(name, *constant, std::nullopt), {}};
  }
  const auto producer = index().producer(name);
  if (producer && is_dequantize(index().node(*producer))) {
    try {
      return dequantized(*producer);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::unsupported) throw;
      decline("input `", name, "`: ", error.what());
    }
  }
  const auto carried = workspace_.carried().find(name);
  if (carried != workspace_.carried().end()) {
    return {workspace_.value(carried->second.name), {carried->second.node}};
  }
  // A result that another layer leaves float: the two are claimed together, or the value would have to leave the IPU.
  if (producer && workspace_.covered(*producer) && workspace_.written(name) && !workspace_.leaves(name) &&
      !workspace_.value(name).quant) {
    return {workspace_.value(name), {*producer}};
  }
  if (auto integers = bare_integers(name)) return *std::move(integers);
  decline("input `", name, "` ", not_quantized(index(), name));
}

std::optional<UnitBuilder::Operand> UnitBuilder::bare_integers(const std::string& name) const {
  if (!moves_elements(node()) || workspace_.leaves(name)) return std::nullopt;
  const TensorInfo* info = index().info(name);
  std::optional<Quantization> quantization = tensor_quantization(index(), name);
  if (!quantization) {
    if (!info) return std::nullopt;
    quantization = Quantization{info->dtype, {{1.0F}, {0}, 0}};  // integers that stand for themselves
  }
  if (!allowed(Role::activation, quantization->dtype) || !quantization->params.per_tensor()) return std::nullopt;
  if (info && info->dtype != ir::DType::undefined && info->dtype != quantization->dtype) return std::nullopt;
  return Operand{tensor_value(name, quantization->dtype, known_shape(node(), name), quantization->params), {}, true};
}

const ir::Value& UnitBuilder::add(Operand operand) {
  on_integers_ = on_integers_ || operand.bare;
  for (const std::size_t node : operand.nodes) cover(node);
  layer_.inputs.push_back(local_.add_value(std::move(operand.value)));
  return local_.values.back();
}

const ir::Value& UnitBuilder::add_activation(std::size_t input) { return add_activation(input_name(input)); }

const ir::Value& UnitBuilder::add_activation(const std::string& value) {
  Operand found = operand(value);
  if (found.value.constant) decline("input `", value, "` is a constant; fold the node");
  return add(std::move(found));
}

const ir::Value& UnitBuilder::add_weight(std::size_t input) {
  const std::string& name = input_name(input);
  Operand found = operand(name);
  if (!found.value.constant) decline("weight `", name, "` is not constant; make it an initializer");
  if (!found.value.quant) decline("weight `", name, "` is float; quantize it");
  if (!allowed(Role::weight, found.value.dtype)) {
    decline("weight `", name, "` is ", ir::name(found.value.dtype), " (supported: ", allowed_types(Role::weight), ")");
  }
  return add(std::move(found));
}

const ir::Value& UnitBuilder::add_operand(std::size_t input, Role role) {
  Operand found = operand(input_name(input));
  if (found.value.constant && found.value.quant && !allowed(role, found.value.dtype)) {
    decline("constant `", node().inputs[input], "` is ", ir::name(found.value.dtype),
            " (supported: ", allowed_types(role), ")");
  }
  return add(std::move(found));
}

void UnitBuilder::add_bias(std::size_t input, const char* what) {
  if (!has_input(node(), input)) return add_absent();
  add_parameter(node().inputs[input], what);
}

const ir::Value& UnitBuilder::add_parameter(const std::string& name, const char* what) {
  const auto producer = index().producer(name);
  if (!index().constant(name) && !(producer && is_dequantize(index().node(*producer)))) {
    decline(what, " `", name, "` is not constant; make it an initializer");
  }
  Operand found = operand(name);
  if (!found.value.constant) decline(what, " `", name, "` is not constant; make it an initializer");
  if (found.value.quant && !allowed(Role::bias, found.value.dtype)) {
    decline(what, " `", name, "` is ", ir::name(found.value.dtype), " (supported: float, ", allowed_types(Role::bias),
            ")");
  }
  return add(std::move(found));
}

const ir::Value& UnitBuilder::add_integer_tensor(std::size_t input, const Quantization& quantization) {
  const std::string& name = node().inputs[input];
  if (const TensorData* constant = index().constant(name)) {
    if (constant->dtype != quantization.dtype) {
      reject(node(), "`", name, "` is ", ir::name(constant->dtype), ", its zero point ", ir::name(quantization.dtype));
    }
    return add({constant_value(name, *constant, quantization.params), {}});
  }
  const ir::Shape& shape = known_shape(node(), name);
  if (!quantization.params.per_tensor()) {
    decline("per-channel scales or zero points of activations are not supported (`", name, "`)");
  }
  require_type(node(), name, quantization.dtype);
  if (const auto own = tensor_quantization(index(), name, shape.size()); own && !(*own == quantization)) {
    decline("the scale or zero point of `", name, "` differs from that with which it was made; give both the same");
  }
  return add({tensor_value(name, quantization.dtype, shape, quantization.params), {}});
}

const ir::Value& UnitBuilder::add_float_tensor(std::size_t input) {
  const std::string& name = input_name(input);
  if (const TensorData* constant = index().constant(name))
    return add({constant_value(name, *constant, std::nullopt), {}});
  const TensorInfo* info = index().info(name);
  if (info && info->dtype != ir::DType::f32 && info->dtype != ir::DType::undefined) {
    decline("input `", name, "` is ", ir::name(info->dtype), ", not float");
  }
  return add({tensor_value(name, ir::DType::f32, known_shape(node(), name), std::nullopt), {}});
}

const ir::Value& UnitBuilder::add_plain(const std::string& value, const std::vector<ir::DType>& types) {
  const auto check = [&](ir::DType dtype) {
    if (std::find(types.begin(), types.end(), dtype) == types.end()) {
      decline("input `", value, "` is ", ir::name(dtype), ", not ", ir::name(types.front()));
    }
  };
  if (const TensorData* constant = index().constant(value)) {
    check(constant->dtype);
    return add({constant_value(value, *constant, std::nullopt), {}});
  }
  const TensorInfo* info = index().info(value);
  const ir::DType dtype = info && info->dtype != ir::DType::undefined ? info->dtype : types.front();
  check(dtype);
  return add({tensor_value(value, dtype, known_shape(node(), value), std::nullopt), {}});
}

const ir::Value& UnitBuilder::add_constant(ir::Value constant) { return add({std::move(constant), {}}); }

void UnitBuilder::add_vector(std::size_t input) {
  has_input(node(), input) ? add_vector(node().inputs[input]) : add_absent();
}

void UnitBuilder::add_vector(const std::string& value) {
  const TensorData* constant = index().constant(value);
  if (!constant || constant->dtype != ir::DType::f32) decline("`", value, "` is no float constant");
  ir::Value vector = constant_value(value, *constant, std::nullopt);
  vector.shape = {ir::element_count(constant->shape)};
  add({std::move(vector), {}});
}

void UnitBuilder::require_scalar(const ir::Value& value) const {
  const bool scalar = std::all_of(value.shape.begin(), value.shape.end(), [](std::int64_t d) { return d == 1; });
  if (!scalar) decline("`", value.name, "` of shape ", ir::to_string(value.shape), " is not a scalar");
}

bool UnitBuilder::is_plain(std::size_t input) const {
  const std::string& name = input_name(input);
  if (const TensorData* constant = index().constant(name)) return is_plain_type(constant->dtype);
  return is_plain_type(workspace_.dtype(name)) && !tensor_quantization(index(), name);
}

const ir::Value& UnitBuilder::add_plain(std::size_t input) {
  const std::string& name = input_name(input);
  if (const TensorData* constant = index().constant(name))
    return add({constant_value(name, *constant, std::nullopt), {}});
  const ir::Shape& shape = known_shape(node(), name);
  if (tensor_quantization(index(), name, shape.size()))
    decline("input `", name, "` is quantized; it is read through a DequantizeLinear only");
  return add({tensor_value(name, workspace_.dtype(name), shape, std::nullopt), {}});
}

const ir::Value& UnitBuilder::add_own_tensor() { return add(dequantized(anchor_)); }

const ir::Value& UnitBuilder::add_carried(const std::string& value) { return add(operand(value)); }

void UnitBuilder::require_activation() const {
  const bool computed = std::any_of(layer_.inputs.begin(), layer_.inputs.end(), [this](ir::ValueId id) {
    return id != ir::kNoValue && !local_.value(id).constant;
  });
  if (!computed) decline("all of its inputs are constants; fold it");
}

void UnitBuilder::require_per_tensor(const ir::Value& value) const {
  if (value.quant && !value.quant->per_tensor()) {
    decline("per-channel parameters of the constant `", value.name, "` are not supported here");
  }
}

std::optional<std::vector<std::int64_t>> UnitBuilder::constant_integers(std::size_t input, const char* what) const {
  if (!has_input(node(), input)) return std::nullopt;
  const std::string& name = node().inputs[input];
  const TensorData* constant = index().constant(name);
  if (!constant) decline(what, " `", name, "` is computed at run time; it must be a constant");
  return integer_elements(*constant, name);
}

std::optional<std::vector<double>> UnitBuilder::constant_reals(std::size_t input, const char* what) {
  if (!has_input(node(), input)) return std::nullopt;
  auto reals = frontend::constant_reals(index(), node().inputs[input]);
  if (!reals) decline(what, " `", node().inputs[input], "` is computed at run time; it must be a constant");
  cover_dequantize(node().inputs[input]);
  return reals;
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
  if (!slot || index().escapes(output)) return;
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
    add_output(tensor_value(name, ir::DType::f32, {}, std::nullopt));
  }
}

void UnitBuilder::finish_integers(ir::LayerAttrs attrs) {
  MovedInputs moved = moved_inputs(attrs, layer_.inputs.size());
  // Any constant that a Pad puts between integers is one of them.
  if (std::holds_alternative<ir::PadAttrs>(attrs)) moved = {0, 1};
  if (moved.first == moved.last || !same_parameters(moved)) {
    decline("input `", local_.value(layer_.inputs[0]).name, "` ",
            not_quantized(index(), local_.value(layer_.inputs[0]).name));
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

void UnitBuilder::finish_float(ir::LayerAttrs attrs, const std::string& output) {
  add_output(tensor_value(output, ir::DType::f32, {}, std::nullopt));
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
  if (reads_float) decline("all of its tensors are float or plain integers; quantize them");
  for (const ir::ValueId id : layer_.outputs) {
    if (id != ir::kNoValue && local_.value(id).dtype == ir::DType::f32)
      workspace_.mark_unquantized(local_.value(id).name);
  }
}

void UnitBuilder::commit(ir::LayerAttrs attrs) {
  const bool dequantizes = std::holds_alternative<ir::DequantizeAttrs>(attrs);
  layer_.op = dequantizes ? "DequantizeLinear" : node().op_type;  // of a carried value: its node has another type
  layer_.attrs = std::move(attrs);
  layer_.name = layer_name(node());
  for (const std::size_t i : nodes_) layer_.onnx_nodes.push_back(layer_name(index().node(i)));
  const std::vector<ir::Shape> shapes = ir::infer_shapes(local_, layer_);
  if (layer_.outputs.size() > shapes.size()) {
    decline("has ", layer_.outputs.size(), " outputs; only the first ", shapes.size(), " are supported");
  }
  for (std::size_t i = 0; i < layer_.outputs.size(); ++i) {
    if (layer_.outputs[i] == ir::kNoValue) continue;
    ir::Value& output = local_.value(layer_.outputs[i]);
    output.shape = shapes[i];
    if (!output.quant && is_plain_type(output.dtype) && tensor_quantization(index(), output.name, output.shape.size()))
      decline("its result `", output.name, "` is read as a quantized tensor");
  }
  trace_unquantized();
  workspace_.commit(std::move(layer_), local_, std::move(nodes_));
  for (const auto& [value, integers] : carried_) workspace_.carry(value, {integers, anchor_});
}

}  // namespace vaip::frontend
