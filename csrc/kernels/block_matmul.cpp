// Float rows times a constant matrix of few bits whose scales and zero points belong to blocks along the depth
// (MatMulNBits, DequantizeLinear with a block_size). The weights stay packed; a column is made real once for all rows.
#include <omp.h>

#include "base/error.h"
#include "kernels/block_weights.h"
#include "kernels/layers.h"
#include "kernels/matmul_geometry.h"
#include "kernels/multiversion.h"
#include "kernels/parallel.h"
#include "kernels/real_block.h"

namespace vaip::kernels {
namespace {

VAIP_MULTIVERSION double dot(const float* __restrict a, const double* __restrict b, std::int64_t count) {
  constexpr std::int64_t kLanes = 8;  // a fixed order of additions, whatever the instruction set
  double lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (std::int64_t l = 0; l < kLanes; ++l) lanes[l] += static_cast<double>(a[i + l]) * b[i + l];
  for (; i < count; ++i) lanes[i % kLanes] += static_cast<double>(a[i]) * b[i];
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

class BlockMatMul : public Kernel {
 public:
  BlockMatMul(const MatMulGeometry& geometry, BlockWeights weights, const ir::Activation& activation, double alpha,
              const Operand& y)
      : rows_(geometry.batch_count() * geometry.rows),
        depth_(geometry.depth),
        columns_(geometry.columns),
        weights_(std::move(weights)),
        bias_(geometry.bias),
        alpha_(alpha),
        activation_(activation),
        quantizer_(make_quantizer(y)),
        threads_(omp_get_max_threads()) {
    if (!bias_.operand.present()) return;
    if (!bias_.operand.constant || (bias_.operand.count() != columns_ && bias_.operand.count() != 1))
      fail(ErrorKind::unsupported, "the bias '", bias_.operand.name, "' is not one constant per output column");
    bias_values_ = real_values(bias_.operand);
  }

  void execute(const ExecutionContext& context) const override {
    const auto* a = static_cast<const float*>(context.inputs[0]);
    parallel_for(
        columns_, depth_ * rows_,
        [&](std::int64_t begin, std::int64_t end, int thread) {
          double* column = reinterpret_cast<double*>(context.scratch) + thread * depth_;
          for (std::int64_t n = begin; n < end; ++n) {
            weights_.column(n, column);
            const double bias =
                bias_values_.empty() ? 0.0 : bias_.beta * bias_values_[bias_values_.size() == 1 ? 0 : index(n)];
            for (std::int64_t row = 0; row < rows_; ++row) {
              double value = alpha_ * dot(a + row * depth_, column, depth_) + bias;
              apply(activation_, &value, 1);
              store_real(quantizer_, &value, context.outputs[0], row * columns_ + n, 1, 1);
            }
          }
        },
        threads_);
  }
  bool reads(std::size_t input) const override { return input == 0; }
  std::size_t scratch_bytes() const override {
    return static_cast<std::size_t>(threads_) * static_cast<std::size_t>(depth_) * sizeof(double);
  }
  std::size_t packed_bytes() const override { return weights_.bytes(); }
  std::string implementation() const override { return "loops in double"; }
  std::int64_t macs() const override { return rows_ * columns_ * depth_; }

 private:
  static std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

  std::int64_t rows_, depth_, columns_;
  BlockWeights weights_;
  Bias bias_;
  std::vector<double> bias_values_;
  double alpha_;
  ir::Activation activation_;
  Quantizer quantizer_;
  int threads_;
};

}  // namespace

std::unique_ptr<Kernel> make_block_matmul(const ir::MatMulAttrs& attrs, const LayerOperands& operands) {
  const Operand &a = operands.inputs[0], &b = operands.inputs[1];
  const MatMulGeometry geometry(attrs, operands);
  if (a.dtype != ir::DType::f32 || attrs.transpose_a)
    fail(ErrorKind::unsupported, "weights in blocks are multiplied with float rows; '", a.name, "' is ",
         ir::name(a.dtype), attrs.transpose_a ? ", transposed" : "");
  BlockWeights weights(b, geometry.depth, geometry.columns, attrs.transpose_b);
  return std::make_unique<BlockMatMul>(geometry, std::move(weights), attrs.activation, attrs.alpha,
                                       operands.outputs[0]);
}

}  // namespace vaip::kernels
