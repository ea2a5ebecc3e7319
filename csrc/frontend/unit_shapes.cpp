// What a unit takes from shapes: parameters that the model computes from dimensions, and the dimensions themselves.
#include <algorithm>

#include "frontend/unit_builder.h"
#include "frontend/unit_values.h"

namespace vaip::frontend {

std::optional<UnitBuilder::ShapeParameter> UnitBuilder::shape_parameter(std::size_t input, const char* what) const {
  if (!has_input(node(), input)) return std::nullopt;
  const std::string& name = node().inputs[input];
  const Integers* integers = index().constant(name) ? nullptr : workspace_.shape_integers(name);
  if (!integers) return ShapeParameter{*constant_integers(input, what), false};
  ShapeParameter parameter;
  for (const Integers::Element& element : integers->elements) {
    parameter.values.push_back(element.value_or(ir::kComputed));
    parameter.computed = parameter.computed || !element;
  }
  return parameter;
}

void UnitBuilder::add_computed(std::size_t first, const std::vector<ShapeParameter>& parameters) {
  if (std::none_of(parameters.begin(), parameters.end(), [](const ShapeParameter& p) { return p.computed; })) return;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!parameters[i].computed) {
      add_absent();
      continue;
    }
    const ir::DType dtype = add_plain(first + i).dtype;
    if (dtype != ir::DType::s64 && dtype != ir::DType::s32) {
      decline("`", node().inputs[first + i], "` is ", ir::name(dtype), " (supported: int32, int64)");
    }
  }
}

bool UnitBuilder::follows_from_shapes(std::size_t input) const {
  const std::string& name = input_name(input);
  return index().constant(name) || workspace_.shape_integers(name);
}

const ir::Value& UnitBuilder::add_shape_source(std::size_t input) {
  const std::string& name = input_name(input);
  const auto producer = index().producer(name);
  const bool quantized = workspace_.carried().count(name) != 0 || (producer && is_dequantize(index().node(*producer)));
  if (quantized) return add(operand(name));
  return add({tensor_value(name, workspace_.dtype(name), known_shape(node(), name), std::nullopt), {}});
}

}  // namespace vaip::frontend
