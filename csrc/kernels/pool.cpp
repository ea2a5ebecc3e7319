// Max and average pooling over channels-last tensors. Maxima are taken and averages summed on the stored integers;
// padding never wins a maximum.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "base/half.h"
#include "kernels/byte_steps.h"
#include "kernels/conv_problem.h"
#include "kernels/layers.h"
#include "kernels/move.h"
#include "kernels/multiversion.h"
#include "kernels/parallel.h"
#include "kernels/real_block.h"
#include "kernels/srs.h"

namespace vaip::kernels {
namespace {

using ir::DType;
using Op = ir::PoolAttrs::Op;

// What maxima are taken in: floats for the 16-bit formats, which they hold, and for which there are instructions.
template <typename T>
using BestOf = std::conditional_t<is_half<T>, float, T>;

template <typename T>
struct Maximum {
  BestOf<T> operator()(BestOf<T> best, T element) const {
    const auto value = static_cast<BestOf<T>>(element);
    return value > best ? value : best;
  }
};
template <typename T, typename Sum>
struct Addition {
  Sum operator()(Sum sum, T element) const { return static_cast<Sum>(sum + static_cast<Sum>(element)); }
};

// results[i] = step(... step(step(results[i], taps[0][i]), taps[1][i]) ...), which stay in registers from tap to tap.
template <typename Step, typename T, typename Result, std::size_t... kTap>
VAIP_MULTIVERSION void take(const T* const* __restrict taps, std::int64_t count, Result* __restrict results,
                            std::index_sequence<kTap...>) {
  const T* const elements[] = {taps[kTap]...};
  const Step step;
  for (std::int64_t i = 0; i < count; ++i) {
    Result result = results[i];
    ((result = step(result, elements[kTap][i])), ...);
    results[i] = result;
  }
}

template <typename Step, std::size_t kTaps = 8, typename T, typename Result>
void take_all(const T* const* taps, std::int64_t tap_count, std::int64_t count, Result* results) {
  for (; tap_count >= static_cast<std::int64_t>(kTaps); tap_count -= kTaps, taps += kTaps)
    take<Step>(taps, count, results, std::make_index_sequence<kTaps>());
  if constexpr (kTaps > 1) take_all<Step, kTaps / 2>(taps, tap_count, count, results);
}

// scale * sum is exact and the quotient rounded once: a tie stays a tie.
template <typename Sum>
VAIP_MULTIVERSION void divide(const Sum* __restrict sums, std::int64_t count, double offset, const MeanFactor& mean,
                              double* __restrict means) {
  const double scale = mean.scale, divisor = mean.divisor;
  for (std::int64_t i = 0; i < count; ++i) means[i] = (static_cast<double>(sums[i]) - offset) * scale / divisor;
}

ConvProblem window_problem(const ir::PoolAttrs& attrs, const Operand& x, const Operand& y) {
  Operand kernel;  // only its spatial shape matters
  kernel.shape = {x.shape[1], 1};
  kernel.shape.insert(kernel.shape.end(), attrs.kernel.begin(), attrs.kernel.end());
  ir::ConvAttrs conv;
  conv.strides = attrs.strides;
  conv.dilations = attrs.dilations;
  conv.pads = attrs.pads;
  conv.auto_pad = attrs.auto_pad;
  return conv_problem(conv, x, kernel, y);
}

template <typename T>
class PoolKernel : public Kernel {
 public:
  // Integers of up to 16 bits are summed as integers, exactly; anything else in double.
  static constexpr bool kIntegers = std::is_integral_v<T> && sizeof(T) <= 2;
  using Sum = std::conditional_t<kIntegers, std::int32_t, double>;
  static_assert(WindowTaps::kMost * 255 <= std::numeric_limits<std::int16_t>::max(), "sums of bytes fit 16 bits");

  PoolKernel(const ir::PoolAttrs& attrs, const Operand& x, const Operand& y)
      : attrs_(attrs),
        problem_(window_problem(attrs, x, y)),
        taps_(problem_),
        element_(x, y),
        dtype_(x.dtype),
        affine_(x.affine()),
        x_pitch_(pixel_pitch(x, problem_.in_channels).value_or(0)),
        y_pitch_(pixel_pitch(y, problem_.in_channels).value_or(0)),
        quantizer_(make_quantizer(y)),
        last_step_(y.last_step),
        is_linear_(attrs.activation.kind == ir::Activation::Kind::linear),
        tries_float_((y.dtype == DType::u8 || y.dtype == DType::s8) &&
                     as_limits(is_linear_ ? ir::Activation{} : attrs.activation, quantizer_, low_, high_)),
        full_mean_(mean_factor(affine_.scale, taps_.count(), square_side(problem_.kernel), last_step_)) {
    if (kIntegers && taps_.count() > kMostTaps)
      fail(ErrorKind::unsupported, "a pooling window of ", taps_.count(), " elements");
  }

