#include "kernels/channel_arithmetic.h"

#include <optional>
#include <utility>
#include <vector>

#include "kernels/epilogue.h"
#include "kernels/parallel.h"

namespace vaip::kernels {
namespace {

using Op = ir::ArithmeticAttrs::Op;

constexpr std::int64_t kLargestByte = 255;

bool is_byte(ir::DType dtype) { return dtype == ir::DType::u8 || dtype == ir::DType::s8; }

// How many channels the constant tells apart: 1 where it is one number. Nothing where these are not the innermost
// dimension of y.
std::optional<std::int64_t> channels_of(const Operand& constant, const Operand& y) {
  if (constant.rank() > y.rank()) return std::nullopt;
  std::int64_t channels = 1;
  const std::size_t skipped = y.shape.size() - constant.shape.size();
  for (std::size_t d = 0; d < constant.shape.size(); ++d) {
    if (constant.shape[d] == 1) continue;
    if (channels != 1 || constant.shape[d] != y.shape[skipped + d] || y.strides[skipped + d] != 1) return std::nullopt;
    channels = constant.shape[d];
  }
  return channels;
}

class ChannelArithmeticKernel : public Kernel {
 public:
  ChannelArithmeticKernel(std::size_t input, const Operand& x, const Operand& y, Epilogue epilogue)
      : input_(input), signed_(x.dtype == ir::DType::s8), count_(y.count()), epilogue_(std::move(epilogue)) {}

  void execute(const ExecutionContext& context) const override {
    parallel_for(count_, 1, [&](std::int64_t begin, std::int64_t end, int) {
      const void* x = context.inputs[input_];
      if (signed_)
        epilogue_.run(static_cast<const std::int8_t*>(x) + begin, begin, end, {}, context.outputs[0]);
      else
        epilogue_.run(static_cast<const std::uint8_t*>(x) + begin, begin, end, {}, context.outputs[0]);
    });
  }

 private:
  std::size_t input_;  // that is no constant
  bool signed_;
  std::int64_t count_;
  Epilogue epilogue_;
};

}  // namespace

std::unique_ptr<Kernel> make_channel_arithmetic(const ir::ArithmeticAttrs& attrs, const LayerOperands& operands) {
  if (operands.inputs.size() != 2) return nullptr;
  const bool first_is_constant = operands.inputs[0].constant.has_value();
  const std::size_t input = first_is_constant ? 1 : 0;
  const Operand &x = operands.inputs[input], &constant = operands.inputs[1 - input], &y = operands.outputs[0];
  const bool supported = attrs.op == Op::add || attrs.op == Op::mul || (attrs.op == Op::sub && !first_is_constant);
  if (!supported || !constant.constant || !is_byte(x.dtype) || !is_byte(y.dtype) || !x.per_tensor()) return nullptr;
  if (x.shape != y.shape || x.strides != y.strides) return nullptr;
  const std::optional<std::int64_t> channels = channels_of(constant, y);
  if (!channels) return nullptr;

  const Affine affine = x.affine();
  std::vector<double> scale(static_cast<std::size_t>(*channels), affine.scale);
  Bias bias;
  if (attrs.op == Op::mul) {
    const std::vector<double> factors = real_values(constant);
    for (std::size_t c = 0; c < scale.size(); ++c) scale[c] *= factors[c];
  } else {
    bias.operand = constant;
    bias.beta = attrs.op == Op::sub ? -1.0 : 1.0;
    bias.row_dims = {1};
    bias.row_strides = {0};
    bias.channel_stride = *channels == 1 ? 0 : 1;
  }
  Epilogue epilogue(std::move(scale), std::move(bias), attrs.activation, y);
  epilogue.subtract(std::vector<double>(static_cast<std::size_t>(*channels), affine.zero_point));
  epilogue.set_largest_accumulator(kLargestByte);
  return std::make_unique<ChannelArithmeticKernel>(input, x, y, std::move(epilogue));
}

}  // namespace vaip::kernels
