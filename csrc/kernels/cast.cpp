// Cast between plain element types, by ONNX's rules: fractions are cut off, integers that do not fit keep their low
// bits, everything but zero is true.
#include <cmath>
#include <limits>
#include <type_traits>

#include "kernels/layers.h"
#include "kernels/loop_nest.h"
#include "kernels/multiversion.h"
#include "kernels/real_block.h"
#include "kernels/stored_type.h"

namespace vaip::kernels {
namespace {

// ONNX leaves floats beyond 64 bits open: they become the nearest integer of 64 bits, NaN becomes 0.
std::int64_t truncated(double x) {
  if (std::isnan(x)) return 0;
  if (x >= 0x1p63) return std::numeric_limits<std::int64_t>::max();
  if (x < -0x1p63) return std::numeric_limits<std::int64_t>::min();
  return static_cast<std::int64_t>(x);
}

template <typename From, typename To>
To converted(From x) {
  if constexpr (is_half<To>) {
    if constexpr (is_half<From> || std::is_same_v<From, float>)
      return To(static_cast<float>(x));
    else
      return To(static_cast<double>(x));
  } else if constexpr (is_real<From> && std::is_same_v<To, std::uint64_t>) {
    return x >= 0x1p63 && x < 0x1p64 ? static_cast<std::uint64_t>(x) : static_cast<std::uint64_t>(truncated(x));
  } else if constexpr (is_real<From> && std::is_integral_v<To>) {
    return static_cast<To>(truncated(static_cast<double>(x)));
  } else {
    return static_cast<To>(x);
  }
}

template <typename From, typename To>
VAIP_MULTIVERSION void convert_dense(const From* __restrict in, std::int64_t count, To* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = converted<From, To>(in[i]);
}

class CastKernel : public Kernel {
 public:
  CastKernel(const Operand& x, const Operand& y)
      : from_(x.dtype), to_(y.dtype), nest_(x.shape, {y.strides, x.strides}) {
    if (x.quant || y.quant) fail(ErrorKind::internal, "a cast of quantized tensors");
  }

  void execute(const ExecutionContext& context) const override {
    with_stored_type(
        from_, [&](auto from) { with_stored_type(to_, [&](auto to) { run<decltype(from), decltype(to)>(context); }); });
  }

 private:
  template <typename From, typename To>
  void run(const ExecutionContext& context) const {
    const auto& strides = nest_.inner().strides;
    const bool to_boolean = to_ == ir::DType::boolean;
    nest_.for_each_run(8 * kBlock, [&](const LoopNest::Offsets& at, std::int64_t count) {
      const From* in = static_cast<const From*>(context.inputs[0]) + at[1];
      To* out = static_cast<To*>(context.outputs[0]) + at[0];
      if constexpr ((is_half<From> && is_real<To>) || (is_real<From> && is_half<To>))  // at the edges of a program
        if (strides[0] == 1 && strides[1] == 1) return convert_dense(in, count, out);
      for (std::int64_t i = 0; i < count; ++i) {
        const From x = in[i * strides[1]];
        if constexpr (std::is_same_v<To, std::uint8_t>)  // which booleans are stored as
          if (to_boolean) {
            out[i * strides[0]] = x != From{} ? 1 : 0;
            continue;
          }
        out[i * strides[0]] = converted<From, To>(x);
      }
    });
  }

  ir::DType from_, to_;
  LoopNest nest_;
};

}  // namespace

std::unique_ptr<Kernel> make_cast(const LayerOperands& operands) {
  return std::make_unique<CastKernel>(operands.inputs[0], operands.outputs[0]);
}

}  // namespace vaip::kernels