  void execute(const ExecutionContext& context) const override {
    const T* x = static_cast<const T*>(context.inputs[0]);
    const std::int64_t channels = problem_.in_channels;
    parallel_for(problem_.output_pixels(), channels * taps_.count(), [&](std::int64_t begin, std::int64_t end, int) {
      MeanRow row;
      for (std::int64_t pixel = begin; pixel < end; ++pixel) {
        const WindowCursor window(problem_, pixel);
        for (std::int64_t first = 0; first < channels; first += kBlock) {
          const std::int64_t count = std::min(kBlock, channels - first);
          const std::int64_t out = pixel * y_pitch_ + first;
          if (attrs_.op == Op::max)
            take_maximum(x + first, window, count, out, context.outputs[0]);
          else
            take_average(x + first, window, count, pixel, out, row, context.outputs[0]);
        }
      }
    });
  }

 private:
  static constexpr std::int64_t kMostTaps = 1 << 15;  // elements of 16 bits, whose sum fits 32
  static constexpr bool kBytes = std::is_integral_v<T> && sizeof(T) == 1;
  // (sum - offset) * scale
  struct Mean {
    double scale, offset;
    bool operator!=(const Mean& o) const { return scale != o.scale || offset != o.offset; }
  };
  // What the last window was divided by, once for each of its elements.
  struct MeanRow {
    Mean mean{0.0, 0.0};
    FloatAttempt attempt;
    float scale[kBlock], bias[kBlock];
  };

  // The elements under taps [first, first + kMost) that lie in the input; returns how many there are.
  std::int64_t find(const WindowCursor& window, std::int64_t first, const T* x, const T** elements) const {
    std::int64_t pixels[WindowTaps::kMost];
    const std::int64_t found = taps_.find(window, first, pixels);
    for (std::int64_t i = 0; i < found; ++i) elements[i] = x + pixels[i] * x_pitch_;
    return found;
  }

  void take_maximum(const T* x, const WindowCursor& window, std::int64_t count, std::int64_t out, void* y) const {
    using Best = BestOf<T>;
    Best best[kBlock];
    std::fill_n(best, count, is_half<T> ? -std::numeric_limits<Best>::infinity() : std::numeric_limits<Best>::lowest());
    const T* taps[WindowTaps::kMost];
    for (std::int64_t tap = 0; tap < taps_.count(); tap += WindowTaps::kMost)
      take_all<Maximum<T>>(taps, find(window, tap, x, taps), count, best);
    if constexpr (is_half<T>) {
      T stored[kBlock];
      for (std::int64_t i = 0; i < count; ++i) stored[i] = T(best[i]);
      return finish_maximum(stored, count, out, y);
    } else {
      finish_maximum(best, count, out, y);
    }
  }

  void finish_maximum(const T* best, std::int64_t count, std::int64_t out, void* y) const {
    if (element_.is_copy() && !has_effect(attrs_.activation)) {
      std::memcpy(static_cast<T*>(y) + out, best, static_cast<std::size_t>(count) * sizeof(T));
      return;
    }
    double real[kBlock];
    load_real(dtype_, best, 0, 1, count, affine_, real);
    apply(attrs_.activation, real, count);
    store_real(quantizer_, real, y, out, 1, count);
  }

  void take_average(const T* x, const WindowCursor& window, std::int64_t count, std::int64_t pixel, std::int64_t out,
                    MeanRow& row, void* y) const {
    Sum sums[kBlock];
    std::fill_n(sums, count, Sum{});
    std::int64_t valid = 0;
    const T* taps[WindowTaps::kMost];
    for (std::int64_t tap = 0; tap < taps_.count(); tap += WindowTaps::kMost) {
      const std::int64_t found = find(window, tap, x, taps);
      if constexpr (kBytes) {  // twice as many at once
        std::int16_t part[kBlock];
        std::fill_n(part, count, std::int16_t{0});
        take_all<Addition<T, std::int16_t>>(taps, found, count, part);
        const std::int16_t* const parts = part;
        take_all<Addition<std::int16_t, Sum>>(&parts, 1, count, sums);
      } else {
        take_all<Addition<T, Sum>>(taps, found, count, sums);
      }
      valid += found;
    }
    const std::int64_t averaged = attrs_.count_include_pad ? taps_within_padding(pixel) : valid;
    const MeanFactor mean =
        averaged == taps_.count() ? full_mean_ : mean_factor(affine_.scale, averaged, 0, last_step_);
    const double offset = static_cast<double>(valid) * affine_.zero_point;
    if constexpr (kBytes)
      if (finish_average(sums, count, {mean.scale / mean.divisor, offset}, out, row, y)) return;
    double real[kBlock];
    divide(sums, count, offset, mean, real);
    apply(attrs_.activation, real, count);
    store_real(quantizer_, real, y, out, 1, count);
  }

