// MatMul and Conv whose first operand gets its zero point and scale at run time (dynamic quantization).
//
//   sum (a - za)(b - zb) = sum a (b - zb) - za * sum (b - zb)
//
// The first sum is an ordinary product with the zero point 0; the second, over the taps that lie inside the image, is
// that of an image of ones, and known beforehand.
#include <algorithm>

#include "base/error.h"
#include "kernels/dynamic_quantize.h"
#include "kernels/float_block.h"
#include "kernels/layers.h"
#include "kernels/linear.h"
#include "kernels/matmul_geometry.h"
#include "kernels/multiversion.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace vaip::kernels {
namespace {

enum Input : std::size_t { kA, kB, kZeroPoint, kScale, kBias };

bool has(const LayerOperands& operands, std::size_t input) {
  return input < operands.inputs.size() && operands.inputs[input].present();
}

bool is_real_type(ir::DType dtype) { return dtype == ir::DType::f32 || dtype == ir::DType::bf16; }

VAIP_MULTIVERSION void centre_run(const std::int32_t* __restrict sums, const std::int32_t* __restrict ones,
                                  std::int64_t count, std::int64_t zero_point, std::int32_t* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<std::int32_t>(sums[i] - zero_point * ones[i]);
}

template <typename Real>
VAIP_MULTIVERSION void scale_run(const std::int32_t* __restrict sums, const std::int32_t* __restrict ones,
                                 const double* __restrict scale, const double* __restrict bias, std::int64_t count,
                                 double zero_point, double scale_a, Real* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i)
    out[i] = static_cast<Real>((sums[i] - zero_point * ones[i]) * (scale_a * scale[i]) + bias[i]);
}

class IntegerProduct : public Kernel {
 public:
  // product: of a with the zero point 0, into s32. ones: the second sum's values, [output pixels of an
  // image][channels], or one row that stands for all.
  IntegerProduct(const LayerOperands& operands, std::unique_ptr<Kernel> product, std::int64_t channels,
                 std::vector<std::int32_t> ones)
      : a_(operands.inputs[kA]),
        quantizes_(is_real_type(a_.dtype)),
        scaled_(quantizes_ || has(operands, kScale)),
        has_zero_point_(!quantizes_ && has(operands, kZeroPoint)),
        channels_(channels),
        rows_(channels == 0 ? 0 : operands.outputs[0].count() / channels),
        product_(std::move(product)),
        ones_(std::move(ones)) {
    const Operand& b = operands.inputs[kB];
    const auto count = static_cast<std::size_t>(channels);
    for (std::size_t c = 0; c < count; ++c)
      scale_.push_back(b.quant ? static_cast<double>(b.quant->scale[b.per_tensor() ? 0 : c]) : 1.0);
    bias_.assign(count, 0.0);
    if (has(operands, kBias)) {
      const Operand& bias = operands.inputs[kBias];
      if (!bias.constant || (bias.count() != channels && bias.count() != 1))
        fail(ErrorKind::unsupported, "the bias '", bias.name, "' is not one constant per output channel");
      const std::vector<double> values = real_values(bias);
      for (std::size_t c = 0; c < count; ++c) bias_[c] = values[values.size() == 1 ? 0 : c];
    }
    writes_bf16_ = operands.outputs[0].dtype == ir::DType::bf16;
    if (const Operand& y = operands.outputs[0]; scaled_ ? !is_real_type(y.dtype) : y.dtype != ir::DType::s32)
      fail(ErrorKind::internal, "the output is ", ir::name(y.dtype));
    at_real_ = quantizes_ ? aligned(static_cast<std::size_t>(a_.count())) : 0;
    at_sums_ = at_real_;
    if (a_.dtype == ir::DType::bf16) at_sums_ += aligned(static_cast<std::size_t>(a_.count()) * sizeof(float));
    at_product_ = at_sums_ + aligned(static_cast<std::size_t>(rows_ * channels_) * sizeof(std::int32_t));
  }

