// Logic of booleans and of the bits of integers.
#include "base/error.h"
#include "kernels/layers.h"
#include "kernels/plain_pairs.h"
#include "kernels/stored_type.h"

namespace vaip::kernels {
namespace {

using Op = ir::LogicAttrs::Op;

bool is_unary(Op op) { return op == Op::logical_not || op == Op::bitwise_not; }

// Shifts by the width of the type or more, which C++ leaves open, leave nothing.
template <typename T>
T shifted(T value, T places, bool left) {
  if (places >= 8 * sizeof(T)) return 0;
  const auto wide = static_cast<std::uint64_t>(value);
  return static_cast<T>(left ? wide << places : wide >> places);
}

// Calls call(f) with the function of two elements; those of one element ignore the second.
template <typename T, typename Call>
void with_function(Op op, const Call& call) {
  switch (op) {
    case Op::logical_and:
      return call([](T a, T b) { return static_cast<T>(a != 0 && b != 0); });
    case Op::logical_or:
      return call([](T a, T b) { return static_cast<T>(a != 0 || b != 0); });
    case Op::logical_xor:
      return call([](T a, T b) { return static_cast<T>((a != 0) != (b != 0)); });
    case Op::logical_not:
      return call([](T a, T) { return static_cast<T>(a == 0); });
    case Op::bitwise_and:
      return call([](T a, T b) { return static_cast<T>(a & b); });
    case Op::bitwise_or:
      return call([](T a, T b) { return static_cast<T>(a | b); });
    case Op::bitwise_xor:
      return call([](T a, T b) { return static_cast<T>(a ^ b); });
    case Op::bitwise_not:
      return call([](T a, T) { return static_cast<T>(~a); });
    case Op::shift_left:
      return call([](T a, T b) { return shifted(a, b, true); });
    case Op::shift_right:
      return call([](T a, T b) { return shifted(a, b, false); });
  }
}

class LogicKernel : public Kernel {
 public:
  LogicKernel(Op op, const LayerOperands& operands)
      : op_(op), bytes_(ir::size_of(operands.outputs[0].dtype)), pairs_(operands, is_unary(op) ? 1 : 2) {
    const ir::DType dtype = operands.outputs[0].dtype;
    if ((op == Op::shift_left || op == Op::shift_right) && ir::lowest(dtype) != 0)
      fail(ErrorKind::unsupported, "a shift of ", ir::name(dtype), "; ONNX defines it for unsigned integers");
  }

  void execute(const ExecutionContext& context) const override {
    with_bits(bytes_, [&](auto element) {
      using T = decltype(element);
      with_function<T>(op_, [&](auto function) { pairs_.apply<T>(context, function); });
    });
  }

 private:
  Op op_;
  std::size_t bytes_;
  PlainPairs pairs_;
};

}  // namespace

std::unique_ptr<Kernel> make_logic(const ir::LogicAttrs& attrs, const LayerOperands& operands) {
  return std::make_unique<LogicKernel>(attrs.op, operands);
}

}  // namespace vaip::kernels
