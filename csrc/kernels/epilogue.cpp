#include "kernels/epilogue.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "base/error.h"
#include "kernels/byte_steps.h"
#include "kernels/float_block.h"
#include "kernels/multiversion.h"
#include "kernels/rounding.h"

namespace vaip::kernels {
namespace {

using ir::Activation;
using ir::DType;

template <typename Acc, typename T, typename Round>
VAIP_MULTIVERSION void finish(const Acc* __restrict acc, std::int64_t count, const double* __restrict integer_bias,
                              const double* __restrict scale, const double* __restrict real_bias, double low,
                              double high, double zero_point, Round round, T* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) {
    const double steps = (static_cast<double>(acc[i]) + integer_bias[i]) * scale[i] + real_bias[i];
    out[i] = static_cast<T>(static_cast<std::int32_t>(round(clamp(steps, low, high)) + zero_point));
  }
}

VAIP_MULTIVERSION void finish_bf16(const float* __restrict acc, std::int64_t count, const float* __restrict scale,
                                   const float* __restrict bias, float low, float high, BFloat16* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float real = acc[i] * scale[i] + bias[i];
    const float raised = real < low ? low : real;
    out[i] = BFloat16(raised > high ? high : raised);
  }
}

VAIP_MULTIVERSION void add(float* __restrict x, std::int64_t count, const float* __restrict addend) {
  for (std::int64_t i = 0; i < count; ++i) x[i] += addend[i];
}

VAIP_MULTIVERSION void cut(float* __restrict x, std::int64_t count, float low, float high) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float raised = x[i] < low ? low : x[i];
    x[i] = raised > high ? high : raised;
  }
}

VAIP_MULTIVERSION void to_floats(const float* __restrict acc, std::int64_t count, const float* __restrict scale,
                                 const float* __restrict bias, float* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = acc[i] * scale[i] + bias[i];
}

template <typename Acc>
VAIP_MULTIVERSION void to_real(const Acc* __restrict acc, std::int64_t count, const double* __restrict integer_bias,
                               const double* __restrict scale, const double* __restrict real_bias,
                               double* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i)
    out[i] = (static_cast<double>(acc[i]) + integer_bias[i]) * scale[i] + real_bias[i];
}

// A bias of type s32 whose scale is the product's own joins the accumulator as an integer; any other is a real number,
// as is one whose scale is that product rounded to float32.
bool is_accumulator_bias(const Operand& bias, const std::vector<double>& product_scale, double beta) {
  if (bias.dtype != DType::s32 || beta != 1.0 || !bias.quant) return false;
  const ir::QuantParams& quant = *bias.quant;
  for (const std::int32_t zero_point : quant.zero_point)
    if (zero_point != 0) return false;
  if (!quant.per_tensor() && quant.scale.size() != product_scale.size()) return false;
  for (std::size_t c = 0; c < product_scale.size(); ++c)
    if (static_cast<double>(quant.scale[quant.per_tensor() ? 0 : c]) != product_scale[c]) return false;
  return true;
}

// As memcpy(), which takes longer to begin than the few vectors of a pixel take.
void copy_short(const std::byte* from, std::int64_t bytes, std::byte* to) {
  constexpr std::int64_t kVector = 16;
  for (; bytes >= kVector; bytes -= kVector, from += kVector, to += kVector) std::memcpy(to, from, kVector);
  if (bytes > 0) std::memcpy(to, from, static_cast<std::size_t>(bytes));
}

// How long parameter rows get at least, by repeating them.
constexpr std::int64_t kMinWidth = 256;

// Elements tried in float32 at once: one in doubt costs them all.
constexpr std::int64_t kAttemptBlock = 128;

}  // namespace

bool Bias::is_repeated() const {
  return std::all_of(row_strides.begin(), row_strides.end(), [](std::int64_t s) { return s == 0; });
}

