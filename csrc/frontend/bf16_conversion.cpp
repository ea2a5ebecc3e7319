#include "frontend/bf16_conversion.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/half.h"
#include "frontend/constants.h"
#include "frontend/unit_values.h"

namespace vaip::frontend {
namespace {

using ir::DType;
using ir::ValueId;

bool is_float_tensor(const ir::Value& value) { return !value.constant && !value.quant && is_float_type(value.dtype); }

// How a layer takes part in the conversion.
enum class Part {
  bf16,     // computes in bfloat16: its float tensors are
  float32,  // its float tensors are float32, because quantization happens inside the layer
  any,      // has quantized tensors; of the others it takes whatever type they have
};

Part part_of(const ir::Graph& graph, const ir::Layer& layer) {
  if (layer.as<ir::DynamicQuantizeAttrs>() || layer.as<ir::IntegerMatMulAttrs>() || layer.as<ir::IntegerConvAttrs>())
    return Part::float32;
  if (layer.as<ir::QuantizeAttrs>()) return Part::any;
  bool reads_quantized = false, has_float = false;
  for (const ValueId id : layer.inputs) {
    if (id == ir::kNoValue) continue;
    const ir::Value& value = graph.value(id);
    if (value.quant && value.quant->block != 0) return Part::float32;
    reads_quantized = reads_quantized || (value.quant && !value.constant);
    has_float = has_float || is_float_tensor(value);
  }
  for (const ValueId id : layer.outputs)
    has_float = has_float || (id != ir::kNoValue && is_float_tensor(graph.value(id)));
  return has_float && !reads_quantized ? Part::bf16 : Part::any;
}

// The real numbers that a constant stands for.
std::vector<float> real_numbers(const ir::Value& value) {
  const TensorData tensor{value.dtype, value.shape, *value.constant};
  std::vector<float> reals;
  if (!value.quant) {
    if (value.dtype == DType::f32) return float_elements(tensor, value.name);
    for (const double x : real_elements(tensor, value.name)) reals.push_back(static_cast<float>(x));
    return reals;
  }
  const ir::QuantParams& params = *value.quant;
  std::size_t inner = 1;
  if (!params.per_tensor()) {
    for (std::size_t d = static_cast<std::size_t>(params.axis) + 1; d < value.shape.size(); ++d)
      inner *= static_cast<std::size_t>(value.shape[d]);
  }
  for (const std::int64_t q : integer_elements(tensor, value.name)) {
    const std::size_t channel = reals.size() / std::max<std::size_t>(1, inner) % params.scale.size();
    reals.push_back(static_cast<float>(q - params.zero_point[channel]) * params.scale[channel]);
  }
  return reals;
}

// A finite constant stays finite. What masks are multiplied with is often the most negative float32: as an infinity it
// would be no number where the mask is 0.
std::uint16_t constant_to_bfloat16(float x) {
  constexpr std::uint16_t kInfinity = 0x7F80U, kMagnitude = 0x7FFFU;
  const std::uint16_t rounded = to_bfloat16(x);
  return static_cast<std::uint16_t>(std::isfinite(x) && (rounded & kMagnitude) == kInfinity ? rounded - 1U : rounded);
}

// The same number, unless rounding it would make it infinite.
float within_bfloat16(float x) {
  const std::uint16_t rounded = constant_to_bfloat16(x);
  return std::isfinite(x) && to_bfloat16(x) != rounded ? from_bfloat16(rounded) : x;
}

template <typename T, typename Convert>
ir::Constant packed(const std::vector<float>& reals, Convert convert) {
  std::vector<std::byte> bytes(reals.size() * sizeof(T));
  for (std::size_t i = 0; i < reals.size(); ++i) {
    const T element = convert(reals[i]);
    std::memcpy(bytes.data() + i * sizeof(T), &element, sizeof element);
  }
  return make_constant(std::move(bytes));
}

class Converter {
 public:
  explicit Converter(const ir::Graph& graph)
      : source_(graph), versions_(graph.values.size()), is_output_(graph.values.size(), false) {
    out_.values = graph.values;
    out_.inputs = graph.inputs;
    out_.outputs = graph.outputs;
    for (const ValueId id : graph.outputs) is_output_[at(id)] = true;
    for (const ir::Layer& layer : graph.layers) parts_.push_back(part_of(graph, layer));
  }

  ir::Graph run() && {
    settle_versions();
    for (std::size_t i = 0; i < source_.layers.size(); ++i) convert(i);
    drop_unused();
    return std::move(out_);
  }

 private:
  // The forms in which a float tensor exists so far.
  struct Versions {
    ValueId bf16 = ir::kNoValue;
    ValueId own = ir::kNoValue;  // of the model's type
  };

  static std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }

  // A tensor is bfloat16 where a float layer makes it or takes it, and where it is made allows that.
  void settle_versions() {
    std::vector<bool> wanted(source_.values.size(), false), fixed(source_.values.size(), false);
    for (const ValueId id : source_.inputs) fixed[at(id)] = true;
    for (std::size_t i = 0; i < source_.layers.size(); ++i) {
      for (const ValueId id : source_.layers[i].inputs)
        if (id != ir::kNoValue && parts_[i] == Part::bf16) wanted[at(id)] = true;
      for (const ValueId id : source_.layers[i].outputs) {
        if (id == ir::kNoValue) continue;
        if (parts_[i] == Part::bf16) wanted[at(id)] = true;
        if (parts_[i] == Part::float32) fixed[at(id)] = true;
      }
    }
    for (std::size_t v = 0; v < source_.values.size(); ++v) {
      const ir::Value& value = source_.values[v];
      if (!is_float_tensor(value)) continue;
      const auto id = static_cast<ValueId>(v);
      if (value.dtype == DType::bf16) {
        versions_[v] = {id, id};
      } else if (fixed[v] || !wanted[v]) {
        versions_[v].own = id;
      } else if (is_output_[v]) {
        versions_[v].bf16 = add_version(id, DType::bf16);
      } else {
        versions_[v].bf16 = id;
        out_.value(id).dtype = DType::bf16;
      }
    }
  }

