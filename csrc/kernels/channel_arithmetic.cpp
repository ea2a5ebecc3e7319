#include "kernels/channel_arithmetic.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "kernels/byte_map.h"
#include "kernels/epilogue.h"
#include "kernels/normalization.h"
#include "kernels/parallel.h"

namespace vaip::kernels {
namespace {

using Op = ir::ArithmeticAttrs::Op;

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
      : input_(input), dtype_(x.dtype), count_(y.count()), rows_(*rows_of(x)), epilogue_(std::move(epilogue)) {}

  void execute(const ExecutionContext& context) const override {
    parallel_for(count_, 1, [&](std::int64_t begin, std::int64_t end, int) {
      const auto run = [&](const auto* x) {
        rows_.for_each_piece(begin, end, [&](std::int64_t offset, std::int64_t at, std::int64_t count) {
          epilogue_.run(x + offset, at, at + count, {}, context.outputs[0]);
        });
      };
      const void* x = context.inputs[input_];
      switch (dtype_) {
        case ir::DType::u8:
          return run(static_cast<const std::uint8_t*>(x));
        case ir::DType::s8:
          return run(static_cast<const std::int8_t*>(x));
        case ir::DType::u16:
          return run(static_cast<const std::uint16_t*>(x));
        default:
          return run(static_cast<const std::int16_t*>(x));
      }
    });
  }

 private:
  std::size_t input_;  // that is no constant
  ir::DType dtype_;
  std::int64_t count_;
  Rows rows_;  // of the input
  Epilogue epilogue_;
};

// Whether what is done to x keeps the places of its elements, and both are quantized.
bool are_alike(const Operand& x, const Operand& y) {
  return is_of_8_or_16_bits(x.dtype) && is_of_8_or_16_bits(y.dtype) && x.per_tensor() && x.shape == y.shape &&
         (x.layout == y.layout || x.strides == y.strides) && rows_of(x) && rows_of(y);
}

// y = (x - its zero point) * scale + offsets, of each channel.
std::unique_ptr<Kernel> make_affine(std::size_t input, const LayerOperands& operands, const ir::Activation& activation,
                                    std::vector<double> scale, const std::vector<double>& offsets) {
  const Operand &x = operands.inputs[input], &y = operands.outputs[0];
  const std::size_t channels = scale.size();
  Epilogue epilogue(std::move(scale), {}, activation, y);
  epilogue.subtract(std::vector<double>(channels, x.affine().zero_point));
  epilogue.add_per_channel(offsets);
  epilogue.set_largest_accumulator(std::max(-ir::lowest(x.dtype), ir::highest(x.dtype)));
  return std::make_unique<ChannelArithmeticKernel>(input, x, y, std::move(epilogue));
}

}  // namespace

std::unique_ptr<Kernel> make_channel_arithmetic(const ir::ArithmeticAttrs& attrs, const LayerOperands& operands) {
  if (operands.inputs.size() != 2) return nullptr;
  const bool first_is_constant = operands.inputs[0].constant.has_value();
  const std::size_t input = first_is_constant ? 1 : 0;
  const Operand &constant = operands.inputs[1 - input], &y = operands.outputs[0];
  const bool commutes = attrs.op == Op::add || attrs.op == Op::mul;
  const bool supported = commutes || ((attrs.op == Op::sub || attrs.op == Op::div) && !first_is_constant);
  if (!supported || !constant.constant || !are_alike(operands.inputs[input], y)) return nullptr;
  const std::optional<std::int64_t> channels = channels_of(constant, y);
  if (!channels) return nullptr;
  const double unit = operands.inputs[input].affine().scale;
  const bool are_bytes = ByteMap::suits(operands.inputs[input].dtype, y.dtype);
  const auto scaled_by_one = [&](double scale) {
    return make_byte_function(input, operands, {scale, operands.inputs[input].affine().zero_point}, attrs.activation);
  };
  std::vector<double> values = real_values(constant);
  const auto filled = [&](double value) { return std::vector<double>(static_cast<std::size_t>(*channels), value); };
  switch (attrs.op) {
    case Op::mul:
      for (double& value : values) value *= unit;
      if (*channels == 1 && are_bytes) return scaled_by_one(values[0]);
      return make_affine(input, operands, attrs.activation, std::move(values), filled(0.0));
    case Op::div:  // not times the reciprocal, which may miss a tie that the quotient meets
      if (std::find(values.begin(), values.end(), 0.0) != values.end()) return nullptr;
      for (double& value : values) value = unit / value;
      if (*channels == 1 && are_bytes) return scaled_by_one(values[0]);
      return make_affine(input, operands, attrs.activation, std::move(values), filled(0.0));
    case Op::sub:
      for (double& value : values) value = -value;
      break;
    default:
      break;
  }
  return make_affine(input, operands, attrs.activation, filled(unit), values);
}

std::unique_ptr<Kernel> make_channel_normalization(const ir::NormalizationAttrs& attrs, const LayerOperands& operands) {
  const Operand &x = operands.inputs[0], &y = operands.outputs[0];
  if (attrs.op != ir::NormalizationAttrs::Op::batch || !are_alike(x, y) || x.rank() < 2 || y.strides[1] != 1)
    return nullptr;
  std::vector<double> factors = normalization_parameter(attrs, operands, 1, 1.0).values,
                      offsets = normalization_parameter(attrs, operands, 2, 0.0).values;
  const std::vector<double> mean = normalization_parameter(attrs, operands, 3, 0.0).values,
                            variance = normalization_parameter(attrs, operands, 4, 1.0).values;
  for (const std::size_t size : {factors.size(), offsets.size(), mean.size(), variance.size()})
    if (static_cast<std::int64_t>(size) != x.shape[1]) return nullptr;
  for (std::size_t c = 0; c < factors.size(); ++c) {
    factors[c] /= std::sqrt(variance[c] + attrs.epsilon);
    offsets[c] -= mean[c] * factors[c];
    factors[c] *= x.affine().scale;
  }
  return make_affine(0, operands, attrs.activation, std::move(factors), offsets);
}

}  // namespace vaip::kernels
