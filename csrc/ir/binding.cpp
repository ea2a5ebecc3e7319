#include "ir/binding.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>

#include "base/error.h"
#include "ir/computed_parameters.h"

namespace vaip::ir {
namespace {

void bind_input(Value& value, const Shape& shape) {
  const auto contradicts = [&] {
    if (shape.size() != value.shape.size() || !is_static(shape)) return true;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (value.shape[i] != kDynamic && value.shape[i] != shape[i]) return true;
    }
    return false;
  };
  if (contradicts()) {
    fail(ErrorKind::invalid_argument, "input `", value.name, "` has the shape ", to_string(shape),
         "; the model declares ", to_string(value.shape));
  }
  value.shape = shape;
}

class Binder {
 public:
  Binder(const Graph& graph, const Evaluate& evaluate) : bound_(graph), evaluate_(evaluate) {}

  void bind_inputs(const std::vector<Shape>& shapes, const std::vector<std::optional<Constant>>& contents) {
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      Value& value = bound_.value(bound_.inputs[i]);
      bind_input(value, shapes[i]);
      if (i < contents.size() && contents[i]) value.constant = contents[i];
    }
  }

  Graph run() && {
    std::vector<Layer> layers;
    layers.swap(bound_.layers);
    for (Layer& layer : layers) {
      take_parameters(layer);
      infer_outputs(layer);
      if (!make_constant(layer)) bound_.layers.push_back(std::move(layer));
    }
    drop_unread();
    return std::move(bound_);
  }

 private:
  const Value& input(const Layer& layer, std::size_t i) const { return bound_.value(layer.inputs.at(i)); }

  std::vector<std::int64_t> known_integers(const Layer& layer, std::size_t i) const {
    const Value& value = input(layer, i);
    if (!value.constant) {
      fail(ErrorKind::unsupported, layer.op, " `", layer.name, "`: `", value.name,
           "` is computed from more than shapes; it is not known before the model runs");
    }
    const auto count = static_cast<std::size_t>(element_count(value.shape));
    const std::size_t size = size_of(value.dtype);
    if ((value.dtype != DType::s64 && value.dtype != DType::s32) || value.constant->size_bytes != count * size)
      fail(ErrorKind::invalid_model, layer.op, " `", layer.name, "`: `", value.name, "` is no list of integers");
    std::vector<std::int64_t> out(count);
    for (std::size_t k = 0; k < count; ++k) {
      out[k] =
          value.dtype == DType::s64 ? value.constant->as<std::int64_t>()[k] : value.constant->as<std::int32_t>()[k];
    }
    return out;
  }

  void take_parameters(Layer& layer) const {
    const std::vector<ComputedParameter> computed = computed_parameters(layer);
    if (computed.empty()) return;
    for (const ComputedParameter& parameter : computed) *parameter.values = known_integers(layer, parameter.input);
    layer.inputs.resize(1);
  }

  void infer_outputs(const Layer& layer) {
    std::vector<Shape> shapes =
        layer.as<RangeAttrs>() ? std::vector<Shape>{{range_length(layer)}} : infer_shapes(bound_, layer);
    for (std::size_t i = 0; i < layer.outputs.size(); ++i) {
      if (layer.outputs[i] == kNoValue) continue;
      if (!is_static(shapes[i])) {
        fail(ErrorKind::internal, layer.op, " `", layer.name, "`: output ", i, " has the shape ", to_string(shapes[i]),
             " although all inputs are known");
      }
      bound_.value(layer.outputs[i]).shape = std::move(shapes[i]);
    }
  }

  // False where the layer is left to the run.
  bool make_constant(const Layer& layer) {
    if (const auto* attrs = layer.as<ShapeAttrs>()) {
      set(layer, dimensions(*attrs, input(layer, 0).shape));
      return true;
    }
    if (layer.as<RangeAttrs>()) {
      set(layer, range(layer));
      return true;
    }
    const bool known = std::all_of(layer.inputs.begin(), layer.inputs.end(), [this](ValueId id) {
      return id == kNoValue || bound_.value(id).constant.has_value();
    });
    if (!known || !evaluate_) return false;
    std::vector<Constant> results = evaluate_(bound_, layer);
    for (std::size_t i = 0; i < layer.outputs.size(); ++i) {
      if (layer.outputs[i] != kNoValue) bound_.value(layer.outputs[i]).constant = std::move(results[i]);
    }
    return true;
  }

  // Layers whose results only their shape was wanted of.
  void drop_unread() {
    std::vector<bool> read(bound_.values.size(), false);
    const auto is_read = [&read](ValueId id) { return id != kNoValue && read[static_cast<std::size_t>(id)]; };
    for (const ValueId id : bound_.outputs) read[static_cast<std::size_t>(id)] = true;
    std::vector<Layer> kept;
    for (std::size_t i = bound_.layers.size(); i-- > 0;) {
      Layer& layer = bound_.layers[i];
      if (std::none_of(layer.outputs.begin(), layer.outputs.end(), is_read)) continue;
      for (const ValueId id : layer.inputs) {
        if (id != kNoValue) read[static_cast<std::size_t>(id)] = true;
      }
      kept.push_back(std::move(layer));
    }
    std::reverse(kept.begin(), kept.end());
    bound_.layers = std::move(kept);
  }

