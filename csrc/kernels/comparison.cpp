// Comparisons of real numbers. (q - zero point) * scale has at most 17 + 24 significant bits, so a double holds it
// exactly; plain elements of one type are compared as they are.
#include <functional>

#include "kernels/broadcast.h"
#include "kernels/layers.h"
#include "kernels/loop_nest.h"
#include "kernels/real_block.h"
#include "kernels/stored_type.h"

namespace vaip::kernels {
namespace {

using Op = ir::ComparisonAttrs::Op;

template <typename Call>
void with_comparison(Op op, const Call& call) {
  switch (op) {
    case Op::equal:
      return call(std::equal_to<>{});
    case Op::unequal:
      return call(std::not_equal_to<>{});
    case Op::greater:
      return call(std::greater<>{});
    case Op::greater_or_equal:
      return call(std::greater_equal<>{});
    case Op::less:
      return call(std::less<>{});
    case Op::less_or_equal:
      return call(std::less_equal<>{});
  }
}

template <typename T>
struct Run {
  const T* data;
  std::int64_t stride;
};

template <typename T>
void compare(Op op, Run<T> a, Run<T> b, std::int64_t count, std::uint8_t* out, std::int64_t out_stride) {
  with_comparison(op, [&](auto holds) {
    for (std::int64_t i = 0; i < count; ++i) out[i * out_stride] = holds(a.data[i * a.stride], b.data[i * b.stride]);
  });
}

class ComparisonKernel : public Kernel {
 public:
  ComparisonKernel(Op op, const LayerOperands& operands)
      : op_(op),
        a_{operands.inputs[0].dtype, operands.inputs[0].affine()},
        b_{operands.inputs[1].dtype, operands.inputs[1].affine()},
        as_stored_(a_.dtype == b_.dtype && a_.affine == Affine{} && b_.affine == Affine{}),
        nest_(operands.outputs[0].shape, strides_in_output(operands)) {
    if (operands.outputs[0].dtype != ir::DType::boolean)
      fail(ErrorKind::invalid_model, "a comparison's output is of type ", ir::name(operands.outputs[0].dtype));
  }

  void execute(const ExecutionContext& context) const override {
    const auto& strides = nest_.inner().strides;
    nest_.for_each_run(kBlock, [&](const LoopNest::Offsets& at, std::int64_t count) {
      std::uint8_t* out = static_cast<std::uint8_t*>(context.outputs[0]) + at[0];
      if (as_stored_) {
        with_stored_type(a_.dtype, [&](auto element) {
          using T = decltype(element);
          compare<T>(op_, {static_cast<const T*>(context.inputs[0]) + at[1], strides[1]},
                     {static_cast<const T*>(context.inputs[1]) + at[2], strides[2]}, count, out, strides[0]);
        });
        return;
      }
      double a[kBlock], b[kBlock];
      load_real(a_.dtype, context.inputs[0], at[1], strides[1], count, a_.affine, a);
      load_real(b_.dtype, context.inputs[1], at[2], strides[2], count, b_.affine, b);
      compare<double>(op_, {a, 1}, {b, 1}, count, out, strides[0]);
    });
  }

 private:
  struct Side {
    ir::DType dtype;
    Affine affine;
  };
  Op op_;
  Side a_, b_;
  bool as_stored_;
  LoopNest nest_;
};

}  // namespace

std::unique_ptr<Kernel> make_comparison(const ir::ComparisonAttrs& attrs, const LayerOperands& operands) {
  return std::make_unique<ComparisonKernel>(attrs.op, operands);
}

}  // namespace vaip::kernels
