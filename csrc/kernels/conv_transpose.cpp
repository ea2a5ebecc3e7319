// Transposed convolution. With a stride of s every s-th output pixel along a dimension sees the same taps, at
// neighbouring input pixels: the output is made of one plain convolution of stride 1 per phase, interleaved.
//
// Along one dimension output o gets input i by tap k where i * stride = o + pad - k * dilation. For the outputs
// o = phase + stride * t that is the case for every (stride / gcd)-th tap, and the inputs of two such taps are
// dilation / gcd pixels apart.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/error.h"
#include "ir/packed.h"
#include "kernels/layers.h"
#include "kernels/linear.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace vaip::kernels {
namespace {

// One phase of one dimension, as a convolution.
struct PhaseAxis {
  std::vector<std::int64_t> taps;  // in the order of the inputs that they see; none: a phase that is only the bias
  std::int64_t dilation = 1, pad_begin = 0, pad_end = 0;
  std::int64_t computed = 0;  // positions of the convolution
  std::int64_t skipped = 0;   // those before the first that is an output: it has no pads below zero
  std::int64_t kept = 0;      // those that are outputs

  std::int64_t window() const { return taps.empty() ? 1 : static_cast<std::int64_t>(taps.size()); }
};

PhaseAxis phase_of(std::int64_t phase, std::int64_t stride, std::int64_t dilation, std::int64_t kernel,
                   std::int64_t pad, std::int64_t input, std::int64_t output) {
  PhaseAxis axis;
  axis.kept = (output - phase + stride - 1) / stride;
  const std::int64_t common = std::gcd(stride, dilation);
  axis.dilation = dilation / common;
  std::int64_t first = -1;
  for (std::int64_t k = kernel - 1; k >= 0; --k) {
    if ((phase + pad - k * dilation) % stride != 0) continue;
    if (axis.taps.empty()) first = (phase + pad - k * dilation) / stride;  // the input under it at the first output
    axis.taps.push_back(k);
  }
  if (axis.taps.empty()) return axis;
  const auto reach = (static_cast<std::int64_t>(axis.taps.size()) - 1) * axis.dilation;
  axis.skipped = std::max<std::int64_t>(first, 0);
  axis.pad_begin = std::max<std::int64_t>(-first, 0);
  const std::int64_t surplus = input - (first + axis.kept + reach);  // input pixels behind the last that is needed
  axis.pad_end = std::max<std::int64_t>(-surplus, 0);
  axis.computed = axis.skipped + axis.kept + std::max<std::int64_t>(surplus, 0);
  return axis;
}

// One tap without weight, where along some dimension no tap meets the phase.
void make_empty(PhaseAxis& axis, std::int64_t input) {
  axis.taps.clear();
  axis.dilation = 1;
  axis.pad_begin = axis.skipped = 0;
  axis.pad_end = std::max<std::int64_t>(axis.kept - input, 0);
  axis.computed = input + axis.pad_end;
}

// The constant [C, M/group, kernel...] as the weights [M, C/group, taps] of a phase.
LinearWeights phase_weights(const ir::ConvTransposeAttrs& attrs, const Operand& w, const std::vector<PhaseAxis>& axes) {
  check_size(w);
  const bool packed = ir::is_packed(w.dtype);
  const std::vector<std::int8_t> unpacked = packed ? unpack_4_bits(w) : std::vector<std::int8_t>{};
  const auto* from = packed ? reinterpret_cast<const std::byte*>(unpacked.data()) : w.constant->as<std::byte>();
  Operand turned = w;
  if (packed) turned.dtype = ir::DType::s8;
  const std::size_t size = ir::size_of(turned.dtype);

  const ir::Shape kernel(w.shape.begin() + 2, w.shape.end());
  const std::int64_t in_channels = w.shape[0] / attrs.groups, out_channels = w.shape[1];
  const bool empty = axes[0].taps.empty();
  turned.shape = {out_channels * attrs.groups, in_channels};
  for (const PhaseAxis& axis : axes) turned.shape.push_back(axis.window());
  if (w.quant && !w.quant->per_tensor()) {
    // One entry per output channel of a group: the groups' channels become one axis.
    turned.quant = ir::QuantParams{{}, {}, 0};
    for (std::int64_t g = 0; g < attrs.groups; ++g) {
      turned.quant->scale.insert(turned.quant->scale.end(), w.quant->scale.begin(), w.quant->scale.end());
      turned.quant->zero_point.insert(turned.quant->zero_point.end(), w.quant->zero_point.begin(),
                                      w.quant->zero_point.end());
    }
  }
  const std::int64_t taps = ir::element_count(ir::Shape(turned.shape.begin() + 2, turned.shape.end()));
  const std::int64_t all_taps = ir::element_count(kernel);
  std::vector<std::int64_t> tap_at;  // of each tap of the phase
  for (std::int64_t tap = 0; tap < taps; ++tap) {
    std::int64_t rest = tap, at = 0, step = 1;
    for (std::size_t d = kernel.size(); d-- > 0;) {
      const std::int64_t taken = turned.shape[2 + d];
      if (!empty) at += axes[d].taps[static_cast<std::size_t>(rest % taken)] * step;
      rest /= taken;
      step *= kernel[d];
    }
    tap_at.push_back(at);
  }
  auto bytes = std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(turned.count()) * size);
  std::byte* to = bytes->data();
  for (std::int64_t oc = 0; oc < out_channels * attrs.groups; ++oc)
    for (std::int64_t ic = 0; ic < in_channels; ++ic)
      for (const std::int64_t tap : tap_at) {
        const std::int64_t group = oc / out_channels, channel = group * in_channels + ic;
        const std::int64_t index = (channel * out_channels + oc % out_channels) * all_taps + tap;
        std::memcpy(to, from + static_cast<std::size_t>(index) * size, size);
        to += size;
      }
  turned.constant = ir::Constant{std::shared_ptr<const std::byte>(bytes, bytes->data()), bytes->size()};

