// MatMul and Gemm with constant two-dimensional weights: a pointwise convolution over the rows of the other operand.
#include "base/error.h"
#include "kernels/layers.h"
#include "kernels/linear.h"
#include "kernels/matmul_geometry.h"
#include "kernels/move.h"

namespace vaip::kernels {
namespace {

// Rows stored transposed ([K, M]) are turned before the product.
class TransposedMatMul : public Kernel {
 public:
  TransposedMatMul(StridedMove turn, std::size_t turned_bytes, std::unique_ptr<Kernel> product, std::size_t inputs)
      : turn_(std::move(turn)),
        turned_bytes_((turned_bytes + 63) / 64 * 64),
        product_(std::move(product)),
        inputs_(inputs) {}

  void execute(const ExecutionContext& context) const override {
    turn_.run(context.inputs[0], context.scratch);
    const void* inputs[] = {context.scratch, context.inputs[1], inputs_ > 2 ? context.inputs[2] : nullptr,
                            inputs_ > 3 ? context.inputs[3] : nullptr};
    product_->execute({inputs, context.outputs, context.scratch + turned_bytes_, context.state});
  }
  bool reads(std::size_t input) const override { return product_->reads(input); }
  std::size_t scratch_bytes() const override { return turned_bytes_ + product_->scratch_bytes(); }
  std::size_t packed_bytes() const override { return product_->packed_bytes(); }
  std::unique_ptr<KernelState> make_state() const override { return product_->make_state(); }
  std::string implementation() const override { return product_->implementation(); }
  std::int64_t macs() const override { return product_->macs(); }

 private:
  StridedMove turn_;
  std::size_t turned_bytes_;
  std::unique_ptr<Kernel> product_;
  std::size_t inputs_;  // of the layer
};

}  // namespace

std::unique_ptr<Kernel> make_matmul(const ir::MatMulAttrs& attrs, const LayerOperands& operands,
                                    const KernelOptions& options) {
  const Operand &a = operands.inputs[0], &b = operands.inputs[1];
  const MatMulGeometry geometry(attrs, operands);
  if (b.constant && b.quant && b.quant->block > 0) return make_block_matmul(attrs, operands);
  const bool transposed_batch = geometry.transposed_a && a.rank() > 2;
  if (!b.constant || b.rank() > 2 || transposed_batch) return make_batch_matmul(attrs, operands, options);

  Operand weights_operand = b;
  if (b.rank() == 1) {  // a vector: one column
    weights_operand.shape = {b.shape[0], 1};
    weights_operand.strides = {1, 1};
  }
  const Values values = LinearKernel::come_packed(a, options) ? Values::left_out : Values::read;
  LinearWeights weights =
      matmul_weights(weights_operand, attrs.transpose_b && b.rank() == 2, values, LinearKernel::room(options));
  std::vector<double> scale = weights.scale;
  for (double& s : scale) s *= a.affine().scale * attrs.alpha;

  ConvProblem problem;
  problem.in_channels = geometry.depth;
  problem.out_channels = geometry.columns;
  problem.input = problem.output = {geometry.batch_count() * geometry.rows};
  problem.kernel = problem.strides = problem.dilations = {1};
  problem.pads_begin = problem.pads_end = {0};
  Epilogue epilogue(std::move(scale), geometry.bias, attrs.activation, operands.outputs[0], geometry.addend);
  auto product = std::make_unique<LinearKernel>(problem, std::move(weights), a, std::move(epilogue), options);
  if (!geometry.transposed_a) return product;
  StridedMove turn(ElementMove(a, a), {geometry.rows, geometry.depth}, {0, {1, geometry.rows}},
                   {0, {geometry.depth, 1}});
  return std::make_unique<TransposedMatMul>(std::move(turn), a.size_bytes(), std::move(product),
                                            operands.inputs.size());
}

}  // namespace vaip::kernels
