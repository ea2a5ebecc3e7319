// Softmax of bytes into bytes: a table of exponentials, sums in double, results in float32 where none is in doubt.
#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/byte_steps.h"
#include "kernels/multiversion.h"
#include "kernels/real_block.h"
#include "kernels/softmax.h"

namespace vaip::kernels {
namespace {

bool is_byte(ir::DType dtype) { return dtype == ir::DType::u8 || dtype == ir::DType::s8; }

template <typename T>
VAIP_MULTIVERSION T largest_of(const T* __restrict row, std::int64_t count) {
  T largest = row[0];
  for (std::int64_t i = 1; i < count; ++i) largest = row[i] > largest ? row[i] : largest;
  return largest;
}

class ByteSoftmaxKernel : public Kernel {
 public:
  ByteSoftmaxKernel(const SoftmaxRows& rows, const Operand& x, const Operand& y)
      : signed_(x.dtype == ir::DType::s8), quantizer_(make_quantizer(y)), rows_(rows.rows), row_(rows.row) {
    const double scale = x.affine().scale;
    for (std::size_t steps = 0; steps < exponentials_.size(); ++steps) {
      exponentials_[steps] = std::exp(-static_cast<double>(steps) * scale);
      floats_[steps] = static_cast<float>(exponentials_[steps]);
    }
    attempt_ = FloatAttempt::within(quantizer_.highest - quantizer_.lowest + 1.0).for_rounding(quantizer_.rounding);
  }

  void execute(const ExecutionContext& context) const override {
    const std::int64_t length = row_.element_count();
    parallel_for(rows_.element_count(), length * 4, [&](std::int64_t begin, std::int64_t end, int) {
      const LoopNest::Loop& inner = rows_.inner();
      for (std::int64_t r = begin; r < end; ++r) {
        const LoopNest::Offsets at = LoopNest::Cursor(rows_, r / inner.size).offsets();
        const std::int64_t index = r % inner.size;
        const auto* x = static_cast<const std::byte*>(context.inputs[0]) + at[1] + index * inner.strides[1];
        auto* y = static_cast<std::byte*>(context.outputs[0]) + at[0] + index * inner.strides[0];
        if (signed_)
          normalise(reinterpret_cast<const std::int8_t*>(x), length, y);
        else
          normalise(reinterpret_cast<const std::uint8_t*>(x), length, y);
      }
    });
  }
  std::string implementation() const override { return "table of exponentials"; }
  std::size_t packed_bytes() const override { return sizeof(exponentials_) + sizeof(floats_); }

 private:
  template <typename T>
  void normalise(const T* x, std::int64_t length, std::byte* y) const {
    const int largest = largest_of(x, length);
    constexpr int kSums = 4;  // additions wait for one another
    double sums[kSums] = {};
    for (std::int64_t i = 0; i < length; ++i) sums[i % kSums] += exponentials_[index(largest - x[i])];
    const double sum = (sums[0] + sums[2]) + (sums[1] + sums[3]);
    float exponentials[kBlock], scale[kBlock];
    std::fill_n(scale, std::min(kBlock, length), static_cast<float>(1.0 / (sum * quantizer_.affine.scale)));
    for (std::int64_t first = 0; first < length; first += kBlock) {
      const std::int64_t count = std::min(kBlock, length - first);
      for (std::int64_t i = 0; i < count; ++i) exponentials[i] = floats_[index(largest - x[first + i])];
      if (attempt_.worthwhile() && finish(exponentials, count, scale, y + first)) continue;
      double reals[kBlock];
      for (std::int64_t i = 0; i < count; ++i) reals[i] = exponentials_[index(largest - x[first + i])] / sum;
      store_real(quantizer_, reals, y, first, 1, count);
    }
  }

  bool finish(const float* exponentials, std::int64_t count, const float* scale, std::byte* y) const {
    static constexpr float kNoBias[kBlock] = {};
    const ByteSteps steps = {static_cast<float>(quantizer_.lowest), static_cast<float>(quantizer_.highest),
                             static_cast<float>(quantizer_.affine.zero_point), attempt_.limit()};
    if (quantizer_.dtype == ir::DType::u8)
      return !scale_to_bytes(exponentials, count, scale, kNoBias, steps, reinterpret_cast<std::uint8_t*>(y));
    return !scale_to_bytes(exponentials, count, scale, kNoBias, steps, reinterpret_cast<std::int8_t*>(y));
  }

  static std::size_t index(int steps) { return static_cast<std::size_t>(steps); }

  bool signed_;
  Quantizer quantizer_;
  LoopNest rows_, row_;                     // operand 0: y, operand 1: x
  std::array<double, 256> exponentials_{};  // by steps below the largest
  std::array<float, 256> floats_{};
  FloatAttempt attempt_;
};

}  // namespace

std::unique_ptr<Kernel> make_byte_softmax(const ir::SoftmaxAttrs& attrs, const SoftmaxRows& rows, const Operand& x,
                                          const Operand& y) {
  const LoopNest::Loop& inner = rows.row.inner();
  const bool dense = rows.row.run_count() == 1 && inner.strides[0] == 1 && inner.strides[1] == 1;
  if (attrs.log || !dense || !is_byte(x.dtype) || !is_byte(y.dtype) || rows.row.element_count() == 0) return nullptr;
  return std::make_unique<ByteSoftmaxKernel>(rows, x, y);
}

}  // namespace vaip::kernels
