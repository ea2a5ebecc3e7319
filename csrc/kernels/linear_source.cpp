#include "kernels/linear_source.h"

#include <algorithm>
#include <cstring>

#include "kernels/centre.h"
#include "kernels/multiversion.h"
#include "kernels/parallel.h"

namespace vaip::kernels {
namespace {

VAIP_MULTIVERSION void offset_to_u8(const std::byte* __restrict in, std::int64_t count, std::byte* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = in[i] ^ std::byte{0x80};
}

bool any_set(const ir::Shape& pads) {
  return std::any_of(pads.begin(), pads.end(), [](std::int64_t pad) { return pad != 0; });
}

}  // namespace

std::int64_t prepared_element_bytes(ComputePath path) {
  return path == ComputePath::int8   ? 1
         : path == ComputePath::bf16 ? static_cast<std::int64_t>(sizeof(std::uint16_t))
                                     : static_cast<std::int64_t>(sizeof(float));
}

LinearSource::LinearSource(const Bands& bands, const Operand& x, ComputePath path)
    : bands_(bands),
      dtype_(x.dtype),
      int8_(path == ComputePath::int8),
      stored_as_read_(path == ComputePath::bf16 || (int8_ && x.dtype == ir::DType::u8)),
      stored_zero_(x.quant ? x.quant->zero_point[0] : 0),
      in_bytes_(static_cast<std::int64_t>(ir::size_of(x.dtype))),
      out_bytes_(prepared_element_bytes(path)) {
  pixel_pitch_ = pixel_pitch(x, bands.whole().in_channels).value_or(0);
  if (int8_) zero_point_ = x.dtype == ir::DType::s8 ? stored_zero_ + 128 : stored_zero_;
  padded_ = zero_point_ != 0 && (any_set(bands.band().pads_begin) || any_set(bands.band().pads_end));
}

ConvProblem LinearSource::remaining(std::int64_t count) const {
  ConvProblem left = bands_.band();
  left.in_channels = left.groups * count;
  if (!padded_) return left;
  for (std::size_t d = 0; d < left.spatial_rank(); ++d) {
    left.input[d] += left.pads_begin[d] + left.pads_end[d];
    left.pads_begin[d] = left.pads_end[d] = 0;
  }
  return left;
}

bool LinearSource::is_stored(const Bands::Place& place, std::int64_t count) const {
  const ConvProblem &whole = bands_.whole(), &band = bands_.band();
  if (!stored_as_read_ || padded_ || count * whole.groups != whole.in_channels || pixel_pitch_ != whole.in_channels)
    return false;
  return !bands_.is_cut() || (place.source_row >= 0 && place.source_row + band.input[0] <= whole.input[0]);
}

std::size_t LinearSource::prepared_bytes(std::int64_t count) const {
  bool all_stored = true;
  for (std::int64_t band = 0; band < bands_.count(); ++band)
    all_stored = all_stored && is_stored(bands_.place(band), count);
  if (all_stored) return 0;
  const ConvProblem left = remaining(count);
  return static_cast<std::size_t>(left.input_pixels() * left.in_channels * out_bytes_);
}

const void* LinearSource::prepare(const void* x, const Bands::Place& place, std::int64_t first, std::int64_t count,
                                  void* buffer) const {
  const auto* in = static_cast<const std::byte*>(x);
  if (is_stored(place, count)) {
    if (!bands_.is_cut()) return x;
    const ConvProblem& whole = bands_.whole();
    const std::int64_t row = ir::element_count(whole.input) / whole.input[0] * whole.in_channels * in_bytes_;
    return in + (place.image * whole.input[0] + place.source_row) * row;
  }
  auto* out = static_cast<std::byte*>(buffer);
  if (stored_as_read_)
    gather(in, place, first, count, out, [this](const std::byte* from, std::int64_t n, std::byte* to) {
      std::memcpy(to, from, static_cast<std::size_t>(n * in_bytes_));
    });
  else if (int8_)
    gather(in, place, first, count, out, offset_to_u8);
  else
    gather(in, place, first, count, out, [this](const std::byte* from, std::int64_t n, std::byte* to) {
      centre(dtype_, from, n, stored_zero_, reinterpret_cast<float*>(to));
    });
  return buffer;
}

// Row by row of the innermost spatial dimension; convert(from, elements, to).
template <typename Convert>
void LinearSource::gather(const std::byte* x, const Bands::Place& place, std::int64_t first, std::int64_t count,
                          std::byte* out, const Convert& convert) const {
  const ConvProblem& whole = bands_.whole();
  const ConvProblem left = remaining(count);
  const std::int64_t per_group = whole.in_channels / whole.groups;
  const std::int64_t out_pixel = left.in_channels * out_bytes_;
  const auto fill = [&](std::byte* to, std::int64_t pixels) {
    if (pixels > 0) std::memset(to, static_cast<int>(zero_point_), static_cast<std::size_t>(pixels * out_pixel));
  };
  const auto copy = [&](std::int64_t pixel, std::int64_t pixels, std::byte* to) {
    const bool all_channels = count == per_group;
    const std::byte* from = x + (pixel * pixel_pitch_ + first) * in_bytes_;
    if (all_channels && pixel_pitch_ == whole.in_channels) return convert(from, pixels * left.in_channels, to);
    for (; pixels > 0; --pixels, from += pixel_pitch_ * in_bytes_, to += out_pixel) {
      if (all_channels)
        convert(from, left.in_channels, to);
      else
        for (std::int64_t g = 0; g < whole.groups; ++g)
          convert(from + g * per_group * in_bytes_, count, to + g * count * out_bytes_);
    }
  };
  if (!padded_ && !bands_.is_cut()) {
    parallel_for(whole.input_pixels(), left.in_channels,
                 [&](std::int64_t begin, std::int64_t end, int) { copy(begin, end - begin, out + begin * out_pixel); });
    return;
  }
  // Where a position of the prepared source is in the tensor, along a dimension.
  const auto origin = [&](std::size_t d) {
    return d == 0 && bands_.is_cut() ? place.source_row : padded_ ? -bands_.band().pads_begin[d] : 0;
  };
  const std::size_t inner = whole.spatial_rank() - 1;
  const std::int64_t width = whole.input[inner], padded_width = left.input[inner];
  const std::int64_t before = std::clamp<std::int64_t>(-origin(inner), 0, padded_width);
  const std::int64_t behind = std::clamp<std::int64_t>(width - origin(inner), before, padded_width);
  const std::int64_t rows = left.input_pixels() / padded_width;
  parallel_for(rows, padded_width * left.in_channels, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t row = begin; row < end; ++row) {
      std::byte* to = out + row * padded_width * out_pixel;
      // The row's place in the tensor, if it has one.
      std::int64_t rest = row, from_row = 0, step = 1;
      bool inside = true;
      for (std::size_t d = inner; d-- > 0;) {
        const std::int64_t at = rest % left.input[d] + origin(d);
        rest /= left.input[d];
        inside = inside && at >= 0 && at < whole.input[d];
        from_row += at * step;
        step *= whole.input[d];
      }
      if (!inside) {
        fill(to, padded_width);
        continue;
      }
      fill(to, before);
      const std::int64_t pixel = ((place.image + rest) * step + from_row) * width + origin(inner) + before;
      if (behind > before) copy(pixel, behind - before, to + before * out_pixel);
      fill(to + behind * out_pixel, padded_width - behind);
    }
  });
}

}  // namespace vaip::kernels