Epilogue::Epilogue(std::vector<double> product_scale, Bias bias, const Activation& activation, const Operand& output,
                   Bias addend)
    : channels_(static_cast<std::int64_t>(product_scale.size())),
      integer_bias_(product_scale.size(), 0.0),
      scale_(std::move(product_scale)),
      real_bias_(scale_.size(), 0.0),
      bias_(std::move(bias)),
      addend_(std::move(addend)),
      activation_(activation),
      quantizer_(make_quantizer(output)),
      rows_(rows_of(output).value_or(Rows{})),
      rows_are_apart_(rows_.pitch != rows_.length) {
  if (rows_.pitch == 0 && output.count() > 0)
    fail(ErrorKind::internal, "the rows of '", output.name, "' are not the same distance apart");
  const std::size_t channels = scale_.size();
  if (addend_.operand.present() && !quantizer_.to_float())
    fail(ErrorKind::internal, "a tensor is added to a product whose output is quantized");
  if (bias_.operand.present()) fold_bias();

  only_cuts_ = as_limits(activation_, quantizer_, low_, high_) && ir::size_of(quantizer_.dtype) <= 4 &&
               quantizer_.dtype != DType::u32;
  if (only_cuts_) {
    for (std::size_t c = 0; c < channels; ++c) {
      scale_[c] /= quantizer_.affine.scale;
      real_bias_[c] /= quantizer_.affine.scale;
    }
  }
  prepare();
}

void Epilogue::subtract(const std::vector<double>& shares) {
  for (std::size_t c = 0; c < shares.size(); ++c) integer_bias_[c] -= shares[c];
  prepare();
}

void Epilogue::add_per_channel(const std::vector<double>& offsets) {
  const double unit = only_cuts_ ? quantizer_.affine.scale : 1.0;
  for (std::size_t c = 0; c < offsets.size(); ++c) real_bias_[c] += offsets[c] / unit;
  prepare();
}

void Epilogue::set_largest_accumulator(std::int64_t largest) {
  largest_accumulator_ = largest;
  prepare();
}

void Epilogue::set_rounded_accumulators() {
  // The functions of floats are for results of bfloat16.
  const bool is_enough = quantizer_.dtype == DType::bf16 || (quantizer_.dtype == DType::f32 && only_cuts_);
  in_float_ = is_enough && !bias_by_element_;
  prepare();
}

// Derives what run() uses from the parameters of the channels.
void Epilogue::prepare() {
  const auto channels = static_cast<std::size_t>(channels_);
  const std::int64_t repeats = channels_ == 0 ? 0 : (kMinWidth + channels_ - 1) / channels_;
  width_ = channels_ * repeats;
  for (std::vector<double>* row : {&integer_bias_, &scale_, &real_bias_}) {
    row->resize(static_cast<std::size_t>(width_));
    for (std::size_t i = channels; i < row->size(); ++i) (*row)[i] = (*row)[i - channels];
  }
  const bool tries_float = only_cuts_ && ir::size_of(quantizer_.dtype) == 1 && !bias_by_element_;
  if (!tries_float && !in_float_) return;
  float_scale_.clear();
  float_bias_.clear();
  double largest_bias = 0.0;
  bool exact = true;
  for (std::size_t i = 0; i < scale_.size(); ++i) {
    const double bias = integer_bias_[i] * scale_[i] + real_bias_[i];
    float_scale_.push_back(static_cast<float>(scale_[i]));
    float_bias_.push_back(static_cast<float>(bias));
    largest_bias = std::max(largest_bias, std::fabs(bias));
    if (i < channels)  // the others repeat these
      exact = exact && is_exact_in_float(static_cast<double>(largest_accumulator_), scale_[i], bias);
  }
  if (!tries_float) return;
  // Whatever is not cut off anyway is a sum of the bias and at most this.
  const double range = std::max(std::fabs(low_), std::fabs(high_)) + 1.0;
  attempt_ = exact ? FloatAttempt::exact() : FloatAttempt::within(range + 2.0 * largest_bias);
  attempt_ = attempt_.for_rounding(quantizer_.rounding);
}

