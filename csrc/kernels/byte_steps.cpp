#include "kernels/byte_steps.h"

#include <cmath>
#include <type_traits>

#include "kernels/multiversion.h"
#include "kernels/rounding.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define VAIP_HAS_AVX2_BYTES 1
#endif

namespace vaip::kernels {
namespace {

template <ByteOp op>
inline float combined(float a, float b, const ByteTerms& p) {
  const float x = a - p.zero_a, y = b - p.zero_b;
  return op == ByteOp::mul   ? x * y * p.factor_a
         : op == ByteOp::add ? x * p.factor_a + y * p.factor_b
                             : x * p.factor_a - y * p.factor_b;
}

template <typename T>
inline T to_byte(float real, const ByteSteps& steps, std::int32_t& doubtful) {
  const float number = clamp(real, steps.low, steps.high);
  const float rounded = round_half_even(number);
  doubtful |= std::fabs(number - rounded) > steps.doubt_limit ? 1 : 0;
  return static_cast<T>(static_cast<std::int32_t>(rounded + steps.zero_point));
}

template <typename Acc, typename T>
VAIP_MULTIVERSION bool scale_any(const Acc* __restrict acc, std::int64_t count, const float* __restrict scale,
                                 const float* __restrict bias, const ByteSteps& given, T* __restrict out) {
  const ByteSteps steps = given;
  std::int32_t doubtful = 0;
  for (std::int64_t i = 0; i < count; ++i)
    out[i] = to_byte<T>(static_cast<float>(acc[i]) * scale[i] + bias[i], steps, doubtful);
  return doubtful != 0;
}

template <ByteOp op, typename T>
VAIP_MULTIVERSION bool combine_any(const T* __restrict a, const T* __restrict b, std::int64_t count,
                                   const ByteTerms& given_terms, const ByteSteps& given, T* __restrict out) {
  const ByteTerms terms = given_terms;
  const ByteSteps steps = given;
  std::int32_t doubtful = 0;
  for (std::int64_t i = 0; i < count; ++i)
    out[i] = to_byte<T>(combined<op>(static_cast<float>(a[i]), static_cast<float>(b[i]), terms), steps, doubtful);
  return doubtful != 0;
}

#if defined(VAIP_HAS_AVX2_BYTES)

// Written out: gcc 12 narrows 32 bits to 8 by a detour that takes twice as long as all the rest.
#define VAIP_AVX2 __attribute__((target("avx2")))
#define VAIP_AVX2_INLINE __attribute__((target("avx2"), always_inline)) inline

constexpr std::int64_t kLanes = 8, kVector = 4 * kLanes;

// No number is further than half a step from the nearest integer.
bool may_doubt(const ByteSteps& steps) { return steps.doubt_limit < 0.5F; }

bool has_avx2() {
  static const bool has = __builtin_cpu_supports("avx2") != 0;
  return has;
}

VAIP_AVX2_INLINE __m256 load(const std::int32_t* x) {
  return _mm256_cvtepi32_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)));
}
VAIP_AVX2_INLINE __m256 load(const float* x) { return _mm256_loadu_ps(x); }
VAIP_AVX2_INLINE __m256 load(const double* x) {
  return _mm256_set_m128(_mm256_cvtpd_ps(_mm256_loadu_pd(x + 4)), _mm256_cvtpd_ps(_mm256_loadu_pd(x)));
}
VAIP_AVX2_INLINE __m256 load(const std::uint8_t* x) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(x))));
}
VAIP_AVX2_INLINE __m256 load(const std::uint16_t* x) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x))));
}
VAIP_AVX2_INLINE __m256 load(const std::int16_t* x) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x))));
}
VAIP_AVX2_INLINE __m256 load(const std::int8_t* x) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(x))));
}

// ByteSteps in all lanes, and the lanes that are in doubt so far, where any may be.
template <bool kMayDoubt>
struct VectorSteps {
  __m256 low, high, doubt_limit, magnitude, doubtful;
  __m256i zero_point;

  VAIP_AVX2_INLINE explicit VectorSteps(const ByteSteps& steps)
      : low(_mm256_set1_ps(steps.low)),
        high(_mm256_set1_ps(steps.high)),
        doubt_limit(_mm256_set1_ps(steps.doubt_limit)),
        magnitude(_mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff))),
        doubtful(_mm256_setzero_ps()),
        zero_point(_mm256_set1_epi32(static_cast<std::int32_t>(steps.zero_point))) {}

  VAIP_AVX2_INLINE __m256i round(__m256 real) {
    const __m256 number = _mm256_min_ps(_mm256_max_ps(real, low), high);  // NaN becomes low
    const __m256i rounded = _mm256_cvtps_epi32(number);
    if constexpr (kMayDoubt) {
      const __m256 distance = _mm256_and_ps(_mm256_sub_ps(number, _mm256_cvtepi32_ps(rounded)), magnitude);
      doubtful = _mm256_or_ps(doubtful, _mm256_cmp_ps(distance, doubt_limit, _CMP_GT_OQ));
    }
    return _mm256_add_epi32(rounded, zero_point);
  }
  VAIP_AVX2_INLINE bool any_doubtful() const { return _mm256_testz_ps(doubtful, doubtful) == 0; }
};

// Four times eight numbers that fit a byte.
template <typename T>
VAIP_AVX2_INLINE void store(__m256i a, __m256i b, __m256i c, __m256i d, T* out) {
  const __m256i ab = _mm256_packs_epi32(a, b), cd = _mm256_packs_epi32(c, d);
  const __m256i bytes = std::is_signed_v<T> ? _mm256_packs_epi16(ab, cd) : _mm256_packus_epi16(ab, cd);
  const __m256i in_order = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), in_order);
}