  void set(const Layer& layer, const std::vector<std::int64_t>& elements) {
    Value& value = bound_.value(layer.outputs[0]);
    value.constant = integer_constant(value.dtype, elements);
  }

  static std::vector<std::int64_t> dimensions(const ShapeAttrs& attrs, const Shape& shape) {
    if (attrs.count) return {element_count(shape)};
    const auto rank = static_cast<std::int64_t>(shape.size());
    const auto bound = [rank](std::int64_t at) { return std::clamp<std::int64_t>(at < 0 ? at + rank : at, 0, rank); };
    const std::int64_t first = bound(attrs.start), last = std::max(first, bound(attrs.end));
    return {shape.begin() + static_cast<std::ptrdiff_t>(first), shape.begin() + static_cast<std::ptrdiff_t>(last)};
  }

  struct Progression {
    std::int64_t start, limit, delta;
  };
  Progression progression(const Layer& layer) const {
    std::int64_t terms[3];
    for (std::size_t i = 0; i < 3; ++i) {
      const std::vector<std::int64_t> given = known_integers(layer, i);
      if (given.size() != 1) {
        fail(ErrorKind::invalid_model, layer.op, " `", layer.name, "`: `", input(layer, i).name, "` is no scalar");
      }
      terms[i] = given[0];
    }
    if (terms[2] == 0) fail(ErrorKind::invalid_model, layer.op, " `", layer.name, "`: its delta is 0");
    return {terms[0], terms[1], terms[2]};
  }
  std::int64_t range_length(const Layer& layer) const {
    const auto [start, limit, delta] = progression(layer);
    constexpr std::int64_t kMost = std::int64_t{1} << 32;  // of what a tensor of indices could have
    std::int64_t span = 0;
    if (__builtin_sub_overflow(limit, start, &span) || delta == std::numeric_limits<std::int64_t>::min())
      fail(ErrorKind::invalid_model, layer.op, " `", layer.name, "`: the range exceeds 64 bits");
    const std::int64_t pace = delta < 0 ? -delta : delta, way = delta < 0 ? -span : span;
    const std::int64_t length = way <= 0 ? 0 : (way - 1) / pace + 1;
    if (length > kMost) fail(ErrorKind::unsupported, layer.op, " `", layer.name, "`: a range of ", length, " elements");
    return length;
  }
  std::vector<std::int64_t> range(const Layer& layer) const {
    const auto [start, limit, delta] = progression(layer);
    std::vector<std::int64_t> out(static_cast<std::size_t>(bound_.value(layer.outputs[0]).shape[0]));
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = start + static_cast<std::int64_t>(i) * delta;
    return out;
  }

  Graph bound_;
  const Evaluate& evaluate_;
};

}  // namespace

Constant integer_constant(DType dtype, const std::vector<std::int64_t>& elements) {
  const std::size_t size = size_of(dtype), bytes = elements.size() * size;
  auto data = std::shared_ptr<std::byte[]>(new std::byte[std::max<std::size_t>(bytes, 1)]);
  for (std::size_t i = 0; i < elements.size(); ++i)  // the low bytes come first on every platform that we build for
    std::memcpy(data.get() + i * size, &elements[i], size);
  return {std::shared_ptr<const std::byte>(data, data.get()), bytes};
}

Graph bind_shapes(const Graph& graph, const std::vector<Shape>& input_shapes,
                  const std::vector<std::optional<Constant>>& contents, const Evaluate& evaluate) {
  if (input_shapes.size() != graph.inputs.size()) {
    fail(ErrorKind::invalid_argument, input_shapes.size(), " input shapes were given; the model has ",
         graph.inputs.size(), " inputs");
  }
  Binder binder(graph, evaluate);
  binder.bind_inputs(input_shapes, contents);
  return std::move(binder).run();
}

std::vector<bool> content_inputs(const Graph& graph) {
  std::vector<bool> needed(graph.values.size(), false);
  const auto need = [&](ValueId id) {
    if (id != kNoValue) needed[static_cast<std::size_t>(id)] = true;
  };
  for (auto it = graph.layers.rbegin(); it != graph.layers.rend(); ++it) {
    Layer layer = *it;
    for (const ComputedParameter& parameter : computed_parameters(layer)) need(layer.inputs[parameter.input]);
    const bool decides = std::any_of(layer.outputs.begin(), layer.outputs.end(), [&](ValueId id) {
      return id != kNoValue && needed[static_cast<std::size_t>(id)];
    });
    if (layer.as<RangeAttrs>() || (decides && !layer.as<ShapeAttrs>())) {
      for (const ValueId id : layer.inputs) need(id);
    }
  }
  std::vector<bool> inputs;
  for (const ValueId id : graph.inputs) inputs.push_back(needed[static_cast<std::size_t>(id)]);
  return inputs;
}

}  // namespace vaip::ir