void Epilogue::fold_bias() {
  if (!bias_.operand.constant || !bias_.is_repeated()) {
    bias_by_element_ = true;
    if (!bias_.operand.constant) return;
    bias_values_ = real_values(bias_.operand);
    bias_.operand.dtype = DType::f64;
    bias_.operand.quant.reset();
    return;
  }
  const bool integers = is_accumulator_bias(bias_.operand, scale_, bias_.beta);
  Operand plain = bias_.operand;
  if (integers) plain.quant.reset();
  const std::vector<double> values = real_values(plain);
  for (std::int64_t c = 0; c < channels_; ++c) {
    const double value = values[static_cast<std::size_t>(c * bias_.channel_stride)];
    (integers ? integer_bias_ : real_bias_)[static_cast<std::size_t>(c)] = integers ? value : bias_.beta * value;
  }
}

template <typename Real>
void Epilogue::load(const Bias& bias, const void* data, std::int64_t begin, std::int64_t count, Real* out) const {
  if (bias.row_dims.size() == 1 && bias.row_strides[0] == channels_ && bias.channel_stride == 1)
    return load_real(bias.operand.dtype, data, begin, 1, count, bias.operand.affine(), out);
  for (std::int64_t done = 0; done < count;) {
    std::int64_t row = (begin + done) / channels_;
    const std::int64_t channel = (begin + done) % channels_;
    const std::int64_t n = std::min(channels_ - channel, count - done);
    std::int64_t offset = channel * bias.channel_stride;
    for (std::size_t d = bias.row_dims.size(); d-- > 0;) {
      offset += row % bias.row_dims[d] * bias.row_strides[d];
      row /= bias.row_dims[d];
    }
    load_real(bias.operand.dtype, data, offset, bias.channel_stride, n, bias.operand.affine(), out + done);
    done += n;
  }
}

void Epilogue::run_floats(const float* acc, std::int64_t channel, std::int64_t count, std::int64_t at,
                          const void* addend, void* output) const {
  const float *scale = float_scale_.data() + channel, *bias = float_bias_.data() + channel;
  const auto low = static_cast<float>(low_), high = static_cast<float>(high_);
  const bool rounds = quantizer_.dtype == DType::bf16;
  BFloat16* rounded = static_cast<BFloat16*>(output);
  if (only_cuts_ && !addend && rounds) return finish_bf16(acc, count, scale, bias, low, high, rounded);
  float block[kBlock];
  float* reals = rounds ? block : static_cast<float*>(output);
  to_floats(acc, count, scale, bias, reals);
  if (addend) {
    float added[kBlock];
    load(addend_, addend, at, count, added);
    add(reals, count, added);
  }
  if (only_cuts_)
    cut(reals, count, low, high);
  else
    apply(activation_, reals, count);
  if (rounds) narrow(reals, count, rounded);
}

