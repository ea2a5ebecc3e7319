#include "base/error.h"
#include "kernels/normalization.h"

namespace vaip::kernels {

using Op = ir::NormalizationAttrs::Op;

NormalizationParameter normalization_parameter(const ir::NormalizationAttrs& attrs, const LayerOperands& operands,
                                               std::size_t input, double otherwise) {
  const Operand& x = operands.inputs[0];
  const auto rank = static_cast<std::size_t>(x.rank());
  if (operands.inputs.size() <= input || !operands.inputs[input].present()) return {{otherwise}, ir::Shape(rank, 0)};
  const Operand& operand = operands.inputs[input];
  if (!operand.constant) fail(ErrorKind::unsupported, "the parameter '", operand.name, "' is not a constant");
  NormalizationParameter parameter{real_values(operand), ir::Shape(rank, 0)};
  if (attrs.op == Op::layer || attrs.op == Op::rms) {
    const ir::Shape own = ir::row_major_strides(operand.shape);
    const std::size_t lead = rank - operand.shape.size();
    for (std::size_t d = 0; d < own.size(); ++d)
      if (operand.shape[d] != 1) parameter.strides[lead + d] = own[d];
    return parameter;
  }
  const auto channels = static_cast<std::size_t>(x.shape[1]);
  if (parameter.values.size() != channels) {  // one per group
    if (attrs.op != Op::group || parameter.values.size() != static_cast<std::size_t>(attrs.groups))
      fail(ErrorKind::invalid_model, "the parameter '", operand.name, "' has ", parameter.values.size(),
           " elements for ", channels, " channels");
    std::vector<double> repeated(channels);
    for (std::size_t c = 0; c < channels; ++c) repeated[c] = parameter.values[c / (channels / parameter.values.size())];
    parameter.values = std::move(repeated);
  }
  parameter.strides[1] = 1;
  return parameter;
}

}  // namespace vaip::kernels