  ir::ConvAttrs conv;
  conv.groups = attrs.groups;
  LinearWeights weights = conv_weights(conv, turned);
  if (empty) {  // only the bias: one tap that is zero
    std::fill(weights.integers.begin(), weights.integers.end(), std::int16_t{0});
    std::fill(weights.real.begin(), weights.real.end(), 0.0);
  }
  return weights;
}

struct PhaseStates : KernelState {
  std::vector<std::unique_ptr<KernelState>> states;
};

class ConvTransposeKernel : public Kernel {
 public:
  ConvTransposeKernel(const ir::ConvTransposeAttrs& attrs, const LayerOperands& operands, const KernelOptions& options);

  void execute(const ExecutionContext& context) const override {
    const auto& states = static_cast<const PhaseStates&>(*context.state).states;
    for (std::size_t p = 0; p < phases_.size(); ++p) {
      const Phase& phase = phases_[p];
      void* outputs[] = {phase.direct ? context.outputs[0] : context.scratch};
      ExecutionContext inner = {context.inputs, outputs, context.scratch + result_bytes_, states[p].get()};
      phase.conv->execute(inner);
      if (!phase.direct) interleave(phase, context.scratch, static_cast<std::byte*>(context.outputs[0]));
    }
  }
  bool reads(std::size_t input) const override { return input != 1; }
  std::size_t scratch_bytes() const override {
    std::size_t largest = 0;
    for (const Phase& phase : phases_) largest = std::max(largest, phase.conv->scratch_bytes());
    return result_bytes_ + largest;
  }
  std::size_t packed_bytes() const override {
    std::size_t bytes = 0;
    for (const Phase& phase : phases_) bytes += phase.conv->packed_bytes();
    return bytes;
  }
  std::string implementation() const override {
    return phases_.empty() ? Kernel::implementation()
                           : detail::concat(phases_.size(), " phases, ", phases_.front().conv->implementation());
  }
  std::int64_t macs() const override {
    std::int64_t sum = 0;
    for (const Phase& phase : phases_) sum += phase.conv->macs();
    return sum;
  }
  std::unique_ptr<KernelState> make_state() const override {
    auto state = std::make_unique<PhaseStates>();
    for (const Phase& phase : phases_) state->states.push_back(phase.conv->make_state());
    return state;
  }

 private:
  struct Phase {
    ir::Shape start;  // its first output pixel
    std::vector<PhaseAxis> axes;
    bool direct = false;  // its convolution is the whole output
    std::unique_ptr<LinearKernel> conv;
  };

  void interleave(const Phase& phase, const std::byte* from, std::byte* to) const {
    const std::size_t rank = strides_.size();
    std::int64_t rows = batch_;
    for (std::size_t d = 0; d + 1 < rank; ++d) rows *= phase.axes[d].kept;
    const PhaseAxis& inner = phase.axes[rank - 1];
    const auto pixel = static_cast<std::int64_t>(pixel_bytes_);
    parallel_for(rows, inner.kept * pixel, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t row = begin; row < end; ++row) {
        std::int64_t rest = row, source = 0, target = 0, source_step = 1, target_step = 1;
        for (std::size_t d = rank - 1; d-- > 0;) {
          const PhaseAxis& axis = phase.axes[d];
          const std::int64_t at = rest % axis.kept;
          rest /= axis.kept;
          source += (at + axis.skipped) * source_step;
          target += (phase.start[d] + at * strides_[d]) * target_step;
          source_step *= axis.computed;
          target_step *= output_[d];
        }
        source = ((source + rest * source_step) * inner.computed + inner.skipped) * pixel;
        target = ((target + rest * target_step) * output_[rank - 1] + phase.start[rank - 1]) * pixel;
        for (std::int64_t i = 0; i < inner.kept; ++i)
          std::memcpy(to + target + i * strides_[rank - 1] * pixel, from + source + i * pixel, pixel_bytes_);
      }
    });
  }

  std::int64_t batch_;
  ir::Shape output_, strides_;
  std::size_t pixel_bytes_;
  std::size_t result_bytes_ = 0;  // of a phase's convolution, at the start of the scratch memory
  std::vector<Phase> phases_;
};

