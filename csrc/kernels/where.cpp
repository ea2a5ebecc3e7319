// Where: the elements of one tensor where a condition holds, of another where it does not. Elements that have the
// output's parameters are copied, others requantized.
#include "kernels/broadcast.h"
#include "kernels/layers.h"
#include "kernels/loop_nest.h"
#include "kernels/real_block.h"
#include "kernels/stored_type.h"

namespace vaip::kernels {
namespace {

class WhereKernel : public Kernel {
 public:
  explicit WhereKernel(const LayerOperands& operands)
      : bytes_(ir::size_of(operands.outputs[0].dtype)), nest_(operands.outputs[0].shape, strides_in_output(operands)) {
    const Operand& y = operands.outputs[0];
    if (operands.inputs[0].dtype != ir::DType::boolean)
      fail(ErrorKind::invalid_model, "the condition '", operands.inputs[0].name, "' is ",
           ir::name(operands.inputs[0].dtype), ", not bool");
    copies_ = true;
    for (std::size_t i = 1; i < 3; ++i) {
      const Operand& x = operands.inputs[i];
      sides_[i - 1] = {x.dtype, x.affine()};
      copies_ = copies_ && x.dtype == y.dtype && x.quant == y.quant;
    }
    if (!copies_) quantizer_ = make_quantizer(y);
  }

  void execute(const ExecutionContext& context) const override {
    const auto& strides = nest_.inner().strides;
    nest_.for_each_run(kBlock, [&](const LoopNest::Offsets& at, std::int64_t count) {
      const std::uint8_t* holds = static_cast<const std::uint8_t*>(context.inputs[0]) + at[1];
      if (copies_) {
        with_bits(bytes_, [&](auto element) {
          using T = decltype(element);
          const T* a = static_cast<const T*>(context.inputs[1]) + at[2];
          const T* b = static_cast<const T*>(context.inputs[2]) + at[3];
          T* out = static_cast<T*>(context.outputs[0]) + at[0];
          for (std::int64_t i = 0; i < count; ++i)
            out[i * strides[0]] = holds[i * strides[1]] != 0 ? a[i * strides[2]] : b[i * strides[3]];
        });
        return;
      }
      double a[kBlock], b[kBlock];
      load_real(sides_[0].dtype, context.inputs[1], at[2], strides[2], count, sides_[0].affine, a);
      load_real(sides_[1].dtype, context.inputs[2], at[3], strides[3], count, sides_[1].affine, b);
      for (std::int64_t i = 0; i < count; ++i) a[i] = holds[i * strides[1]] != 0 ? a[i] : b[i];
      store_real(quantizer_, a, context.outputs[0], at[0], strides[0], count);
    });
  }

 private:
  struct Side {
    ir::DType dtype = ir::DType::undefined;
    Affine affine;
  };
  Side sides_[2];
  bool copies_;
  std::size_t bytes_;
  Quantizer quantizer_;
  LoopNest nest_;
};

}  // namespace

std::unique_ptr<Kernel> make_where(const LayerOperands& operands) { return std::make_unique<WhereKernel>(operands); }

}  // namespace vaip::kernels
