// QuantizeLinear and DequantizeLinear between floats and integers, in float32 arithmetic as ONNX defines them and bit
// for bit as onnxruntime computes them. (Between integers they are a change of parameters: see unary.cpp.)
#include <cmath>

#include "base/error.h"
#include "base/half.h"
#include "kernels/layers.h"
#include "kernels/loop_nest.h"
#include "kernels/multiversion.h"
#include "kernels/rounding.h"

namespace vaip::kernels {
namespace {

using ir::DType;

// x / scale rounded; NaN and anything below become the lowest value, anything above the highest. The clamp
// comes first: that keeps infinities out of the conversion and changes no result, since the limits are integers.
template <typename Real, typename T, typename Round>
VAIP_MULTIVERSION void quantize_run(const Real* __restrict in, std::int64_t count, float scale, float low, float high,
                                    std::int32_t zero_point, Round round, T* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) {
    const double steps = clamp(static_cast<float>(in[i]) / scale, low, high);
    out[i] = static_cast<T>(static_cast<std::int32_t>(round(steps)) + zero_point);
  }
}

template <typename T, typename Real>
VAIP_MULTIVERSION void dequantize_run(const T* __restrict in, std::int64_t count, float scale, std::int32_t zero_point,
                                      Real* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i)
    out[i] = static_cast<Real>(static_cast<float>(static_cast<std::int32_t>(in[i]) - zero_point) * scale);
}

template <typename Call>
void with_integer_type(const Operand& operand, const Call& call) {
  switch (operand.dtype) {
    case DType::u8:
      return call(std::uint8_t{});
    case DType::s8:
      return call(std::int8_t{});
    case DType::u16:
      return call(std::uint16_t{});
    case DType::s16:
      return call(std::int16_t{});
    case DType::s32:
      return call(std::int32_t{});
    default:
      fail(ErrorKind::unsupported, "tensor '", operand.name, "' is quantized as ", ir::name(operand.dtype),
           "; uint8, int8, uint16, int16 and int32 are executed");
  }
}

template <typename Call>
void with_float_type(DType dtype, const Call& call) {
  if (dtype == DType::bf16) return call(BFloat16{});
  call(float{});
}

bool is_converted(const Operand& real) { return real.dtype == DType::f32 || real.dtype == DType::bf16; }

// Both ways: runs along which the parameters do not change, whatever the operands' layouts.
class AffineKernel : public Kernel {
 public:
  AffineKernel(const Operand& from, const Operand& to, bool quantizes)
      : quantized_(quantizes ? to : from),
        real_((quantizes ? from : to).dtype),
        quantizes_(quantizes),
        quant_(quantized_.quant.value_or(ir::QuantParams{{1.0F}, {0}, 0})),
        // A third, imaginary operand moves along the quantization axis: its offset is the entry of the parameters.
        nest_(from.shape, {to.strides, from.strides, entry_strides()}) {
    with_integer_type(quantized_, [](auto) {});
    if (!quant_.per_tensor() && nest_.inner().strides[2] != 0 && nest_.inner().size > 1) single_steps_ = true;
  }

  void execute(const ExecutionContext& context) const override {
    const std::int64_t to_stride = nest_.inner().strides[0], from_stride = nest_.inner().strides[1];
    const bool dense = to_stride == 1 && from_stride == 1 && !single_steps_;
    nest_.for_each_run(kRun, [&](const LoopNest::Offsets& at, std::int64_t count) {
      if (dense) return convert(context, at[1], at[0], at[2], count);
      for (std::int64_t i = 0; i < count; ++i)
        convert(context, at[1] + i * from_stride, at[0] + i * to_stride, at[2] + i * nest_.inner().strides[2], 1);
    });
  }

 private:
  static constexpr std::int64_t kRun = 4096;

  ir::Shape entry_strides() const {
    ir::Shape strides(quantized_.shape.size(), 0);
    if (!quant_.per_tensor()) strides[static_cast<std::size_t>(quant_.axis)] = 1;
    return strides;
  }

  void convert(const ExecutionContext& context, std::int64_t from, std::int64_t to, std::int64_t entry,
               std::int64_t count) const {
    const float scale = quant_.scale[static_cast<std::size_t>(entry)];
    const std::int32_t zero_point = quant_.zero_point[static_cast<std::size_t>(entry)];
    with_integer_type(quantized_, [&](auto element) {
      using T = decltype(element);
      with_float_type(real_, [&](auto real) {
        using Real = decltype(real);
        if (!quantizes_)
          return dequantize_run(static_cast<const T*>(context.inputs[0]) + from, count, scale, zero_point,
                                static_cast<Real*>(context.outputs[0]) + to);
        const auto low = static_cast<float>(ir::lowest(quantized_.dtype) - zero_point);
        const auto high = static_cast<float>(ir::highest(quantized_.dtype) - zero_point);
        with_rounder(quantized_.last_step.rounding, [&](auto round) {
          quantize_run(static_cast<const Real*>(context.inputs[0]) + from, count, scale, low, high, zero_point, round,
                       static_cast<T*>(context.outputs[0]) + to);
        });
      });
    });
  }

  Operand quantized_;
  DType real_;  // of the other side
  bool quantizes_;
  ir::QuantParams quant_;
  LoopNest nest_;
  bool single_steps_ = false;  // the parameters change from element to element
};

}  // namespace

std::unique_ptr<Kernel> make_quantize(const LayerOperands& operands) {
  const Operand &x = operands.inputs[0], &y = operands.outputs[0];
  if (!is_converted(x)) return make_unary({}, operands);
  if (y.dtype == DType::s32) fail(ErrorKind::unsupported, "QuantizeLinear to int32");
  return std::make_unique<AffineKernel>(x, y, true);
}

std::unique_ptr<Kernel> make_dequantize(const LayerOperands& operands) {
  const Operand &x = operands.inputs[0], &y = operands.outputs[0];
  if (!is_converted(y)) return make_unary({}, operands);
  return std::make_unique<AffineKernel>(x, y, false);
}

}  // namespace vaip::kernels