  // In float32, where no result is in doubt.
  bool finish_average(const std::int32_t* sums, std::int64_t count, const Mean& mean, std::int64_t out, MeanRow& row,
                      void* y) const {
    if (!tries_float_) return false;
    if (row.mean != mean) {
      const double factor = is_linear_ ? attrs_.activation.alpha : 1.0,
                   addend = is_linear_ ? attrs_.activation.beta : 0.0;
      const double scale = mean.scale * factor / quantizer_.affine.scale;
      const double bias = addend / quantizer_.affine.scale - mean.offset * scale;
      const double largest = 255.0 * static_cast<double>(taps_.count());
      row.mean = mean;
      // A factor behind the quotient: what would be exact may be rounded on the way.
      row.attempt = !is_linear_ && is_exact_in_float(largest, scale, bias)
                        ? FloatAttempt::exact()
                        : FloatAttempt::within(quantizer_.highest - quantizer_.lowest + 1.0 + 2.0 * std::fabs(bias));
      row.attempt = row.attempt.for_rounding(quantizer_.rounding);
      std::fill_n(row.scale, kBlock, static_cast<float>(scale));
      std::fill_n(row.bias, kBlock, static_cast<float>(bias));
    }
    if (!row.attempt.worthwhile()) return false;
    const ByteSteps steps = {static_cast<float>(low_), static_cast<float>(high_),
                             static_cast<float>(quantizer_.affine.zero_point), row.attempt.limit()};
    if (quantizer_.dtype == DType::u8)
      return !scale_to_bytes(sums, count, row.scale, row.bias, steps, static_cast<std::uint8_t*>(y) + out);
    return !scale_to_bytes(sums, count, row.scale, row.bias, steps, static_cast<std::int8_t*>(y) + out);
  }

  // With count_include_pad, padding counts, but not what ceil_mode adds beyond it.
  std::int64_t taps_within_padding(std::int64_t pixel) const {
    std::int64_t taps = 1;
    for (std::size_t d = problem_.spatial_rank(); d-- > 0;) {
      const std::int64_t origin = pixel % problem_.output[d] * problem_.strides[d] - problem_.pads_begin[d];
      pixel /= problem_.output[d];
      const std::int64_t room = problem_.input[d] + problem_.pads_end[d] - origin;
      taps *= std::min(problem_.kernel[d], (room + problem_.dilations[d] - 1) / problem_.dilations[d]);
    }
    return taps;
  }

  ir::PoolAttrs attrs_;
  ConvProblem problem_;
  WindowTaps taps_;
  ElementMove element_;
  DType dtype_;
  Affine affine_;
  std::int64_t x_pitch_, y_pitch_;  // from pixel to pixel
  Quantizer quantizer_;
  LastStep last_step_;
  double low_ = 0.0, high_ = 0.0;  // see as_limits()
  bool is_linear_;                 // the activation: a factor and an addend
  bool tries_float_;               // for results of 8 bits
  MeanFactor full_mean_;           // of the windows that lie inside the image
};

}  // namespace

std::unique_ptr<Kernel> make_pool(const ir::PoolAttrs& attrs, const LayerOperands& operands) {
  const Operand &x = operands.inputs[0], &y = operands.outputs[0];
  if (x.rank() < 3 || attrs.kernel.size() + 2 != x.shape.size())
    fail(ErrorKind::invalid_model, "a window of ", attrs.kernel.size(), " dimensions on an input ",
         ir::to_string(x.shape));
  switch (x.dtype) {
    case DType::u8:
      return std::make_unique<PoolKernel<std::uint8_t>>(attrs, x, y);
    case DType::s8:
      return std::make_unique<PoolKernel<std::int8_t>>(attrs, x, y);
    case DType::u16:
      return std::make_unique<PoolKernel<std::uint16_t>>(attrs, x, y);
    case DType::s16:
      return std::make_unique<PoolKernel<std::int16_t>>(attrs, x, y);
    case DType::s32:
      return std::make_unique<PoolKernel<std::int32_t>>(attrs, x, y);
    case DType::f32:
      return std::make_unique<PoolKernel<float>>(attrs, x, y);
    case DType::f64:
      return std::make_unique<PoolKernel<double>>(attrs, x, y);
    case DType::bf16:
      return std::make_unique<PoolKernel<BFloat16>>(attrs, x, y);
    case DType::f16:
      return std::make_unique<PoolKernel<Float16>>(attrs, x, y);
    default:
      fail(ErrorKind::unsupported, "pooling of ", ir::name(x.dtype));
  }
}

}  // namespace vaip::kernels
