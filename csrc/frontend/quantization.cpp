#include "frontend/quantization.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/half.h"
#include "frontend/bf16_rounding.h"
#include "frontend/constants.h"
#include "frontend/integer_operators.h"
#include "frontend/node_access.h"

namespace vaip::frontend {
namespace {

using ir::DType;

struct RoleRow {
  Role role;
  std::array<DType, 6> types;  // padded with undefined
};
// The one place that says which types may be used where. Biases come as int32 (s_x * s_w) from onnxruntime's quantizer
// and Quark's A8W8, as int8 and int16 with scales of their own from Quark's XINT8 and Int16Bias.
constexpr std::array<RoleRow, 3> kRoles = {{
    {Role::activation, {DType::u8, DType::s8, DType::u16, DType::s16}},
    {Role::weight, {DType::u8, DType::s8, DType::u16, DType::s16, DType::u4, DType::s4}},
    {Role::bias, {DType::s32, DType::u8, DType::s8, DType::u16, DType::s16}},
}};

// The names of one pair of operators, and the axis of per-channel parameters where the node names none.
struct Spelling {
  const char *domain, *quantize, *dequantize;
  std::int64_t axis;
};
constexpr std::array<Spelling, 4> kSpellings = {{
    {"", "QuantizeLinear", "DequantizeLinear", 1},
    {"com.microsoft", "QuantizeLinear", "DequantizeLinear", 1},
    {"com.amd.quark", "ExtendedQuantizeLinear", "ExtendedDequantizeLinear", 0},
    {"com.vai.quantize", "VitisQuantizeLinear", "VitisDequantizeLinear", 0},
}};

const Spelling* spelling(const Node& node) {
  const auto found = std::find_if(kSpellings.begin(), kSpellings.end(), [&node](const Spelling& s) {
    return node.domain == s.domain && (node.op_type == s.quantize || node.op_type == s.dequantize);
  });
  return found == kSpellings.end() ? nullptr : &*found;
}

bool is_well_formed(const Node& node) {
  return has_input(node, 0) && has_input(node, 1) && !node.outputs.empty() && !node.outputs[0].empty();
}

// The element type of an integer tensor, as far as the graph tells; undefined where it does not.
DType type_of(const GraphIndex& index, const std::string& tensor) {
  if (const TensorData* constant = index.constant(tensor)) return constant->dtype;
  const TensorInfo* info = index.info(tensor);
  if (info && info->dtype != DType::undefined) return info->dtype;
  const auto producer = index.producer(tensor);
  if (!producer) return DType::undefined;
  const Node& node = index.node(*producer);
  if (is_quantize(node)) return read_quantization(index, node).dtype;
  if (moves_elements(node)) return type_of(index, node.inputs[0]);
  return DType::undefined;
}

const TensorData& constant_input(const GraphIndex& index, const Node& node, std::size_t input, const char* what) {
  const TensorData* constant = index.constant(node.inputs[input]);
  if (!constant) decline(node, what, " `", node.inputs[input], "` is not a constant");
  return *constant;
}

std::vector<float> read_scale(const GraphIndex& index, const Node& node, std::size_t input) {
  if (!has_input(node, input)) reject(node, "has no scale");
  const TensorData& tensor = constant_input(index, node, input, "scale");
  if (tensor.dtype != DType::f32) decline(node, "scale is ", ir::name(tensor.dtype), "; only float is supported");
  if (tensor.shape.size() > 1)
    decline(node, "blocked quantization (a scale of rank ", tensor.shape.size(), ") is not supported");
  std::vector<float> scale = float_elements(tensor, node.inputs[input]);
  if (scale.empty()) reject(node, "scale `", node.inputs[input], "` is empty");
  for (const float s : scale) {
    if (!(s > 0.0F) || !std::isfinite(s))
      decline(node, "scale `", node.inputs[input], "` is ", s, "; it must be positive");
  }
  return scale;
}

// The element type that a Q or DQ without zero point works on.
DType implied_type(const GraphIndex& index, const Node& node) {
  if (is_quantize(node)) {
    const std::int64_t named = attribute(node, "output_dtype", std::int64_t{0});
    return named == 0 ? DType::u8 : ir::from_onnx(static_cast<int>(named));
  }
  const DType dtype = type_of(index, node.inputs[0]);
  if (dtype != DType::undefined) return dtype;
  decline(node, "has no zero point, and the type of `", node.inputs[0], "` is not known");
}

std::vector<std::int32_t> read_zero_point(const GraphIndex& index, const Node& node, std::size_t input,
                                          std::size_t count, DType& dtype) {
  const TensorData& tensor = constant_input(index, node, input, "zero point");
  dtype = tensor.dtype;
  if (!ir::is_integer(dtype)) decline(node, "quantizes to ", ir::name(dtype), ", which is not supported");
  if (ir::size_of(dtype) > 4 || dtype == DType::u32) {
    decline(node, "quantizes to ", ir::name(dtype), ", which is not supported");
  }
  const std::vector<std::int64_t> wide = integer_elements(tensor, node.inputs[input]);
  if (wide.size() != count) {
    reject(node, "zero point `", node.inputs[input], "` has ", wide.size(), " elements, its scale ", count);
  }
  return std::vector<std::int32_t>(wide.begin(), wide.end());
}

// What the first reader that says anything says of the tensor. A reader that is not supported says nothing.
std::optional<Quantization> as_read(const GraphIndex& index, const std::string& tensor,
                                    std::optional<std::size_t> rank);

std::optional<Quantization> as_read_by(const GraphIndex& index, const Node& node, const std::string& tensor,
                                       std::optional<std::size_t> rank) {
  try {
    if (is_dequantize(node) && node.inputs[0] == tensor) return read_quantization(index, node, rank);
    if (const auto inputs = qlinear_inputs(node)) {
      for (const std::size_t input : inputs->tensors) {
        if (has_input(node, input) && node.inputs[input] == tensor)
          return read_parameters(index, node, tensor, input + 1, 0);
      }
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::unsupported) throw;
  }
  if (moves_elements(node) && node.inputs[0] == tensor) {
    for (const std::string& output : node.outputs) {
      if (auto found = as_read(index, output, std::nullopt)) return found;
    }
  }
  return std::nullopt;
}

std::optional<Quantization> as_read(const GraphIndex& index, const std::string& tensor,
                                    std::optional<std::size_t> rank) {
  for (const std::size_t consumer : index.consumers(tensor)) {
    if (auto found = as_read_by(index, index.node(consumer), tensor, rank)) return found;
  }
  return std::nullopt;
}

// What a DequantizeLinear to bfloat16 reads: such a constant, or one of another type and its QuantizeLinear.
std::optional<std::vector<double>> rounded_reals(const GraphIndex& index, const std::string& tensor) {
  if (const TensorData* stored = index.constant(tensor)) return real_elements(*stored, tensor);
  const auto producer = index.producer(tensor);
  if (!producer || !is_bf16_rounding(index, index.node(*producer))) return std::nullopt;
  const std::string& source = index.node(*producer).inputs[0];
  const TensorData* stored = index.constant(source);
  if (!stored) return std::nullopt;
  std::vector<double> reals = real_elements(*stored, source);
  for (double& x : reals) x = BFloat16(x);
  return reals;
}

template <typename T>
void store(std::byte* out, std::size_t i, std::int64_t value) {
  const T element = static_cast<T>(value);
  std::memcpy(out + i * sizeof(T), &element, sizeof(T));
}

}  // namespace

bool is_quantize_operator(const Node& node) {
  const Spelling* found = spelling(node);
  return found && node.op_type == found->quantize;
}
bool is_dequantize_operator(const Node& node) {
  const Spelling* found = spelling(node);
  return found && node.op_type == found->dequantize;
}
std::set<std::string> quantization_operators() {
  std::set<std::string> names;
  for (const Spelling& s : kSpellings) names.insert({s.quantize, s.dequantize});
  return names;
}
bool is_quantize(const Node& node) { return is_quantize_operator(node) && is_well_formed(node); }
bool is_dequantize(const Node& node) { return is_dequantize_operator(node) && is_well_formed(node); }

bool allowed(Role role, DType dtype) {
  const auto row = std::find_if(kRoles.begin(), kRoles.end(), [role](const RoleRow& r) { return r.role == role; });
  return dtype != DType::undefined && std::find(row->types.begin(), row->types.end(), dtype) != row->types.end();
}

std::string allowed_types(Role role) {
  std::string text;
  for (const RoleRow& row : kRoles) {
    for (const DType dtype : row.types) {
      if (row.role == role && dtype != DType::undefined)
        text += (text.empty() ? "" : ", ") + std::string(ir::name(dtype));
    }
  }
  return text;
}

Quantization read_quantization(const GraphIndex& index, const Node& node, std::optional<std::size_t> rank) {
  if (attribute(node, "block_size", std::int64_t{0}) != 0) decline(node, "blocked quantization is not supported");
  for (const char* name : {"precision", is_dequantize(node) ? "output_dtype" : "precision"}) {
    const std::int64_t type = attribute(node, name, std::int64_t{0});
    if (type != 0 && ir::from_onnx(static_cast<int>(type)) != DType::f32)
      decline(node, name, " other than float is not supported");
  }
  Quantization result;
  result.params.scale = read_scale(index, node, 1);
  const std::size_t count = result.params.scale.size();
  if (has_input(node, 2)) {
    result.params.zero_point = read_zero_point(index, node, 2, count, result.dtype);
    const std::int64_t named = is_quantize(node) ? attribute(node, "output_dtype", std::int64_t{0}) : 0;
    if (named != 0 && ir::from_onnx(static_cast<int>(named)) != result.dtype) {
      reject(node, "output_dtype contradicts the type of the zero point, ", ir::name(result.dtype));
    }
  } else {
    result.dtype = implied_type(index, node);
    result.params.zero_point.assign(count, 0);
    if (!ir::is_integer(result.dtype))
      decline(node, "quantizes to ", ir::name(result.dtype), ", which is not supported");
  }
  if (count > 1 && rank) {
    const std::int64_t axis = attribute(node, "axis", spelling(node)->axis);
    const auto signed_rank = static_cast<std::int64_t>(*rank);
    if (axis < -signed_rank || axis >= signed_rank) reject(node, "axis ", axis, " is outside a tensor of rank ", *rank);
    result.params.axis = static_cast<int>(axis < 0 ? axis + signed_rank : axis);
  }
  return result;
}

Quantization read_parameters(const GraphIndex& index, const Node& node, const std::string& tensor, std::size_t scale,
                             std::size_t axis) {
  Quantization result;
  result.params.scale = read_scale(index, node, scale);
  const std::size_t count = result.params.scale.size();
  if (has_input(node, scale + 1)) {
    result.params.zero_point = read_zero_point(index, node, scale + 1, count, result.dtype);
  } else {
    if (node.domain.empty()) reject(node, "input ", scale + 1, " is missing");  // com.microsoft's are optional
    result.params.zero_point.assign(count, 0);
    result.dtype = type_of(index, tensor);
    if (!ir::is_integer(result.dtype))
      decline(node, "`", tensor, "` has no zero point, and is not known to be of an integer type");
  }
  result.params.axis = result.params.per_tensor() ? 0 : static_cast<int>(axis);
  return result;
}

std::optional<Quantization> tensor_quantization(const GraphIndex& index, const std::string& tensor,
                                                std::optional<std::size_t> rank) {
  if (const auto producer = index.producer(tensor)) {
    const Node& node = index.node(*producer);
    if (is_quantize(node)) return read_quantization(index, node, rank);
    if (const auto inputs = qlinear_inputs(node); inputs && has_input(node, inputs->output_scale))
      return read_parameters(index, node, tensor, inputs->output_scale, 0);
    if (moves_elements(node) && !index.constant(node.inputs[0])) {
      if (auto source = tensor_quantization(index, node.inputs[0])) return source;
    }
  }
  return as_read(index, tensor, rank);
}

TensorData quantize_constant(const TensorData& tensor, const Quantization& quantization, const std::string& what) {
  const std::vector<float> x = float_elements(tensor, what);
  const ir::QuantParams& params = quantization.params;
  std::size_t inner = 1, channels = 1;
  if (!params.per_tensor()) {
    const auto axis = static_cast<std::size_t>(params.axis);
    channels = params.scale.size();
    if (axis >= tensor.shape.size() || tensor.shape[axis] != static_cast<std::int64_t>(channels)) {
      fail(ErrorKind::invalid_model, "constant `", what, "` of shape ", ir::to_string(tensor.shape), " has ", channels,
           " scales along axis ", axis);
    }
    for (std::size_t i = axis + 1; i < tensor.shape.size(); ++i) inner *= static_cast<std::size_t>(tensor.shape[i]);
  }
  const std::size_t size = ir::size_of(quantization.dtype);
  const auto low = static_cast<double>(ir::lowest(quantization.dtype));
  const auto high = static_cast<double>(ir::highest(quantization.dtype));
  std::vector<std::byte> bytes(x.size() * size);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t channel = inner == 0 ? 0 : i / inner % channels;
    const float ratio = x[i] / params.scale[channel];
    const double rounded = std::isnan(ratio) ? 0.0 : std::nearbyint(static_cast<double>(ratio));
    const auto q = static_cast<std::int64_t>(std::clamp(rounded + params.zero_point[channel], low, high));
    switch (quantization.dtype) {
      case DType::u8:
        store<std::uint8_t>(bytes.data(), i, q);
        break;
      case DType::s8:
        store<std::int8_t>(bytes.data(), i, q);
        break;
      case DType::u16:
        store<std::uint16_t>(bytes.data(), i, q);
        break;
      case DType::s16:
        store<std::int16_t>(bytes.data(), i, q);
        break;
      case DType::s32:
        store<std::int32_t>(bytes.data(), i, q);
        break;
      default:
        fail(ErrorKind::unsupported, "constant `", what, "` is quantized to ", ir::name(quantization.dtype));
    }
  }
  return {quantization.dtype, tensor.shape, make_constant(std::move(bytes))};
}

