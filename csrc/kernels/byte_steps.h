// The inner loops of layers whose results are 8 bits: float32 in registers, bytes in memory.
#pragma once

#include <cstdint>

namespace vaip::kernels {

// How a number in steps of the output becomes its byte.
struct ByteSteps {
  float low, high;    // limits, relative to the zero point
  float zero_point;   // an integer
  float doubt_limit;  // FloatAttempt's
};

// out[i] = acc[i] * scale[i] + bias[i], rounded half to even. Acc: of 8 or 16 bits, std::int32_t, float or double. T: a
// byte. Returns whether some result is in doubt.
template <typename Acc, typename T>
bool scale_to_bytes(const Acc* acc, std::int64_t count, const float* scale, const float* bias, const ByteSteps& steps,
                    T* out);

// What two bytes are before and after they are combined: (a - zero_a) * factor_a and b likewise; of a product, factor_a
// is that of both.
struct ByteTerms {
  float zero_a, zero_b, factor_a, factor_b;
};
enum class ByteOp : std::uint8_t { add, sub, mul };

// The same for a op b.
template <ByteOp op, typename T>
bool combine_bytes(const T* a, const T* b, std::int64_t count, const ByteTerms& terms, const ByteSteps& steps, T* out);

}  // namespace vaip::kernels
