#include "kernels/broadcast.h"

#include "base/error.h"

namespace vaip::kernels {

std::vector<ir::Shape> strides_in_output(const LayerOperands& operands) {
  const Operand& y = operands.outputs[0];
  std::vector<ir::Shape> strides = {y.strides};
  for (const Operand& x : operands.inputs) {
    if (ir::broadcast(x.shape, y.shape) != y.shape)
      fail(ErrorKind::invalid_model, "input ", ir::to_string(x.shape), " does not broadcast to the output ",
           ir::to_string(y.shape));
    strides.push_back(broadcast_strides(x, y.shape));
  }
  return strides;
}

}  // namespace vaip::kernels
