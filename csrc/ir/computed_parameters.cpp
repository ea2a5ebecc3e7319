#include "ir/computed_parameters.h"

namespace vaip::ir {

std::vector<ComputedParameter> computed_parameters(Layer& layer) {
  std::vector<std::vector<std::int64_t>*> attributes;  // from input 1 on
  if (auto* reshape = std::get_if<ReshapeAttrs>(&layer.attrs)) attributes = {&reshape->spec};
  if (auto* expand = std::get_if<ExpandAttrs>(&layer.attrs)) attributes = {&expand->shape};
  if (auto* slice = std::get_if<SliceAttrs>(&layer.attrs)) attributes = {&slice->starts, &slice->ends};
  if (auto* tile = std::get_if<TileAttrs>(&layer.attrs)) attributes = {&tile->repeats};
  std::vector<ComputedParameter> computed;
  for (std::size_t i = 0; i < attributes.size() && i + 1 < layer.inputs.size(); ++i) {
    if (layer.inputs[i + 1] != kNoValue) computed.push_back({i + 1, attributes[i]});
  }
  return computed;
}

}  // namespace vaip::ir
