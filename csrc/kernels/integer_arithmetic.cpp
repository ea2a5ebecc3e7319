// Arithmetic of integers that stand for themselves: indices, positions, masks. Results wrap around, as onnxruntime's
// do.
#include <algorithm>
#include <type_traits>

#include "base/error.h"
#include "kernels/layers.h"
#include "kernels/plain_pairs.h"
#include "kernels/stored_type.h"

namespace vaip::kernels {
namespace {

using Op = ir::IntegerArithmeticAttrs::Op;

// Signed overflow is undefined in C++; that of these is not, and their low bits are the same.
template <typename T>
using Wrapping = std::common_type_t<std::make_unsigned_t<T>, unsigned>;

template <typename T>
T negated(T x) {
  return static_cast<T>(Wrapping<T>{0} - static_cast<Wrapping<T>>(x));
}

// Towards zero. What a processor has no result for: x / 0 is 0, and the lowest number over -1 wraps around.
template <typename T>
T quotient(T a, T b) {
  if (b == 0) return 0;
  if (std::is_signed_v<T> && b == static_cast<T>(-1)) return negated(a);
  return static_cast<T>(a / b);
}

template <typename T>
T remainder(T a, T b) {
  if (b == 0 || (std::is_signed_v<T> && b == static_cast<T>(-1))) return 0;
  return static_cast<T>(a % b);
}

// Of the divisor's sign.
template <typename T>
T modulus(T a, T b) {
  const T rest = remainder(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? static_cast<T>(rest + b) : rest;
}

// Calls call(f) with the function of two elements.
template <typename T, typename Call>
void with_function(Op op, const Call& call) {
  using W = Wrapping<T>;
  switch (op) {
    case Op::add:
      return call([](T a, T b) { return static_cast<T>(static_cast<W>(a) + static_cast<W>(b)); });
    case Op::sub:
      return call([](T a, T b) { return static_cast<T>(static_cast<W>(a) - static_cast<W>(b)); });
    case Op::mul:
      return call([](T a, T b) { return static_cast<T>(static_cast<W>(a) * static_cast<W>(b)); });
    case Op::div:
      return call([](T a, T b) { return quotient(a, b); });
    case Op::modulus:
      return call([](T a, T b) { return modulus(a, b); });
    case Op::remainder:
      return call([](T a, T b) { return remainder(a, b); });
    case Op::min:
      return call([](T a, T b) { return std::min(a, b); });
    case Op::max:
      return call([](T a, T b) { return std::max(a, b); });
  }
}

class IntegerArithmetic : public Kernel {
 public:
  IntegerArithmetic(Op op, const LayerOperands& operands)
      : op_(op), dtype_(operands.outputs[0].dtype), pairs_(operands, 2) {
    if (!ir::is_integer(dtype_))
      fail(ErrorKind::unsupported, "arithmetic on ", ir::name(dtype_), "; ONNX defines it for numbers");
  }

  void execute(const ExecutionContext& context) const override {
    with_stored_type(dtype_, [&](auto element) {
      using T = decltype(element);
      if constexpr (std::is_integral_v<T>)
        with_function<T>(op_, [&](auto function) { pairs_.apply<T>(context, function); });
    });
  }

 private:
  Op op_;
  ir::DType dtype_;
  PlainPairs pairs_;
};

}  // namespace

std::unique_ptr<Kernel> make_integer_arithmetic(const ir::IntegerArithmeticAttrs& attrs,
                                                const LayerOperands& operands) {
  return std::make_unique<IntegerArithmetic>(attrs.op, operands);
}

}  // namespace vaip::kernels
