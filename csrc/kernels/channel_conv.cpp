#include "kernels/channel_conv.h"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "kernels/multiversion.h"
#include "kernels/parallel.h"

namespace vaip::kernels {
namespace {

template <typename T>
VAIP_MULTIVERSION void multiply(const T* __restrict x, std::int64_t count, const std::int16_t* __restrict weights,
                                std::int32_t* __restrict products) {
  for (std::int64_t i = 0; i < count; ++i)
    products[i] = static_cast<std::int32_t>(x[i]) * static_cast<std::int32_t>(weights[i]);
}

class ChannelConvKernel : public Kernel {
 public:
  ChannelConvKernel(const ConvProblem& problem, const std::vector<std::int16_t>& weights, const Operand& x,
                    Epilogue epilogue)
      : dtype_(x.dtype),
        channels_(problem.out_channels),
        count_(problem.output_pixels() * problem.out_channels),
        rows_(rows_of(x).value_or(Rows{})),
        epilogue_(std::move(epilogue)) {
    // A block starts at any channel.
    for (std::int64_t i = 0; i < channels_ + kBlock; ++i)
      weights_.push_back(weights[static_cast<std::size_t>(i % channels_)]);
    std::vector<double> shares;
    std::int64_t largest = 0;
    for (const std::int16_t weight : weights) {
      shares.push_back(x.affine().zero_point * weight);
      largest = std::max(largest, std::int64_t{std::abs(static_cast<int>(weight))});
    }
    epilogue_.subtract(shares);
    epilogue_.set_largest_accumulator(largest * std::max(-ir::lowest(x.dtype), ir::highest(x.dtype)));
  }

  void execute(const ExecutionContext& context) const override {
    switch (dtype_) {
      case ir::DType::u8:
        return run(static_cast<const std::uint8_t*>(context.inputs[0]), context);
      case ir::DType::s8:
        return run(static_cast<const std::int8_t*>(context.inputs[0]), context);
      case ir::DType::u16:
        return run(static_cast<const std::uint16_t*>(context.inputs[0]), context);
      default:
        return run(static_cast<const std::int16_t*>(context.inputs[0]), context);
    }
  }
  bool reads(std::size_t input) const override { return input != 1; }
  std::size_t packed_bytes() const override { return weights_.size() * sizeof(std::int16_t); }
  std::int64_t macs() const override { return count_; }

 private:
  template <typename T>
  void run(const T* x, const ExecutionContext& context) const {
    const EpilogueInputs added = epilogue_.inputs_of(context);
    parallel_for(count_, 1, [&](std::int64_t begin, std::int64_t end, int) {
      std::int32_t products[kBlock];
      for (std::int64_t at = begin; at < end; at += kBlock) {
        const std::int64_t count = std::min(kBlock, end - at);
        rows_.for_each_piece(at, at + count, [&](std::int64_t offset, std::int64_t first, std::int64_t n) {
          multiply(x + offset, n, weights_.data() + first % channels_, products + (first - at));
        });
        epilogue_.run(products, at, at + count, added, context.outputs[0]);
      }
    });
  }

  ir::DType dtype_;
  std::int64_t channels_, count_;
  Rows rows_;  // of the input
  std::vector<std::int16_t> weights_;
  Epilogue epilogue_;
};

}  // namespace

bool is_channel_conv(const ConvProblem& problem, const Operand& x, const Operand& w) {
  return is_of_8_or_16_bits(x.dtype) && x.per_tensor() && ir::is_integer(w.dtype) && is_pointwise(problem) &&
         problem.groups == problem.in_channels && problem.in_channels == problem.out_channels;
}

std::unique_ptr<Kernel> make_channel_conv(const ConvProblem& problem, const LinearWeights& weights, const Operand& x,
                                          Epilogue epilogue) {
  if (!weights.are_integers()) return nullptr;
  return std::make_unique<ChannelConvKernel>(problem, weights.integers, x, std::move(epilogue));
}

}  // namespace vaip::kernels