std::optional<std::vector<double>> constant_reals(const GraphIndex& index, const std::string& value) {
  if (const TensorData* constant = index.constant(value)) return real_elements(*constant, value);
  const auto producer = index.producer(value);
  if (!producer || !is_dequantize(index.node(*producer))) return std::nullopt;
  const Node& dq = index.node(*producer);
  if (is_bf16_rounding(index, dq)) return rounded_reals(index, dq.inputs[0]);
  const TensorData* stored = index.constant(dq.inputs[0]);
  if (!stored) return std::nullopt;
  const Quantization quantization = read_quantization(index, dq, stored->shape.size());
  if (!quantization.params.per_tensor()) return std::nullopt;
  std::vector<double> reals;
  for (const std::int64_t q : integer_elements(*stored, dq.inputs[0])) {
    reals.push_back(static_cast<double>(q - quantization.params.zero_point[0]) * quantization.params.scale[0]);
  }
  return reals;
}

bool same_tensor(const GraphIndex& index, const std::string& a, const std::string& b) {
  if (a == b) return true;
  const auto pa = index.producer(a), pb = index.producer(b);
  if (!pa || !pb) return false;
  const Node &na = index.node(*pa), &nb = index.node(*pb);
  if (!is_dequantize(na) || !is_dequantize(nb) || na.inputs[0] != nb.inputs[0]) return false;
  if (is_bf16_rounding(index, na) && is_bf16_rounding(index, nb)) return true;
  try {
    return read_quantization(index, na) == read_quantization(index, nb);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::unsupported) throw;
    return false;
  }
}

}  // namespace vaip::frontend