template <typename Acc>
void Epilogue::run_block(const Acc* acc, std::int64_t channel, std::int64_t count, std::int64_t at,
                         const double* real_bias, const void* addend, void* output) const {
  if constexpr (std::is_same_v<Acc, float>)
    if (in_float_) return run_floats(acc, channel, count, at, addend, output);
  const double* integer_bias = integer_bias_.data() + channel;
  const double* scale = scale_.data() + channel;
  const double zero_point = quantizer_.affine.zero_point;
  const auto finish_run = [&](std::int64_t first, std::int64_t n, auto* out) {
    with_rounder(quantizer_.rounding, [&](auto round) {
      finish(acc + first, n, integer_bias + first, scale + first, real_bias + first, low_, high_, zero_point, round,
             out + first);
    });
  };
  const auto finish_as = [&](auto* out) { finish_run(0, count, out); };
  const auto attempt_as = [&](auto* out) {
    if (!attempt_.worthwhile()) return finish_as(out);
    const ByteSteps steps = {static_cast<float>(low_), static_cast<float>(high_), static_cast<float>(zero_point),
                             attempt_.limit()};
    for (std::int64_t i = 0; i < count; i += kAttemptBlock) {
      const std::int64_t n = std::min(kAttemptBlock, count - i);
      if (scale_to_bytes(acc + i, n, float_scale_.data() + channel + i, float_bias_.data() + channel + i, steps,
                         out + i))
        finish_run(i, n, out);
    }
  };
  if (only_cuts_) {
    switch (quantizer_.dtype) {
      case DType::u8:
        return attempt_as(static_cast<std::uint8_t*>(output));
      case DType::s8:
        return attempt_as(static_cast<std::int8_t*>(output));
      case DType::u16:
        return finish_as(static_cast<std::uint16_t*>(output));
      case DType::s16:
        return finish_as(static_cast<std::int16_t*>(output));
      case DType::s32:
        return finish_as(static_cast<std::int32_t*>(output));
      default:
        break;
    }
  }
  double block[kBlock];
  to_real(acc, count, integer_bias, scale, real_bias, block);
  if (addend) {
    double added[kBlock];
    load(addend_, addend, at, count, added);
    for (std::int64_t i = 0; i < count; ++i) block[i] += added[i];
  }
  apply(activation_, block, count);
  store_real(quantizer_, block, output, 0, 1, count);
}

void Epilogue::store_rows(const std::byte* block, std::int64_t at, std::int64_t count, std::byte* output) const {
  const auto element = static_cast<std::int64_t>(ir::size_of(quantizer_.dtype));
  rows_.for_each_piece(at, at + count, [&](std::int64_t offset, std::int64_t first, std::int64_t n) {
    copy_short(block + (first - at) * element, n * element, output + offset * element);
  });
}

template <typename Acc>
void Epilogue::run(const Acc* acc, std::int64_t begin, std::int64_t end, const EpilogueInputs& inputs,
                   void* output) const {
  double loaded[kBlock];
  alignas(std::max_align_t) std::byte block[kBlock * sizeof(double)];
  const auto element = static_cast<std::int64_t>(ir::size_of(quantizer_.dtype));
  auto* const to = static_cast<std::byte*>(output);
  while (begin < end) {
    const std::int64_t channel = begin % channels_;
    const std::int64_t count = std::min({width_ - channel, end - begin, kBlock});
    const double* real_bias = real_bias_.data() + channel;
    if (bias_by_element_) {
      const bool constant = !bias_values_.empty();
      load(bias_, constant ? bias_values_.data() : inputs.bias, begin, count, loaded);
      for (std::int64_t i = 0; i < count; ++i) loaded[i] *= bias_.beta;
      if (only_cuts_)
        for (std::int64_t i = 0; i < count; ++i) loaded[i] /= quantizer_.affine.scale;
      real_bias = loaded;
    }
    if (rows_are_apart_) {
      run_block(acc, channel, count, begin, real_bias, inputs.addend, block);
      store_rows(block, begin, count, to);
    } else {
      run_block(acc, channel, count, begin, real_bias, inputs.addend, to + begin * element);
    }
    begin += count;
    acc += count;
  }
}

template void Epilogue::run(const std::uint8_t*, std::int64_t, std::int64_t, const EpilogueInputs&, void*) const;
template void Epilogue::run(const std::int8_t*, std::int64_t, std::int64_t, const EpilogueInputs&, void*) const;
template void Epilogue::run(const std::uint16_t*, std::int64_t, std::int64_t, const EpilogueInputs&, void*) const;
template void Epilogue::run(const std::int16_t*, std::int64_t, std::int64_t, const EpilogueInputs&, void*) const;
template void Epilogue::run(const std::int32_t*, std::int64_t, std::int64_t, const EpilogueInputs&, void*) const;
template void Epilogue::run(const float*, std::int64_t, std::int64_t, const EpilogueInputs&, void*) const;
template void Epilogue::run(const double*, std::int64_t, std::int64_t, const EpilogueInputs&, void*) const;

}  // namespace vaip::kernels