template <typename Acc>
VAIP_AVX2_INLINE __m256 scaled_lanes(const Acc* acc, const float* scale, const float* bias) {
  return _mm256_add_ps(_mm256_mul_ps(load(acc), _mm256_loadu_ps(scale)), _mm256_loadu_ps(bias));
}

template <bool kMayDoubt, typename Acc, typename T>
VAIP_AVX2 bool scale_vectors(const Acc* acc, std::int64_t count, const float* scale, const float* bias,
                             const ByteSteps& given, T* out) {
  VectorSteps<kMayDoubt> steps(given);
  for (std::int64_t i = 0; i < count; i += kVector) {
    __m256i lanes[4];
    for (int v = 0; v < 4; ++v) {
      const std::int64_t at = i + v * kLanes;
      lanes[v] = steps.round(scaled_lanes(acc + at, scale + at, bias + at));
    }
    store(lanes[0], lanes[1], lanes[2], lanes[3], out + i);
  }
  return steps.any_doubtful();
}

template <ByteOp op, bool kMayDoubt, typename T>
VAIP_AVX2 bool combine_vectors(const T* a, const T* b, std::int64_t count, const ByteTerms& terms,
                               const ByteSteps& given, T* out) {
  VectorSteps<kMayDoubt> steps(given);
  const __m256 zero_a = _mm256_set1_ps(terms.zero_a), zero_b = _mm256_set1_ps(terms.zero_b);
  const __m256 factor_a = _mm256_set1_ps(terms.factor_a), factor_b = _mm256_set1_ps(terms.factor_b);
  for (std::int64_t i = 0; i < count; i += kVector) {
    __m256i lanes[4];
    for (int v = 0; v < 4; ++v) {
      const __m256 x = _mm256_sub_ps(load(a + i + v * kLanes), zero_a);
      const __m256 y = _mm256_sub_ps(load(b + i + v * kLanes), zero_b);
      if constexpr (op == ByteOp::mul) {
        lanes[v] = steps.round(_mm256_mul_ps(_mm256_mul_ps(x, y), factor_a));
      } else {
        const __m256 p = _mm256_mul_ps(x, factor_a), q = _mm256_mul_ps(y, factor_b);
        lanes[v] = steps.round(op == ByteOp::add ? _mm256_add_ps(p, q) : _mm256_sub_ps(p, q));
      }
    }
    store(lanes[0], lanes[1], lanes[2], lanes[3], out + i);
  }
  return steps.any_doubtful();
}

#endif

}  // namespace

template <typename Acc, typename T>
bool scale_to_bytes(const Acc* acc, std::int64_t count, const float* scale, const float* bias, const ByteSteps& steps,
                    T* out) {
  bool doubtful = false;
#if defined(VAIP_HAS_AVX2_BYTES)
  if (const std::int64_t whole = count / kVector * kVector; whole > 0 && has_avx2()) {
    doubtful = may_doubt(steps) ? scale_vectors<true>(acc, whole, scale, bias, steps, out)
                                : scale_vectors<false>(acc, whole, scale, bias, steps, out);
    acc += whole, scale += whole, bias += whole, out += whole, count -= whole;
  }
#endif
  return scale_any(acc, count, scale, bias, steps, out) || doubtful;
}

template <ByteOp op, typename T>
bool combine_bytes(const T* a, const T* b, std::int64_t count, const ByteTerms& terms, const ByteSteps& steps, T* out) {
  bool doubtful = false;
#if defined(VAIP_HAS_AVX2_BYTES)
  if (const std::int64_t whole = count / kVector * kVector; whole > 0 && has_avx2()) {
    doubtful = may_doubt(steps) ? combine_vectors<op, true>(a, b, whole, terms, steps, out)
                                : combine_vectors<op, false>(a, b, whole, terms, steps, out);
    a += whole, b += whole, out += whole, count -= whole;
  }
#endif
  return combine_any<op>(a, b, count, terms, steps, out) || doubtful;
}

#define VAIP_INSTANTIATE_BYTES(T)                                                                                     \
  template bool scale_to_bytes(const std::uint8_t*, std::int64_t, const float*, const float*, const ByteSteps&, T*);  \
  template bool scale_to_bytes(const std::int8_t*, std::int64_t, const float*, const float*, const ByteSteps&, T*);   \
  template bool scale_to_bytes(const std::uint16_t*, std::int64_t, const float*, const float*, const ByteSteps&, T*); \
  template bool scale_to_bytes(const std::int16_t*, std::int64_t, const float*, const float*, const ByteSteps&, T*);  \
  template bool scale_to_bytes(const std::int32_t*, std::int64_t, const float*, const float*, const ByteSteps&, T*);  \
  template bool scale_to_bytes(const float*, std::int64_t, const float*, const float*, const ByteSteps&, T*);         \
  template bool scale_to_bytes(const double*, std::int64_t, const float*, const float*, const ByteSteps&, T*);        \
  template bool combine_bytes<ByteOp::add>(const T*, const T*, std::int64_t, const ByteTerms&, const ByteSteps&, T*); \
  template bool combine_bytes<ByteOp::sub>(const T*, const T*, std::int64_t, const ByteTerms&, const ByteSteps&, T*); \
  template bool combine_bytes<ByteOp::mul>(const T*, const T*, std::int64_t, const ByteTerms&, const ByteSteps&, T*);

VAIP_INSTANTIATE_BYTES(std::uint8_t)
VAIP_INSTANTIATE_BYTES(std::int8_t)

}  // namespace vaip::kernels
