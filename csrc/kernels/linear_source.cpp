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

LinearSource::LinearSource(const ConvProblem& problem, const Operand& x, ComputePath path)
    : problem_(problem),
      dtype_(x.dtype),
      int8_(path == ComputePath::int8),
      stored_as_read_(path == ComputePath::bf16 || (int8_ && x.dtype == ir::DType::u8)),
      stored_zero_(x.quant ? x.quant->zero_point[0] : 0),
      in_bytes_(static_cast<std::int64_t>(ir::size_of(x.dtype))),
      out_bytes_(int8_ ? 1 : static_cast<std::int64_t>(sizeof(float))) {
  if (int8_) zero_point_ = x.dtype == ir::DType::s8 ? stored_zero_ + 128 : stored_zero_;
  padded_ = zero_point_ != 0 && (any_set(problem.pads_begin) || any_set(problem.pads_end));
}

ConvProblem LinearSource::remaining(std::int64_t count) const {
  ConvProblem left = problem_;
  left.in_channels = problem_.groups * count;
  if (!padded_) return left;
  for (std::size_t d = 0; d < left.spatial_rank(); ++d) {
    left.input[d] += left.pads_begin[d] + left.pads_end[d];
    left.pads_begin[d] = left.pads_end[d] = 0;
  }
  return left;
}

std::size_t LinearSource::prepared_bytes(std::int64_t count) const {
  const bool whole = count * problem_.groups == problem_.in_channels;
  if (whole && !padded_ && stored_as_read_) return 0;
  const ConvProblem left = remaining(count);
  return static_cast<std::size_t>(left.input_pixels() * left.in_channels * out_bytes_);
}

const void* LinearSource::prepare(const void* x, std::int64_t first, std::int64_t count, void* buffer) const {
  if (prepared_bytes(count) == 0) return x;
  const auto* in = static_cast<const std::byte*>(x);
  auto* out = static_cast<std::byte*>(buffer);
  if (!int8_)
    gather(in, first, count, out, [this](const std::byte* from, std::int64_t n, std::byte* to) {
      centre(dtype_, from, n, stored_zero_, reinterpret_cast<float*>(to));
    });
  else if (dtype_ == ir::DType::s8)
    gather(in, first, count, out, offset_to_u8);
  else
    gather(in, first, count, out, [](const std::byte* from, std::int64_t n, std::byte* to) {
      std::memcpy(to, from, static_cast<std::size_t>(n));
    });
  return buffer;
}

// Row by row of the innermost spatial dimension; convert(from, elements, to).
template <typename Convert>
void LinearSource::gather(const std::byte* x, std::int64_t first, std::int64_t count, std::byte* out,
                          const Convert& convert) const {
  const ConvProblem left = remaining(count);
  const std::size_t inner = problem_.spatial_rank() - 1;
  const std::int64_t width = problem_.input[inner], padded_width = left.input[inner];
  const std::int64_t per_group = problem_.in_channels / problem_.groups;
  const std::int64_t out_pixel = left.in_channels * out_bytes_;
  const auto fill = [&](std::byte* to, std::int64_t pixels) {
    if (pixels > 0) std::memset(to, static_cast<int>(zero_point_), static_cast<std::size_t>(pixels * out_pixel));
  };
  const auto copy = [&](std::int64_t pixel, std::int64_t pixels, std::byte* to) {
    const std::int64_t group = pixel * problem_.groups, groups = pixels * problem_.groups;
    const std::byte* from = x + (group * per_group + first) * in_bytes_;
    if (count == per_group) return convert(from, groups * count, to);
    for (std::int64_t g = 0; g < groups; ++g)
      convert(from + g * per_group * in_bytes_, count, to + g * count * out_bytes_);
  };
  if (!padded_) {
    parallel_for(problem_.input_pixels(), left.in_channels,
                 [&](std::int64_t begin, std::int64_t end, int) { copy(begin, end - begin, out + begin * out_pixel); });
    return;
  }
  const std::int64_t rows = left.input_pixels() / padded_width;
  parallel_for(rows, padded_width * left.in_channels, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t row = begin; row < end; ++row) {
      std::byte* to = out + row * padded_width * out_pixel;
      // The row's place in the unpadded tensor, if it has one.
      std::int64_t rest = row, from_row = 0, step = 1;
      bool inside = true;
      for (std::size_t d = inner; d-- > 0;) {
        const std::int64_t at = rest % left.input[d] - problem_.pads_begin[d];
        rest /= left.input[d];
        inside = inside && at >= 0 && at < problem_.input[d];
        from_row += at * step;
        step *= problem_.input[d];
      }
      if (!inside) {
        fill(to, padded_width);
        continue;
      }
      const std::int64_t pad_begin = problem_.pads_begin[inner];
      fill(to, pad_begin);
      copy((rest * step + from_row) * width, width, to + pad_begin * out_pixel);
      fill(to + (pad_begin + width) * out_pixel, problem_.pads_end[inner]);
    }
  });
}

}  // namespace vaip::kernels
