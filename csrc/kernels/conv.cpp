// Convolution layers.
#include "base/error.h"
#include "kernels/channel_conv.h"
#include "kernels/layers.h"
#include "kernels/linear.h"

namespace vaip::kernels {

std::unique_ptr<Kernel> make_conv(const ir::ConvAttrs& attrs, const LayerOperands& operands,
                                  const KernelOptions& options) {
  const Operand &x = operands.inputs[0], &w = operands.inputs[1], &y = operands.outputs[0];
  if (!w.constant) fail(ErrorKind::unsupported, "the weight '", w.name, "' is not a constant");
  if (x.rank() < 3 || w.rank() != x.rank() || attrs.groups < 1 || x.shape[1] != w.shape[1] * attrs.groups ||
      w.shape[0] % attrs.groups != 0)
    fail(ErrorKind::invalid_model, "input ", ir::to_string(x.shape), ", weight ", ir::to_string(w.shape), " and ",
         attrs.groups, " groups do not fit together");
  const ConvProblem problem = conv_problem(attrs, x, w, y);
  const bool has_addend = operands.inputs.size() > 3 && operands.inputs[3].present();
  const bool by_channel = !options.path && !has_addend && is_channel_conv(problem, x, w);
  const Values values = LinearKernel::come_packed(x, options) && !by_channel ? Values::left_out : Values::read;
  LinearWeights weights = conv_weights(attrs, w, values, LinearKernel::room(options));
  std::vector<double> scale = weights.scale;
  for (double& s : scale) s *= x.affine().scale;
  Bias bias;
  if (operands.inputs.size() > 2 && operands.inputs[2].present()) {
    bias.operand = operands.inputs[2];
    bias.row_dims = {y.shape[0]};
    bias.row_strides = {0};
    bias.channel_stride = 1;
  }
  Bias addend;
  if (has_addend) {
    addend.operand = operands.inputs[3];
    if (addend.operand.shape != y.shape || addend.operand.strides != y.strides)
      fail(ErrorKind::internal, "'", addend.operand.name, "' is added to its sums, but is not stored as the result is");
    addend.row_dims = {y.count() / y.shape[1]};
    addend.row_strides = {y.shape[1]};
    addend.channel_stride = 1;
  }
  Epilogue epilogue(std::move(scale), std::move(bias), attrs.activation, y, std::move(addend));
  if (by_channel)
    if (auto kernel = make_channel_conv(problem, weights, x, epilogue)) return kernel;
  return std::make_unique<LinearKernel>(problem, std::move(weights), x, std::move(epilogue), options);
}

}  // namespace vaip::kernels