  void execute(const ExecutionContext& context) const override {
    const void* a = context.inputs[kA];
    double scale_a = 1.0;
    std::int64_t zero_point = 0;
    if (quantizes_) {
      const auto* real = static_cast<const float*>(a);
      if (a_.dtype == ir::DType::bf16) {
        auto* widened = reinterpret_cast<float*>(context.scratch + at_real_);
        widen(static_cast<const BFloat16*>(a), a_.count(), widened);
        real = widened;
      }
      const DynamicParameters parameters = dynamic_parameters(real, a_.count());
      auto* stored = reinterpret_cast<std::uint8_t*>(context.scratch);
      quantize_dynamic(real, a_.count(), parameters, stored);
      a = stored;
      scale_a = parameters.scale;
      zero_point = parameters.zero_point;
    } else {
      if (has_zero_point_) {
        const void* stored = context.inputs[kZeroPoint];
        zero_point = a_.dtype == ir::DType::u8 ? *static_cast<const std::uint8_t*>(stored)
                                               : *static_cast<const std::int8_t*>(stored);
      }
      if (scaled_) scale_a = *static_cast<const float*>(context.inputs[kScale]);
    }
    auto* sums = reinterpret_cast<std::int32_t*>(context.scratch + at_sums_);
    const void* inputs[] = {a, context.inputs[kB], nullptr};
    void* outputs[] = {sums};
    product_->execute({inputs, outputs, context.scratch + at_product_, context.state});

    const std::int64_t rows_of_ones = static_cast<std::int64_t>(ones_.size()) / std::max<std::int64_t>(channels_, 1);
    parallel_for(rows_, channels_, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t row = begin; row < end; ++row) {
        const std::int32_t* ones = ones_.data() + row % rows_of_ones * channels_;
        const std::int64_t at = row * channels_;
        const auto write = [&](auto* out) {
          scale_run(sums + at, ones, scale_.data(), bias_.data(), channels_, static_cast<double>(zero_point), scale_a,
                    out + at);
        };
        if (scaled_ && writes_bf16_) {
          write(static_cast<BFloat16*>(context.outputs[0]));
        } else if (scaled_) {
          write(static_cast<float*>(context.outputs[0]));
        } else {
          centre_run(sums + at, ones, channels_, zero_point, static_cast<std::int32_t*>(context.outputs[0]) + at);
        }
      }
    });
  }
  bool reads(std::size_t input) const override { return input != kB; }
  std::size_t scratch_bytes() const override { return at_product_ + product_->scratch_bytes(); }
  std::size_t packed_bytes() const override {
    return product_->packed_bytes() + ones_.size() * sizeof(std::int32_t) +
           (scale_.size() + bias_.size()) * sizeof(double);
  }
  std::unique_ptr<KernelState> make_state() const override { return product_->make_state(); }
  std::string implementation() const override {
    return (quantizes_ ? "quantized first, " : "") + product_->implementation();
  }
  std::int64_t macs() const override { return product_->macs(); }

 private:
  Operand a_;
  bool quantizes_, scaled_, has_zero_point_, writes_bf16_ = false;
  std::int64_t channels_, rows_;
  std::unique_ptr<Kernel> product_;
  std::vector<std::int32_t> ones_;
  std::vector<double> scale_, bias_;
  std::size_t at_real_ = 0, at_sums_ = 0, at_product_ = 0;
};

