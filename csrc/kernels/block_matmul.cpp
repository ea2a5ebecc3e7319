// Float rows times a constant matrix of few bits whose scales and zero points belong to blocks along the depth
// (MatMulNBits, DequantizeLinear with a block_size). The weights stay integers, of 16 bits
// each; a column is made real once for all rows.
#include <omp.h>

#include <algorithm>

#include "base/error.h"
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
  // integers: [columns][depth]; scale and zero_point: [columns][blocks].
  BlockMatMul(const MatMulGeometry& geometry, std::vector<std::int16_t> integers, std::int64_t block,
              std::vector<float> scale, std::vector<std::int32_t> zero_point, const ir::Activation& activation,
              double alpha, const Operand& y)
      : rows_(geometry.batch_count() * geometry.rows),
        depth_(geometry.depth),
        columns_(geometry.columns),
        block_(block),
        blocks_((geometry.depth + block - 1) / block),
        integers_(std::move(integers)),
        scale_(std::move(scale)),
        zero_point_(std::move(zero_point)),
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
            unpack(n, column);
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
  std::size_t scratch_bytes() const override {
    return static_cast<std::size_t>(threads_) * static_cast<std::size_t>(depth_) * sizeof(double);
  }
  std::size_t packed_bytes() const override {
    return integers_.size() * sizeof(integers_[0]) + scale_.size() * (sizeof(float) + sizeof(std::int32_t));
  }

 private:
  static std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

  void unpack(std::int64_t column, double* out) const {
    const std::int16_t* from = integers_.data() + column * depth_;
    for (std::int64_t block = 0; block < blocks_; ++block) {
      const double scale = scale_[index(column * blocks_ + block)];
      const std::int32_t zero_point = zero_point_[index(column * blocks_ + block)];
      const std::int64_t end = std::min(depth_, (block + 1) * block_);
      for (std::int64_t k = block * block_; k < end; ++k) out[k] = scale * (from[k] - zero_point);
    }
  }

  std::int64_t rows_, depth_, columns_, block_, blocks_;
  std::vector<std::int16_t> integers_;
  std::vector<float> scale_;
  std::vector<std::int32_t> zero_point_;
  Bias bias_;
  std::vector<double> bias_values_;
  double alpha_;
  ir::Activation activation_;
  Quantizer quantizer_;
  int threads_;
};

// The stored integers of a constant of at most 16 bits, row-major.
std::vector<std::int16_t> stored_integers(const Operand& b) {
  check_size(b);
  const auto count = static_cast<std::size_t>(b.count());
  switch (b.dtype) {
    case ir::DType::u4:
    case ir::DType::s4: {
      const std::vector<std::int8_t> unpacked = unpack_4_bits(b);
      return {unpacked.begin(), unpacked.end()};
    }
    case ir::DType::u8:
      return {b.constant->as<std::uint8_t>(), b.constant->as<std::uint8_t>() + count};
    case ir::DType::s8:
      return {b.constant->as<std::int8_t>(), b.constant->as<std::int8_t>() + count};
    default:
      fail(ErrorKind::unsupported, "the weight '", b.name, "' is ", ir::name(b.dtype),
           ", quantized in blocks; 4 and 8 bits are executed");
  }
}

// [rows][columns] -> [columns][rows]
template <typename T>
std::vector<T> turned(const std::vector<T>& in, std::int64_t rows, std::int64_t columns) {
  std::vector<T> out(in.size());
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c)
      out[static_cast<std::size_t>(c * rows + r)] = in[static_cast<std::size_t>(r * columns + c)];
  return out;
}

}  // namespace

std::unique_ptr<Kernel> make_block_matmul(const ir::MatMulAttrs& attrs, const LayerOperands& operands) {
  const Operand &a = operands.inputs[0], &b = operands.inputs[1];
  const MatMulGeometry geometry(attrs, operands);
  const ir::QuantParams& quant = *b.quant;
  const bool along_depth = b.rank() == 2 && quant.axis == (attrs.transpose_b ? 1 : 0);
  if (a.dtype != ir::DType::f32 || attrs.transpose_a)
    fail(ErrorKind::unsupported, "weights in blocks are multiplied with float rows; '", a.name, "' is ",
         ir::name(a.dtype), attrs.transpose_a ? ", transposed" : "");
  const std::int64_t blocks = (geometry.depth + quant.block - 1) / quant.block;
  const bool complete = static_cast<std::int64_t>(quant.scale.size()) == blocks * geometry.columns;
  if (!along_depth || !complete || quant.zero_point.size() != quant.scale.size())
    fail(ErrorKind::unsupported, "the blocks of '", b.name, "' do not divide its depth of ", geometry.depth);
  std::vector<std::int16_t> integers = stored_integers(b);
  std::vector<float> scale = quant.scale;
  std::vector<std::int32_t> zero_point = quant.zero_point;
  if (!attrs.transpose_b) {
    integers = turned(integers, geometry.depth, geometry.columns);
    scale = turned(scale, blocks, geometry.columns);
    zero_point = turned(zero_point, blocks, geometry.columns);
  }
  return std::make_unique<BlockMatMul>(geometry, std::move(integers), quant.block, std::move(scale),
                                       std::move(zero_point), attrs.activation, attrs.alpha, operands.outputs[0]);
}

}  // namespace vaip::kernels
