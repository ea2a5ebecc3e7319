// Logic of booleans and of the bits of integers.
#include "kernels/broadcast.h"
#include "kernels/layers.h"
#include "kernels/loop_nest.h"
#include "kernels/real_block.h"
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
      : op_(op),
        second_(is_unary(op) ? 0 : 1),
        bytes_(ir::size_of(operands.outputs[0].dtype)),
        nest_(operands.outputs[0].shape, strides_in_output(operands)) {
    if (operands.inputs.size() != second_ + 1)
      fail(ErrorKind::invalid_model, operands.inputs.size(), " inputs instead of ", second_ + 1);
    const ir::DType dtype = operands.outputs[0].dtype;
    for (const Operand& x : operands.inputs)
      if (x.dtype != dtype || x.quant || (!ir::is_integer(dtype) && dtype != ir::DType::boolean))
        fail(ErrorKind::unsupported, "'", x.name, "' is ", ir::name(x.dtype), ", the result ", ir::name(dtype),
             "; both must be the same plain integers or booleans");
    if ((op == Op::shift_left || op == Op::shift_right) && ir::lowest(dtype) != 0)
      fail(ErrorKind::unsupported, "a shift of ", ir::name(dtype), "; ONNX defines it for unsigned integers");
  }

  void execute(const ExecutionContext& context) const override {
    const auto& strides = nest_.inner().strides;
    with_bits(bytes_, [&](auto element) {
      using T = decltype(element);
      with_function<T>(op_, [&](auto function) {
        nest_.for_each_run(8 * kBlock, [&](const LoopNest::Offsets& at, std::int64_t count) {
          const T* a = static_cast<const T*>(context.inputs[0]) + at[1];
          const T* b = static_cast<const T*>(context.inputs[second_]) + at[1 + second_];
          T* out = static_cast<T*>(context.outputs[0]) + at[0];
          for (std::int64_t i = 0; i < count; ++i)
            out[i * strides[0]] = function(a[i * strides[1]], b[i * strides[1 + second_]]);
        });
      });
    });
  }

 private:
  Op op_;
  std::size_t second_;  // the input that is the second argument; the first again for functions of one
  std::size_t bytes_;
  LoopNest nest_;
};

}  // namespace

std::unique_ptr<Kernel> make_logic(const ir::LogicAttrs& attrs, const LayerOperands& operands) {
  return std::make_unique<LogicKernel>(attrs.op, operands);
}

}  // namespace vaip::kernels