// Sums of the centred weights under the taps that lie inside the image, per output pixel.
std::vector<std::int32_t> sums_of_ones(const ConvProblem& problem, const LinearWeights& weights) {
  std::vector<std::int32_t> by_tap(static_cast<std::size_t>(weights.taps * weights.out_channels), 0);
  for (std::int64_t c = 0; c < weights.out_channels; ++c)
    for (std::int64_t i = 0; i < weights.per_channel(); ++i)
      by_tap[static_cast<std::size_t>(i % weights.taps * weights.out_channels + c)] +=
          weights.integers[static_cast<std::size_t>(c * weights.per_channel() + i)];
  const auto any = [](const ir::Shape& pads) {
    return std::any_of(pads.begin(), pads.end(), [](std::int64_t pad) { return pad != 0; });
  };
  const bool padded = any(problem.pads_begin) || any(problem.pads_end);
  const std::int64_t pixels = padded ? ir::element_count(problem.output) : 1;
  std::vector<std::int32_t> sums(static_cast<std::size_t>(pixels * weights.out_channels), 0);
  for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
    const WindowCursor window(problem, pixel);
    for (std::int64_t tap = 0; tap < weights.taps; ++tap) {
      if (padded && window.input_pixel(tap) < 0) continue;
      for (std::int64_t c = 0; c < weights.out_channels; ++c)
        sums[static_cast<std::size_t>(pixel * weights.out_channels + c)] +=
            by_tap[static_cast<std::size_t>(tap * weights.out_channels + c)];
    }
  }
  return sums;
}

std::unique_ptr<Kernel> make_product(const LayerOperands& operands, const ConvProblem& problem, LinearWeights weights,
                                     const KernelOptions& options) {
  const Operand &a = operands.inputs[kA], &b = operands.inputs[kB];
  if (!weights.are_integers()) fail(ErrorKind::unsupported, "the weight '", b.name, "' is ", ir::name(b.dtype));
  Operand stored = a;  // with the zero point 0
  if (is_real_type(a.dtype)) stored.dtype = ir::DType::u8;
  stored.quant.reset();
  Operand sums = operands.outputs[0];
  sums.dtype = ir::DType::s32;
  std::vector<std::int32_t> ones = sums_of_ones(problem, weights);
  const std::int64_t channels = weights.out_channels;
  Epilogue epilogue(std::vector<double>(static_cast<std::size_t>(channels), 1.0), {}, {}, sums);
  auto product = std::make_unique<LinearKernel>(problem, std::move(weights), stored, std::move(epilogue), options);
  return std::make_unique<IntegerProduct>(operands, std::move(product), channels, std::move(ones));
}

void check_operands(const LayerOperands& operands) {
  const Operand &a = operands.inputs[kA], &b = operands.inputs[kB];
  if (a.dtype != ir::DType::u8 && a.dtype != ir::DType::s8 && !is_real_type(a.dtype))
    fail(ErrorKind::unsupported, "the input '", a.name, "' is ", ir::name(a.dtype));
  if (!b.constant) fail(ErrorKind::unsupported, "the weight '", b.name, "' is not a constant");
}

}  // namespace

std::unique_ptr<Kernel> make_integer_matmul(const LayerOperands& operands, const KernelOptions& options) {
  check_operands(operands);
  const Operand& b = operands.inputs[kB];
  if (b.rank() != 2) fail(ErrorKind::unsupported, "the weight '", b.name, "' has the shape ", ir::to_string(b.shape));
  const MatMulGeometry geometry({}, {operands.layer, {operands.inputs[kA], b}, operands.outputs});
  ConvProblem problem;
  problem.in_channels = geometry.depth;
  problem.out_channels = geometry.columns;
  problem.input = problem.output = {geometry.batch_count() * geometry.rows};
  problem.kernel = problem.strides = problem.dilations = {1};
  problem.pads_begin = problem.pads_end = {0};
  return make_product(operands, problem, matmul_weights(b, false), options);
}

std::unique_ptr<Kernel> make_integer_conv(const ir::IntegerConvAttrs& attrs, const LayerOperands& operands,
                                          const KernelOptions& options) {
  check_operands(operands);
  const Operand &x = operands.inputs[kA], &w = operands.inputs[kB], &y = operands.outputs[0];
  return make_product(operands, conv_problem(attrs.conv, x, w, y), conv_weights(attrs.conv, w), options);
}

}  // namespace vaip::kernels
