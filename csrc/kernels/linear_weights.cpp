#include "kernels/linear_weights.h"

#include <algorithm>
#include <utility>

#include "kernels/multiversion.h"

namespace vaip::kernels {
namespace {

// Both sides fit an L1 cache: a tile of a matrix that is turned.
constexpr std::int64_t kTile = 64;

// in - zero_point; of 8-bit types it has at most 9 bits, of 16-bit ones 17, of which the lower 16 are stored. Returns
// whether these are all.
template <typename T>
VAIP_MULTIVERSION bool centre_row(const T* __restrict in, std::int64_t count, std::int32_t zero_point,
                                  std::int16_t* __restrict out) {
  if constexpr (sizeof(T) == 1) {
    const auto zero = static_cast<std::int16_t>(zero_point);
    for (std::int64_t i = 0; i < count; ++i)
      out[i] = static_cast<std::int16_t>(static_cast<std::int16_t>(in[i]) - zero);
    return true;
  } else {
    std::int32_t lost = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int32_t value = static_cast<std::int32_t>(in[i]) - zero_point;
      out[i] = static_cast<std::int16_t>(value);
      lost |= value ^ out[i];
    }
    return lost == 0;
  }
}

// Constants in rows of one output channel each, or in columns of one.
struct Arrangement {
  std::int64_t channels, per_channel;
  bool in_columns;
};

// zero_points: one per channel, or one for all.
template <typename T>
bool centre_all(const T* in, const Arrangement& a, const std::vector<std::int32_t>& zero_points, std::int16_t* out) {
  const auto zero_of = [&](std::int64_t channel) {
    return zero_points[zero_points.size() == 1 ? 0 : static_cast<std::size_t>(channel)];
  };
  bool fits = true;
  if (!a.in_columns) {
    for (std::int64_t c = 0; c < a.channels; ++c)
      fits &= centre_row(in + c * a.per_channel, a.per_channel, zero_of(c), out + c * a.per_channel);
    return fits;
  }
  T turned[kTile * kTile];
  for (std::int64_t first = 0; first < a.channels; first += kTile) {
    const std::int64_t columns = std::min(kTile, a.channels - first);
    for (std::int64_t top = 0; top < a.per_channel; top += kTile) {
      const std::int64_t rows = std::min(kTile, a.per_channel - top);
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < columns; ++c) turned[c * kTile + r] = in[(top + r) * a.channels + first + c];
      for (std::int64_t c = 0; c < columns; ++c)
        fits &= centre_row(turned + c * kTile, rows, zero_of(first + c), out + (first + c) * a.per_channel + top);
    }
  }
  return fits;
}

bool centre_all(const Operand& w, const Arrangement& arrangement, const std::vector<std::int32_t>& zero_points,
                std::int16_t* out) {
  switch (w.dtype) {
    case ir::DType::u8:
      return centre_all(w.constant->as<std::uint8_t>(), arrangement, zero_points, out);
    case ir::DType::s8:
      return centre_all(w.constant->as<std::int8_t>(), arrangement, zero_points, out);
    case ir::DType::u16:
      return centre_all(w.constant->as<std::uint16_t>(), arrangement, zero_points, out);
    case ir::DType::s16:
      return centre_all(w.constant->as<std::int16_t>(), arrangement, zero_points, out);
    default:
      return centre_all(unpack_4_bits(w).data(), arrangement, zero_points, out);
  }
}

// Notes scales apart from integers where the parameters are per tensor or per output channel; else applies them.
void fill(LinearWeights& weights, const Operand& w, std::size_t channel_axis, bool in_columns, Values values,
          std::vector<std::int16_t> room) {
  check_size(w);
  const auto channels = static_cast<std::size_t>(weights.out_channels);
  const auto count = static_cast<std::size_t>(w.count());
  const Arrangement arrangement = {weights.out_channels, weights.per_channel(), in_columns};
  weights.scale.assign(channels, 1.0);
  const auto place_real = [&](const std::vector<double>& real) {
    weights.real.resize(count);
    for (std::size_t i = 0; i < count; ++i)
      weights.real[in_columns ? i % channels * (count / channels) + i / channels : i] = real[i];
  };
  const bool narrow = ir::is_integer(w.dtype) && ir::size_of(w.dtype) <= 2;
  const bool along_channels =
      w.per_tensor() || (static_cast<std::size_t>(w.quant->axis) == channel_axis && w.quant->scale.size() == channels);
  if (!w.quant) weights.source = {w.constant->data, in_columns, {}};
  if (!narrow || !along_channels) {
    if (values == Values::read) place_real(real_values(w));
    return;
  }

  const std::vector<std::int32_t> zero_points = w.quant ? w.quant->zero_point : std::vector<std::int32_t>{0};
  weights.source = {w.constant->data, in_columns, zero_points};
  if (w.quant)
    for (std::size_t c = 0; c < channels; ++c)
      weights.scale[c] = static_cast<double>(w.quant->scale[w.per_tensor() ? 0 : c]);
  if (values == Values::left_out) return;
  weights.integers = std::move(room);
  weights.integers.resize(count);
  if (centre_all(w, arrangement, zero_points, weights.integers.data())) return;
  weights.integers.clear();
  Operand unscaled = w;
  if (unscaled.quant) std::fill(unscaled.quant->scale.begin(), unscaled.quant->scale.end(), 1.0F);
  place_real(real_values(unscaled));
}

}  // namespace

LinearWeights conv_weights(const ir::ConvAttrs& attrs, const Operand& w, Values values,
                           std::vector<std::int16_t> room) {
  LinearWeights weights;
  weights.out_channels = w.shape[0];
  weights.in_channels = w.shape[1];
  weights.taps = ir::element_count(ir::Shape(w.shape.begin() + 2, w.shape.end()));
  weights.groups = attrs.groups;
  fill(weights, w, 0, false, values, std::move(room));
  return weights;
}

LinearWeights matmul_weights(const Operand& b, bool transposed, Values values, std::vector<std::int16_t> room) {
  LinearWeights weights;
  weights.out_channels = b.shape[transposed ? 0 : 1];
  weights.in_channels = b.shape[transposed ? 1 : 0];
  fill(weights, b, transposed ? 0 : 1, !transposed, values, std::move(room));
  return weights;
}

}  // namespace vaip::kernels
