// ArgMax and ArgMin. Scales are positive, so stored integers are ordered as the real numbers are.
#include "kernels/axis_lines.h"
#include "kernels/layers.h"
#include "kernels/real_block.h"
#include "kernels/stored_type.h"

namespace vaip::kernels {
namespace {

// A run of lines side by side: position by position, so that neighbours in memory are read together.
constexpr std::int64_t kLines = 64;

ir::Shape with_axis(ir::Shape strides, std::size_t axis, bool has_it) {
  if (!has_it) strides.insert(strides.begin() + static_cast<std::ptrdiff_t>(axis), 0);
  return strides;
}

class ArgKernel : public Kernel {
 public:
  ArgKernel(const ir::ArgAttrs& attrs, std::size_t axis, const Operand& x, const Operand& y)
      : largest_(attrs.op == ir::ArgAttrs::Op::max),
        last_(attrs.select_last),
        dtype_(x.dtype),
        length_(x.shape[axis]),
        stride_(x.strides[axis]),
        nest_(lines_along(axis, x.shape, {with_axis(y.strides, axis, attrs.keepdims), x.strides})) {
    if (!x.per_tensor()) (void)x.affine();  // entries of different scales are not ordered by their integers
    if (y.dtype != ir::DType::s64) fail(ErrorKind::invalid_model, "the indices are of type ", ir::name(y.dtype));
  }

  void execute(const ExecutionContext& context) const override {
    with_stored_type(dtype_, [&](auto element) { run<decltype(element)>(context); });
  }

 private:
  template <typename T>
  void run(const ExecutionContext& context) const {
    const std::int64_t to_stride = nest_.inner().strides[0], from_stride = nest_.inner().strides[1];
    nest_.for_each_run(kLines, [&](const LoopNest::Offsets& at, std::int64_t count) {
      const T* x = static_cast<const T*>(context.inputs[0]) + at[1];
      std::int64_t* y = static_cast<std::int64_t*>(context.outputs[0]) + at[0];
      T best[kLines];
      std::int64_t index[kLines] = {};
      for (std::int64_t l = 0; l < count; ++l) best[l] = x[l * from_stride];
      for (std::int64_t i = 1; i < length_; ++i) {
        for (std::int64_t l = 0; l < count; ++l) {
          const T value = x[l * from_stride + i * stride_];
          const bool better = largest_ ? value > best[l] : value < best[l];
          if (!better && !(last_ && value == best[l])) continue;
          best[l] = value;
          index[l] = i;
        }
      }
      for (std::int64_t l = 0; l < count; ++l) y[l * to_stride] = index[l];
    });
  }

  bool largest_, last_;
  ir::DType dtype_;
  std::int64_t length_, stride_;
  LoopNest nest_;  // operand 0: y, operand 1: x
};

}  // namespace

std::unique_ptr<Kernel> make_arg(const ir::ArgAttrs& attrs, const LayerOperands& operands) {
  const Operand& x = operands.inputs[0];
  const std::size_t axis = axis_from_front(attrs.axis, x.shape.size());
  if (x.shape[axis] == 0) fail(ErrorKind::invalid_argument, "no elements to choose from: ", ir::to_string(x.shape));
  return std::make_unique<ArgKernel>(attrs, axis, x, operands.outputs[0]);
}

}  // namespace vaip::kernels
