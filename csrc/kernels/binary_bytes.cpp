#include "kernels/binary_bytes.h"

#include <algorithm>
#include <cmath>

#include "kernels/multiversion.h"

namespace vaip::kernels {
namespace {

using Op = ByteOp;

// Small blocks: one element in doubt costs a whole one.
constexpr std::int64_t kAttemptBlock = 128;

template <Op op, typename T, typename Round>
VAIP_MULTIVERSION void compute(const T* __restrict a, const T* __restrict b, std::int64_t count, Affine pa, Affine pb,
                               double scale, double low, double high, double zero_point, Round round,
                               T* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) {
    const double x = (static_cast<double>(a[i]) - pa.zero_point) * pa.scale;
    const double y = (static_cast<double>(b[i]) - pb.zero_point) * pb.scale;
    const double real = op == Op::mul ? x * y : op == Op::add ? x + y : x - y;
    out[i] = static_cast<T>(static_cast<std::int32_t>(round(clamp(real / scale, low, high)) + zero_point));
  }
}

// The largest |q - zero_point| of a byte of either type.
double reach(const Affine& affine, const Quantizer& out) {
  const double low = out.lowest + out.affine.zero_point, high = out.highest + out.affine.zero_point;
  return std::max(std::fabs(low - affine.zero_point), std::fabs(high - affine.zero_point));
}

}  // namespace

BinaryBytes::BinaryBytes(Op op, const Affine& a, const Affine& b, const Quantizer& out, double low, double high)
    : op_(op), a_(a), b_(b), out_(out), low_(low), high_(high) {
  const double reach_a = reach(a, out), reach_b = reach(b, out);
  if (op == Op::mul) {
    factor_a_ = a.scale * b.scale / out.affine.scale;  // the integers' product is exact
    attempt_ = is_power_of_two(factor_a_) ? FloatAttempt::exact() : FloatAttempt::within(reach_a * reach_b * factor_a_);
    attempt_ = attempt_.for_rounding(out.rounding);
    return;
  }
  factor_a_ = a.scale / out.affine.scale;
  factor_b_ = b.scale / out.affine.scale;
  // Sums of multiples of the smaller power of two, of no more than 24 bits.
  const double sum = reach_a * factor_a_ + reach_b * factor_b_;
  const bool exact =
      is_power_of_two(factor_a_) && is_power_of_two(factor_b_) && sum < 0x1p24 * std::min(factor_a_, factor_b_);
  attempt_ = exact ? FloatAttempt::exact() : FloatAttempt::within(sum);
  attempt_ = attempt_.for_rounding(out.rounding);
}

template <Op op, typename T>
void BinaryBytes::run_as(const void* a, const void* b, std::int64_t count, void* out) const {
  const double zero_point = out_.affine.zero_point;
  const ByteTerms terms = {static_cast<float>(a_.zero_point), static_cast<float>(b_.zero_point),
                           static_cast<float>(factor_a_), static_cast<float>(factor_b_)};
  const ByteSteps steps = {static_cast<float>(low_), static_cast<float>(high_), static_cast<float>(zero_point),
                           attempt_.limit()};
  for (std::int64_t begin = 0; begin < count; begin += kAttemptBlock) {
    const std::int64_t n = std::min(kAttemptBlock, count - begin);
    const T *x = static_cast<const T*>(a) + begin, *y = static_cast<const T*>(b) + begin;
    T* z = static_cast<T*>(out) + begin;
    if (!attempt_.worthwhile() || combine_bytes<op>(x, y, n, terms, steps, z))
      with_rounder(out_.rounding, [&](auto round) {
        compute<op>(x, y, n, a_, b_, out_.affine.scale, low_, high_, zero_point, round, z);
      });
  }
}

template <typename T>
void BinaryBytes::run_as(const void* a, const void* b, std::int64_t count, void* out) const {
  switch (op_) {
    case Op::add:
      return run_as<Op::add, T>(a, b, count, out);
    case Op::sub:
      return run_as<Op::sub, T>(a, b, count, out);
    case Op::mul:
      return run_as<Op::mul, T>(a, b, count, out);
  }
}

void BinaryBytes::run(const void* a, const void* b, std::int64_t count, void* out) const {
  if (out_.dtype == ir::DType::u8) return run_as<std::uint8_t>(a, b, count, out);
  run_as<std::int8_t>(a, b, count, out);
}

}  // namespace vaip::kernels