  ValueId add_version(ValueId id, DType dtype) {
    ir::Value version = source_.value(id);
    version.name += std::string(" (").append(ir::name(dtype)).append(")");
    version.dtype = dtype;
    return out_.add_value(std::move(version));
  }

  void add_cast(ValueId from, ValueId to) {
    ir::Layer cast;
    cast.name = out_.value(dtype_of(to) == DType::bf16 ? to : from).name;
    cast.op = "Cast";
    cast.attrs = ir::CastAttrs{};
    cast.inputs = {from};
    cast.outputs = {to};
    out_.layers.push_back(std::move(cast));
  }
  DType dtype_of(ValueId id) const { return out_.value(id).dtype; }

  ValueId read(ValueId id, Part part) {
    Versions& versions = versions_[at(id)];
    if (part == Part::any) part = versions.bf16 != ir::kNoValue ? Part::bf16 : Part::float32;
    if (part == Part::bf16) {
      if (versions.bf16 == ir::kNoValue) add_cast(versions.own, versions.bf16 = add_version(id, DType::bf16));
      return versions.bf16;
    }
    if (versions.own == ir::kNoValue) add_cast(versions.bf16, versions.own = add_version(id, source_.value(id).dtype));
    return versions.own;
  }

  // What meets float32 in a core's registers, and is never an operand of a product: a bias, with which an accumulator
  // starts, the parameters of a normalization, and the numbers that arithmetic does to all elements.
  bool stays_float(const ir::Layer& layer, std::size_t input) const {
    if (layer.as<ir::ConvAttrs>() || layer.as<ir::ConvTransposeAttrs>() || layer.as<ir::MatMulAttrs>())
      return input == 2;
    if (layer.as<ir::NormalizationAttrs>()) return input > 0;
    return layer.as<ir::ArithmeticAttrs>() && ir::element_count(source_.value(layer.inputs[input]).shape) == 1;
  }

  ValueId constant_as(ValueId id, DType dtype) {
    const ir::Value& value = source_.value(id);
    if (!value.quant && (value.dtype == dtype || !is_float_type(value.dtype))) return id;
    auto& known = dtype == DType::bf16 ? bf16_constants_ : float_constants_;
    const auto found = known.find(id);
    if (found != known.end()) return found->second;
    const std::vector<float> reals = real_numbers(value);
    ir::Value converted{value.name, dtype, value.shape, std::nullopt, std::nullopt};
    converted.constant = dtype == DType::bf16 ? packed<std::uint16_t>(reals, constant_to_bfloat16)
                                              : packed<float>(reals, within_bfloat16);
    return known[id] = out_.add_value(std::move(converted));
  }

  void convert(std::size_t index) {
    ir::Layer layer = source_.layers[index];
    const Part part = parts_[index];
    for (std::size_t i = 0; i < layer.inputs.size(); ++i) {
      ValueId& id = layer.inputs[i];
      if (id == ir::kNoValue) continue;
      if (is_float_tensor(source_.value(id))) {
        id = read(id, part);
      } else if (part == Part::bf16 && source_.value(id).constant) {
        id = constant_as(id, stays_float(layer, i) ? DType::f32 : DType::bf16);
      }
    }
    std::vector<std::pair<ValueId, ValueId>> leaving;
    for (ValueId& id : layer.outputs) {
      if (id == ir::kNoValue || !is_float_tensor(source_.value(id))) continue;
      Versions& versions = versions_[at(id)];
      if (versions.bf16 == ir::kNoValue) continue;
      if (is_output_[at(id)] && versions.bf16 != id) leaving.emplace_back(versions.bf16, versions.own = id);
      id = versions.bf16;
    }
    out_.layers.push_back(std::move(layer));
    for (const auto& [from, to] : leaving) add_cast(from, to);
  }

  // The float32 constants whose rounded form took their place are not to be kept in memory.
  void drop_unused() {
    std::vector<ValueId> renumbered(out_.values.size(), ir::kNoValue);
    std::vector<ir::Value> values;
    const auto keep = [&](ValueId& id) {
      if (id == ir::kNoValue) return;
      ValueId& next = renumbered[at(id)];
      if (next == ir::kNoValue) {
        next = static_cast<ValueId>(values.size());
        values.push_back(std::move(out_.value(id)));
      }
      id = next;
    };
    for (ValueId& id : out_.inputs) keep(id);
    for (ir::Layer& layer : out_.layers) {
      for (ValueId& id : layer.inputs) keep(id);
      for (ValueId& id : layer.outputs) keep(id);
    }
    for (ValueId& id : out_.outputs) keep(id);
    out_.values = std::move(values);
  }

  const ir::Graph& source_;
  ir::Graph out_;
  std::vector<Part> parts_;  // per layer
  std::vector<Versions> versions_;
  std::vector<bool> is_output_;
  std::unordered_map<ValueId, ValueId> bf16_constants_, float_constants_;
};

}  // namespace

ir::Graph convert_to_bf16(const ir::Graph& graph) { return Converter(graph).run(); }

}  // namespace vaip::frontend
