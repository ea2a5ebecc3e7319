#include "kernels/binary_bytes.h"

#include <algorithm>
#include <cmath>

#include "kernels/multiversion.h"
#include "kernels/rounding.h"

namespace vaip::kernels {
namespace {

using Op = BinaryBytes::Op;

// A quotient and a product with the reciprocal differ by a few units in the last place of numbers below 2^17: far less than
// this. So they can round apart only where a result is this close to a tie.
constexpr double kNearTie = 1e-9;

template <Op op>
inline double combine(double a, double b) {
  return op == Op::add ? a + b : op == Op::sub ? a - b : a * b;
}

// With the reciprocal of the output's scale. Whether some result is so near to a tie that a division might round it otherwise.
template <Op op, typename T>
VAIP_MULTIVERSION bool multiply_out(const T* __restrict a, const T* __restrict b, std::int64_t count, Affine pa,
                                    Affine pb, double reciprocal, double low, double high, double zero_point,
                                    T* __restrict out) {
  std::int64_t near_ties = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const double x = (static_cast<double>(a[i]) - pa.zero_point) * pa.scale;
    const double y = (static_cast<double>(b[i]) - pb.zero_point) * pb.scale;
    const double steps = clamp(combine<op>(x, y) * reciprocal, low, high);
    const double rounded = round_half_even(steps);
    near_ties |= std::fabs(steps - rounded) > 0.5 - kNearTie ? std::int64_t{1} : std::int64_t{0};
    out[i] = static_cast<T>(static_cast<std::int32_t>(rounded + zero_point));
  }
  return near_ties != 0;
}

template <Op op, typename T>
VAIP_MULTIVERSION void divide_out(const T* __restrict a, const T* __restrict b, std::int64_t count, Affine pa, Affine pb,
                                  double scale, double low, double high, double zero_point, T* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) {
    const double x = (static_cast<double>(a[i]) - pa.zero_point) * pa.scale;
    const double y = (static_cast<double>(b[i]) - pb.zero_point) * pb.scale;
    const double steps = clamp(combine<op>(x, y) / scale, low, high);
    out[i] = static_cast<T>(static_cast<std::int32_t>(round_half_even(steps) + zero_point));
  }
}

template <Op op, typename T>
void run(const BinaryBytes& p, const void* a, const void* b, std::int64_t count, void* out) {
  const double scale = p.out.affine.scale, zero_point = p.out.affine.zero_point;
  for (std::int64_t begin = 0; begin < count; begin += kBlock) {
    const std::int64_t n = std::min(kBlock, count - begin);
    const T *x = static_cast<const T*>(a) + begin, *y = static_cast<const T*>(b) + begin;
    T* z = static_cast<T*>(out) + begin;
    const bool exact = p.out.reciprocal != 0.0;
    const double reciprocal = exact ? p.out.reciprocal : 1.0 / scale;
    if (multiply_out<op>(x, y, n, p.a, p.b, reciprocal, p.low, p.high, zero_point, z) && !exact)
      divide_out<op>(x, y, n, p.a, p.b, scale, p.low, p.high, zero_point, z);
  }
}

template <typename T>
void run(const BinaryBytes& p, const void* a, const void* b, std::int64_t count, void* out) {
  switch (p.op) {
    case Op::add: return run<Op::add, T>(p, a, b, count, out);
    case Op::sub: return run<Op::sub, T>(p, a, b, count, out);
    case Op::mul: return run<Op::mul, T>(p, a, b, count, out);
  }
}

}  // namespace

void run_binary_bytes(const BinaryBytes& op, ir::DType dtype, const void* a, const void* b, std::int64_t count,
                      void* out) {
  if (dtype == ir::DType::u8) return run<std::uint8_t>(op, a, b, count, out);
  run<std::int8_t>(op, a, b, count, out);
}

}  // namespace vaip::kernels
