#include "kernels/plain_pairs.h"

#include "base/error.h"
#include "kernels/broadcast.h"

namespace vaip::kernels {

PlainPairs::PlainPairs(const LayerOperands& operands, std::size_t arguments)
    : second_(arguments - 1), nest_(operands.outputs[0].shape, strides_in_output(operands)) {
  if (operands.inputs.size() != arguments)
    fail(ErrorKind::invalid_model, operands.inputs.size(), " inputs instead of ", arguments);
  const ir::DType dtype = operands.outputs[0].dtype;
  const bool plain = (ir::is_integer(dtype) && ir::size_of(dtype) > 0) || dtype == ir::DType::boolean;
  for (const Operand& x : operands.inputs)
    if (x.dtype != dtype || x.quant || !plain)
      fail(ErrorKind::unsupported, "'", x.name, "' is ", ir::name(x.dtype), ", the result ", ir::name(dtype),
           "; both must be the same plain integers or booleans");
}

}  // namespace vaip::kernels
