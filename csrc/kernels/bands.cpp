#include "kernels/bands.h"

#include <algorithm>

namespace vaip::kernels {
namespace {

// What a band writes in between is half of a common L2 cache, or twice what the weights take, so that these are not
// most of what is read.
constexpr std::int64_t kBandBytes = 256 * 1024;
constexpr std::int64_t kSumBytes = 4;

// Elements per row of the first spatial dimension.
std::int64_t row_of(const ir::Shape& spatial, std::int64_t channels) {
  return ir::element_count(ir::Shape(spatial.begin() + 1, spatial.end())) * channels;
}

std::int64_t divided(std::int64_t count, std::int64_t by) { return (count + by - 1) / by; }

}  // namespace

Bands::Bands(const ConvProblem& problem, std::int64_t source_bytes, std::int64_t weight_bytes, int threads,
             bool as_many_for_each)
    : Bands(problem) {
  if (problem.spatial_rank() == 0 || problem.output_pixels() == 0) return;
  const std::int64_t rows = whole_.output[0];
  const std::int64_t row_bytes = whole_.strides[0] * row_of(whole_.input, whole_.in_channels) * source_bytes +
                                 row_of(whole_.output, whole_.out_channels) * kSumBytes;
  const std::int64_t longest =
      std::max<std::int64_t>(std::max(kBandBytes, 2 * weight_bytes) / std::max<std::int64_t>(row_bytes, 1), 1);
  std::int64_t count = divided(rows, longest);
  if (count < 2) return;
  if (whole_.batch == 1 && as_many_for_each) count = std::min(divided(count, threads) * threads, rows);
  if (whole_.batch * count < threads) return;
  band_.batch = 1;
  band_.output[0] = divided(rows, count);
  band_.input[0] = (band_.output[0] - 1) * whole_.strides[0] + (whole_.kernel[0] - 1) * whole_.dilations[0] + 1;
  // oneDNN's pointwise kernels want a whole stride for every output.
  if (whole_.kernel[0] == 1) band_.input[0] = band_.output[0] * whole_.strides[0];
  band_.pads_begin[0] = band_.pads_end[0] = 0;
  per_image_ = divided(rows, band_.output[0]);
}

Bands::Place Bands::place(std::int64_t index) const {
  if (!is_cut()) return {};
  Place place;
  place.image = index / per_image_;
  place.own = index % per_image_ * band_.output[0];
  // The last band starts early enough to be a whole one.
  place.first = std::min(place.own, whole_.output[0] - band_.output[0]);
  place.source_row = place.first * whole_.strides[0] - whole_.pads_begin[0];
  return place;
}

std::int64_t Bands::output_row() const { return row_of(whole_.output, whole_.out_channels); }

}  // namespace vaip::kernels
