// CumSum. Integers are summed as integers, and quantized once per position.
#include <type_traits>

#include "kernels/axis_lines.h"
#include "kernels/layers.h"
#include "kernels/real_block.h"
#include "kernels/stored_type.h"

namespace vaip::kernels {
namespace {

// A run of lines side by side: position by position, so that neighbours in memory are read together.
constexpr std::int64_t kLines = 64;

class CumSumKernel : public Kernel {
 public:
  CumSumKernel(const ir::CumSumAttrs& attrs, std::size_t axis, const Operand& x, const Operand& y)
      : exclusive_(attrs.exclusive),
        reverse_(attrs.reverse),
        dtype_(x.dtype),
        affine_(x.affine()),
        wraps_(x.dtype == y.dtype && !x.quant && !y.quant),
        length_(x.shape[axis]),
        from_stride_(x.strides[axis]),
        to_stride_(y.strides[axis]),
        quantizer_(make_quantizer(y)),
        nest_(lines_along(axis, x.shape, {y.strides, x.strides})) {}

  void execute(const ExecutionContext& context) const override {
    with_stored_type(dtype_, [&](auto element) { run<decltype(element)>(context); });
  }

 private:
  // Unsigned, because plain integers wrap around as ONNX's types do.
  template <typename T>
  using Sum = std::conditional_t<std::is_integral_v<T>, std::uint64_t, double>;

  template <typename T>
  void run(const ExecutionContext& context) const {
    const std::int64_t stride = nest_.inner().strides[1];
    const auto zero_point = static_cast<Sum<T>>(static_cast<std::int64_t>(affine_.zero_point));
    nest_.for_each_run(kLines, [&](const LoopNest::Offsets& at, std::int64_t count) {
      const T* x = static_cast<const T*>(context.inputs[0]) + at[1];
      Sum<T> sums[kLines] = {};
      for (std::int64_t step = 0; step < length_; ++step) {
        const std::int64_t i = reverse_ ? length_ - 1 - step : step;
        if (exclusive_) store<T>(context, sums, count, at[0] + i * to_stride_);
        for (std::int64_t l = 0; l < count; ++l)
          sums[l] += static_cast<Sum<T>>(x[l * stride + i * from_stride_]) - zero_point;
        if (!exclusive_) store<T>(context, sums, count, at[0] + i * to_stride_);
      }
    });
  }

  template <typename T>
  void store(const ExecutionContext& context, const Sum<T>* sums, std::int64_t count, std::int64_t to) const {
    const std::int64_t stride = nest_.inner().strides[0];
    if (wraps_) {
      T* y = static_cast<T*>(context.outputs[0]) + to;
      for (std::int64_t l = 0; l < count; ++l) y[l * stride] = static_cast<T>(sums[l]);
      return;
    }
    using Signed = std::conditional_t<std::is_integral_v<T>, std::int64_t, double>;
    double real[kLines];
    for (std::int64_t l = 0; l < count; ++l)
      real[l] = static_cast<double>(static_cast<Signed>(sums[l])) * affine_.scale;
    store_real(quantizer_, real, context.outputs[0], to, stride, count);
  }

  bool exclusive_, reverse_;
  ir::DType dtype_;
  Affine affine_;
  bool wraps_;  // plain numbers of one type
  std::int64_t length_, from_stride_, to_stride_;
  Quantizer quantizer_;
  LoopNest nest_;  // operand 0: y, operand 1: x
};

}  // namespace

std::unique_ptr<Kernel> make_cum_sum(const ir::CumSumAttrs& attrs, const LayerOperands& operands) {
  const Operand& x = operands.inputs[0];
  return std::make_unique<CumSumKernel>(attrs, axis_from_front(attrs.axis, x.shape.size()), x, operands.outputs[0]);
}

}  // namespace vaip::kernels
