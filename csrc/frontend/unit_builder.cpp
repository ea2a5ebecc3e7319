#include "frontend/unit_builder.h"

#include <algorithm>

#include "frontend/bf16_rounding.h"
#include "frontend/constants.h"
#include "frontend/integer_operators.h"
#include "frontend/unit_values.h"

namespace vaip::frontend {

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
    frontend::decline(source, "its scale or zero point differs from that of `", tensor,
                      "`, which has one meaning on the IPU; give all that write and read it the same, or quantize its "
                      "source once more for this reader");
  }
  return {tensor_value(tensor, quantization.dtype, shape, quantization.params), {dq}};
}

const std::string& UnitBuilder::input_name(std::size_t input) const {
  if (!has_input(node(), input)) reject(node(), "input ", input, " is missing");
  return node().inputs[input];
}

UnitBuilder::Operand UnitBuilder::operand(const std::string& name) const {
  if (const TensorData* constant = index().constant(name)) {
    const bool fits = converts_floats() ? is_float_type(constant->dtype) : constant->dtype == ir::DType::f32;
    if (!fits) decline("constant input `", name, "` is ", ir::name(constant->dtype));
    return {constant_value(name, *constant, std::nullopt), {}};
  }
  if (auto rounded = rounded_operand(name)) return *std::move(rounded);
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
  if (auto tensor = float_operand(name)) return *std::move(tensor);
  // A result that another layer leaves float: the two are claimed together, or the value would have to leave the IPU.
  if (producer && workspace_.covered(*producer) && workspace_.written(name) && !workspace_.leaves(name) &&
      !workspace_.value(name).quant) {
    return {workspace_.value(name), {*producer}};
  }
  if (auto integers = bare_integers(name)) return *std::move(integers);
  decline("input `", name, "` ", unfit(name));
}

std::optional<UnitBuilder::Operand> UnitBuilder::float_operand(const std::string& name) const {
  const ir::DType dtype = workspace_.dtype(name);
  if (!converts_floats() || !is_float_type(dtype)) return std::nullopt;
  return Operand{tensor_value(name, dtype, known_shape(node(), name), std::nullopt), {}};
}

// What a pair of bfloat16 roundings reads: the layer that computes in bfloat16 has rounded it already, or will.
std::optional<UnitBuilder::Operand> UnitBuilder::rounded_operand(const std::string& name) const {
  const auto producer = index().producer(name);
  if (!converts_floats() || !producer || !is_bf16_rounding(index(), index().node(*producer))) return std::nullopt;
  Operand source = operand(index().node(*producer).inputs[0]);
  source.nodes.push_back(*producer);
  return source;
}

std::string UnitBuilder::unfit(const std::string& name) const {
  return converts_floats() ? not_float(index(), name) : not_quantized(index(), name);
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
  if (!found.value.quant && !converts_floats()) decline("weight `", name, "` is float; quantize it");
  if (found.value.quant && !allowed(Role::weight, found.value.dtype)) {
    decline("weight `", name, "` is ", ir::name(found.value.dtype), " (supported: ", allowed_types(Role::weight), ")");
  }
  return add(std::move(found));
}

const ir::Value& UnitBuilder::add_operand(std::size_t input, Role role) {
  Operand found = operand(input_name(input));
  const bool matrix = role == Role::weight && found.value.shape.size() <= 2;
  if (!matrix) found.value = in_whole_bytes(std::move(found.value));
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
  found.value = in_whole_bytes(std::move(found.value));
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

const ir::Value& UnitBuilder::add_stored(const std::string& value, ir::DType dtype) {
  if (const TensorData* constant = index().constant(value))
    return add({constant_value(value, *constant, std::nullopt), {}});
  return add({tensor_value(value, dtype, known_shape(node(), value), std::nullopt), {}});
}

const ir::Value& UnitBuilder::add_float_tensor(std::size_t input) {
  const std::string& name = input_name(input);
  const TensorInfo* info = index().constant(name) ? nullptr : index().info(name);
  if (info && info->dtype != ir::DType::f32 && info->dtype != ir::DType::undefined) {
    decline("input `", name, "` is ", ir::name(info->dtype), ", not float");
  }
  return add_stored(name, ir::DType::f32);
}

const ir::Value& UnitBuilder::add_plain(const std::string& value, const std::vector<ir::DType>& types) {
  const TensorData* constant = index().constant(value);
  const TensorInfo* info = index().info(value);
  const ir::DType declared = constant ? constant->dtype : info ? info->dtype : ir::DType::undefined;
  const ir::DType dtype = !constant && declared == ir::DType::undefined ? types.front() : declared;
  if (std::find(types.begin(), types.end(), dtype) == types.end()) {
    decline("input `", value, "` is ", ir::name(dtype), ", not ", ir::name(types.front()));
  }
  return add_stored(value, dtype);
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
  if (!index().constant(name) && tensor_quantization(index(), name, known_shape(node(), name).size()))
    decline("input `", name, "` is quantized; it is read through a DequantizeLinear only");
  return add_stored(name, workspace_.dtype(name));
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

}  // namespace vaip::frontend