ConvTransposeKernel::ConvTransposeKernel(const ir::ConvTransposeAttrs& attrs, const LayerOperands& operands,
                                         const KernelOptions& options) {
  const Operand &x = operands.inputs[0], &w = operands.inputs[1], &y = operands.outputs[0];
  const ir::Shape input(x.shape.begin() + 2, x.shape.end()), kernel(w.shape.begin() + 2, w.shape.end());
  const std::size_t rank = input.size();
  const ir::Shape pads = ir::transposed_pads(attrs, input, kernel);
  const ir::Shape dilations = attrs.dilations.empty() ? ir::Shape(rank, 1) : attrs.dilations;
  strides_ = attrs.strides.empty() ? ir::Shape(rank, 1) : attrs.strides;
  output_.assign(y.shape.begin() + 2, y.shape.end());
  batch_ = x.shape[0];
  pixel_bytes_ = static_cast<std::size_t>(y.shape[1]) * ir::size_of(y.dtype);

  Bias bias;
  if (operands.inputs.size() > 2 && operands.inputs[2].present()) {
    bias.operand = operands.inputs[2];
    bias.row_dims = {y.shape[0]};
    bias.row_strides = {0};
    bias.channel_stride = 1;
  }
  const std::int64_t phase_count = ir::element_count(strides_);
  for (std::int64_t p = 0; p < phase_count; ++p) {
    Phase phase;
    phase.start.assign(rank, 0);
    std::int64_t rest = p;
    for (std::size_t d = rank; d-- > 0;) {
      phase.start[d] = rest % strides_[d];
      rest /= strides_[d];
    }
    bool beyond = false, empty = false;
    for (std::size_t d = 0; d < rank; ++d) {
      phase.axes.push_back(
          phase_of(phase.start[d], strides_[d], dilations[d], kernel[d], pads[d], input[d], output_[d]));
      beyond = beyond || phase.start[d] >= output_[d];
      empty = empty || phase.axes[d].taps.empty();
    }
    if (beyond) continue;
    for (std::size_t d = 0; empty && d < rank; ++d) make_empty(phase.axes[d], input[d]);
    ConvProblem problem;
    problem.batch = batch_;
    problem.groups = attrs.groups;
    problem.in_channels = x.shape[1];
    problem.out_channels = y.shape[1];
    problem.input = input;
    problem.strides.assign(rank, 1);
    Operand result = y;
    for (std::size_t d = 0; d < rank; ++d) {
      const PhaseAxis& axis = phase.axes[d];
      problem.output.push_back(axis.computed);
      problem.kernel.push_back(axis.window());
      problem.dilations.push_back(axis.dilation);
      problem.pads_begin.push_back(axis.pad_begin);
      problem.pads_end.push_back(axis.pad_end);
      result.shape[2 + d] = axis.computed;
    }
    LinearWeights weights = phase_weights(attrs, w, phase.axes);
    result.strides = strides_of(result.shape, result.layout);
    phase.direct = phase_count == 1 && result.shape == y.shape;
    std::vector<double> scale = weights.scale;
    for (double& s : scale) s *= x.affine().scale;
    phase.conv = std::make_unique<LinearKernel>(problem, std::move(weights), x,
                                                Epilogue(std::move(scale), bias, attrs.activation, result), options);
    if (!phase.direct) result_bytes_ = std::max(result_bytes_, result.size_bytes());
    phases_.push_back(std::move(phase));
  }
  result_bytes_ = aligned(result_bytes_);
}

}  // namespace

std::unique_ptr<Kernel> make_conv_transpose(const ir::ConvTransposeAttrs& attrs, const LayerOperands& operands,
                                            const KernelOptions& options) {
  const Operand &x = operands.inputs[0], &w = operands.inputs[1], &y = operands.outputs[0];
  if (!w.constant) fail(ErrorKind::unsupported, "the weight '", w.name, "' is not a constant");
  if (x.rank() < 3 || w.rank() != x.rank() || attrs.groups < 1 || x.shape[1] != w.shape[0] ||
      w.shape[0] % attrs.groups != 0 || y.shape[1] != w.shape[1] * attrs.groups)
    fail(ErrorKind::invalid_model, "input ", ir::to_string(x.shape), ", weight ", ir::to_string(w.shape), " and ",
         attrs.groups, " groups do not fit together");
  return std::make_unique<ConvTransposeKernel>(attrs, operands, options);
}

}  // namespace vaip::kernels
