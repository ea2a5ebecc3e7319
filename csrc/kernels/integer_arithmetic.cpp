// Arithmetic of integers that stand for themselves, in their own type: overflow wraps around, division is towards zero.
#include <algorithm>
#include <type_traits>
#include <vector>

#include "kernels/broadcast.h"
#include "kernels/layers.h"
#include "kernels/loop_nest.h"
#include "kernels/real_block.h"
#include "kernels/stored_type.h"

namespace vaip::kernels {
namespace {

using Op = ir::ArithmeticAttrs::Op;

// What division by zero gives is open in ONNX; here it is 0, and the one quotient that overflows wraps around.
template <typename T>
T quotient(T a, T b) {
  if (b == 0) return 0;
  if constexpr (std::is_signed_v<T>) {
    if (b == -1) return static_cast<T>(std::uint64_t{0} - static_cast<std::uint64_t>(a));
  }
  return static_cast<T>(a / b);
}

// Calls call(f) with the function of two elements. Sums and products are those of unsigned numbers: they wrap around.
template <typename T, typename Call>
void with_function(Op op, const Call& call) {
  const auto wide = [](T x) { return static_cast<std::uint64_t>(x); };
  switch (op) {
    case Op::add:
      return call([wide](T a, T b) { return static_cast<T>(wide(a) + wide(b)); });
    case Op::sub:
      return call([wide](T a, T b) { return static_cast<T>(wide(a) - wide(b)); });
    case Op::mul:
      return call([wide](T a, T b) { return static_cast<T>(wide(a) * wide(b)); });
    case Op::div:
      return call([](T a, T b) { return quotient(a, b); });
    case Op::min:
      return call([](T a, T b) { return std::min(a, b); });
    case Op::max:
      return call([](T a, T b) { return std::max(a, b); });
    case Op::pow:
    case Op::prelu:
      break;  // which the constructor refuses
  }
}

class IntegerArithmeticKernel : public Kernel {
 public:
  IntegerArithmeticKernel(Op op, const LayerOperands& operands)
      : op_(op),
        dtype_(operands.outputs[0].dtype),
        count_(operands.inputs.size()),
        nest_(operands.outputs[0].shape, strides_in_output(operands)) {
    for (const Operand& x : operands.inputs) {
      if (x.dtype != dtype_ || x.quant)
        fail(ErrorKind::unsupported, "'", x.name, "' is ", ir::name(x.dtype), ", the result ", ir::name(dtype_),
             "; both must be the same plain integers");
    }
    if (op == Op::pow || op == Op::prelu) fail(ErrorKind::unsupported, "of integers that are not quantized");
  }

  void execute(const ExecutionContext& context) const override {
    const auto& strides = nest_.inner().strides;
    with_stored_type(dtype_, [&](auto element) {
      using T = decltype(element);
      if constexpr (std::is_integral_v<T>) {
        with_function<T>(op_, [&](auto function) {
          nest_.for_each_run(8 * kBlock, [&](const LoopNest::Offsets& at, std::int64_t count) {
            T* out = static_cast<T*>(context.outputs[0]) + at[0];
            const T* first = static_cast<const T*>(context.inputs[0]) + at[1];
            for (std::int64_t i = 0; i < count; ++i) out[i * strides[0]] = first[i * strides[1]];
            for (std::size_t k = 1; k < count_; ++k) {
              const T* x = static_cast<const T*>(context.inputs[k]) + at[1 + k];
              for (std::int64_t i = 0; i < count; ++i)
                out[i * strides[0]] = function(out[i * strides[0]], x[i * strides[1 + k]]);
            }
          });
        });
      }
    });
  }

 private:
  Op op_;
  ir::DType dtype_;
  std::size_t count_;
  LoopNest nest_;
};

}  // namespace

std::unique_ptr<Kernel> make_integer_arithmetic(const ir::ArithmeticAttrs& attrs, const LayerOperands& operands) {
  return std::make_unique<IntegerArithmeticKernel>(attrs.op, operands);
}

}  // namespace vaip::kernels
