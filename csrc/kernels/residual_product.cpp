#include "kernels/residual_product.h"

#include <omp.h>

#include <algorithm>
#include <cstring>

#include "base/archive.h"
#include "kernels/multiversion.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vaip::kernels {
namespace {

VAIP_MULTIVERSION void widen(const std::uint8_t* __restrict x, std::int64_t count, std::int16_t* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = x[i];
}

}  // namespace

ResidualProduct::ResidualProduct(const ConvProblem& problem, const LinearWeights& weights,
                                 const std::vector<Residual>& residuals, const CpuTraits& cpu)
    : problem_(problem),
      residuals_(residuals.size()),
      dot_product_(cpu.int16_dot_product),
      threads_(omp_get_max_threads()),
      tap_count_(weights.taps) {
  if (empty()) return;
  const std::int64_t per_group = weights.out_channels / weights.groups;
  first_cell_.assign(static_cast<std::size_t>((weights.out_channels + kLanes - 1) / kLanes) + 1, 0);
  // By block of output channels, tap and input channel: they come by output channel and input channel.
  struct Term {
    std::int64_t block, place, in_channel;
    const Residual* residual;
  };
  std::vector<Term> terms;
  terms.reserve(residuals.size());
  for (const Residual& r : residuals) {
    const std::int64_t channel = r.out_channel / per_group * weights.in_channels + r.in_channel;
    terms.push_back({r.out_channel / kLanes, r.tap * problem_.in_channels + channel / 2 * 2, channel, &r});
  }
  std::sort(terms.begin(), terms.end(),
            [](const Term& a, const Term& b) { return a.block != b.block ? a.block < b.block : a.place < b.place; });
  const Term* last = nullptr;
  for (const Term& term : terms) {
    if (last == nullptr || last->block != term.block || last->place != term.place) {
      ++first_cell_[static_cast<std::size_t>(term.block) + 1];
      own_cells_.emplace_back();
      own_places_.push_back({term.residual->tap, static_cast<std::int32_t>(term.in_channel / 2 * 2)});
    }
    last = &term;
    own_cells_.back().weights[term.residual->out_channel % kLanes * 2 + term.in_channel % 2] =
        static_cast<std::int16_t>(term.residual->value);
  }
  cells_ = own_cells_;
  places_ = own_places_;
  add_taps();
  for (std::size_t b = 1; b < first_cell_.size(); ++b) first_cell_[b] += first_cell_[b - 1];
}

ResidualProduct::ResidualProduct(const ConvProblem& problem, const CpuTraits& cpu, ArchiveReader& from)
    : problem_(problem),
      residuals_(from.take_value<std::size_t>()),
      dot_product_(cpu.int16_dot_product),
      threads_(omp_get_max_threads()),
      tap_count_(ir::element_count(problem.kernel)) {
  if (empty()) return;
  first_cell_ = from.take_values<std::size_t>();
  cells_ = from.take_view<Cell>();
  places_ = from.take_view<Place>();
  if (!is_consistent()) from.reject("its cells are not those of such a convolution");
  add_taps();
}

bool ResidualProduct::is_consistent() const {
  const auto blocks = static_cast<std::size_t>((problem_.out_channels + kLanes - 1) / kLanes);
  return first_cell_.size() == blocks + 1 && first_cell_.front() == 0 && first_cell_.back() == cells_.size() &&
         std::is_sorted(first_cell_.begin(), first_cell_.end()) && places_.size() == cells_.size() &&
         std::all_of(places_.begin(), places_.end(), [&](const Place& place) {
           return place.tap >= 0 && place.tap < tap_count_ && place.in_channel >= 0 &&
                  place.in_channel < problem_.in_channels;
         });
}

void ResidualProduct::store(ArchiveWriter& to) const {
  to.add_values<std::size_t>({residuals_});
  if (empty()) return;
  to.add_values(first_cell_);
  to.add_view(cells_);
  to.add_view(places_);
}

void ResidualProduct::add_taps() {
  std::vector<bool> used(static_cast<std::size_t>(tap_count_), false);
  for (const Place& place : places_) used[static_cast<std::size_t>(place.tap)] = true;
  for (std::int64_t tap = 0; tap < tap_count_; ++tap)
    if (used[static_cast<std::size_t>(tap)]) add_tap(tap);
}

void ResidualProduct::add_tap(std::int64_t index) {
  Tap tap;
  tap.index = index;
  std::int64_t step = problem_.in_channels;
  for (std::size_t d = problem_.spatial_rank(); d-- > 0;) {
    tap.steps[d] = index % problem_.kernel[d] * problem_.dilations[d];
    index /= problem_.kernel[d];
    tap.offset += tap.steps[d] * step;
    step *= problem_.input[d];
    furthest_[d] = std::max(furthest_[d], tap.steps[d]);
  }
  taps_.push_back(tap);
}

std::size_t ResidualProduct::packed_bytes() const {
  return cells_.size() * (sizeof(Cell) + sizeof(Place)) + first_cell_.size() * sizeof(std::size_t);
}

std::size_t ResidualProduct::scratch_bytes() const {
  if (empty()) return 0;
  const std::int64_t source = (problem_.input_pixels() + 1) * problem_.in_channels + 2;  // and a pixel of padding
  return aligned(static_cast<std::size_t>(source) * sizeof(std::int16_t)) +
         static_cast<std::size_t>(threads_ * tap_count_ * kPixels) * sizeof(const std::int16_t*);
}

namespace {

// rows[p][lane] += the cells' products with pixel p, for 8 pixels, whose rows are `stride` apart.
#if defined(__x86_64__) && defined(__GNUC__)
#define VAIP_HAS_AVX2_CELLS 1
template <typename Cell, typename Place>
__attribute__((target("avx2"))) void add_cells_avx2(const Cell* cells, const Place* places, std::size_t count,
                                                    const std::int16_t* const* pixels, std::int32_t* rows,
                                                    std::int64_t stride) {
  __m256i sums[8];
  for (int p = 0; p < 8; ++p) sums[p] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows + p * stride));
  for (std::size_t i = 0; i < count; ++i) {
    const __m256i weights = _mm256_load_si256(reinterpret_cast<const __m256i*>(cells[i].weights));
    const std::int16_t* const* at = pixels + places[i].tap * 8;
#pragma GCC unroll 8
    for (int p = 0; p < 8; ++p) {
      std::int32_t pair = 0;
      std::memcpy(&pair, at[p] + places[i].in_channel, sizeof pair);
      sums[p] = _mm256_add_epi32(sums[p], _mm256_madd_epi16(_mm256_set1_epi32(pair), weights));
    }
  }
  for (int p = 0; p < 8; ++p) _mm256_storeu_si256(reinterpret_cast<__m256i*>(rows + p * stride), sums[p]);
}
#endif

template <typename Cell, typename Place>
void add_cells(const Cell* cells, const Place* places, std::size_t count, const std::int16_t* const* pixels,
               std::int32_t* rows, std::int64_t stride, [[maybe_unused]] bool dot_product) {
#if defined(VAIP_HAS_AVX2_CELLS)
  if (dot_product) return add_cells_avx2(cells, places, count, pixels, rows, stride);
#endif
  for (std::size_t i = 0; i < count; ++i) {
    for (int p = 0; p < 8; ++p) {
      const std::int16_t* pair = pixels[places[i].tap * 8 + p] + places[i].in_channel;
      for (int lane = 0; lane < 8; ++lane)
        rows[p * stride + lane] += cells[i].weights[2 * lane] * pair[0] + cells[i].weights[2 * lane + 1] * pair[1];
    }
  }
}

}  // namespace

void ResidualProduct::add_block(std::size_t block, Pixels pixels, std::int64_t count, std::int32_t* acc) const {
  const std::size_t first = first_cell_[block], cells = first_cell_[block + 1] - first;
  if (cells == 0) return;
  const auto channel = static_cast<std::int64_t>(block) * kLanes;
  const std::int64_t channels = problem_.out_channels, lanes = std::min(kLanes, channels - channel);
  const auto add = [&](std::int32_t* rows, std::int64_t stride) {
    add_cells(cells_.data() + first, places_.data() + first, cells, pixels, rows, stride, dot_product_);
  };
  acc += channel;
  if (lanes == kLanes && count == kPixels) return add(acc, channels);
  std::int32_t rows[kPixels * kLanes] = {};
  for (std::int64_t p = 0; p < count; ++p) std::copy_n(acc + p * channels, lanes, rows + p * kLanes);
  add(rows, kLanes);
  for (std::int64_t p = 0; p < count; ++p) std::copy_n(rows + p * kLanes, lanes, acc + p * channels);
}

void ResidualProduct::point_to(std::int64_t output_pixel, std::int64_t p, const std::int16_t* source,
                               const std::int16_t* padding, const std::int16_t** pixels) const {
  std::int64_t origin[kMaxRank] = {}, base = 0, step = problem_.in_channels;
  bool inside = true;
  for (std::size_t d = problem_.spatial_rank(); d-- > 0;) {
    origin[d] = output_pixel % problem_.output[d] * problem_.strides[d] - problem_.pads_begin[d];
    output_pixel /= problem_.output[d];
    inside = inside && origin[d] >= 0 && origin[d] + furthest_[d] < problem_.input[d];
    base += origin[d] * step;
    step *= problem_.input[d];
  }
  base += output_pixel * step;  // what is left: the image
  for (const Tap& tap : taps_) {
    bool read = inside;
    if (!inside) {
      read = true;
      for (std::size_t d = 0; d < problem_.spatial_rank(); ++d) {
        const std::int64_t at = origin[d] + tap.steps[d];
        read = read && at >= 0 && at < problem_.input[d];
      }
    }
    pixels[tap.index * kPixels + p] = read ? source + base + tap.offset : padding;
  }
}

void ResidualProduct::add(const std::uint8_t* x, std::byte* scratch, std::int32_t* acc) const {
  const std::int64_t elements = problem_.input_pixels() * problem_.in_channels;
  auto* const source = reinterpret_cast<std::int16_t*>(scratch);
  std::int16_t* const padding = source + elements;
  std::fill_n(padding, problem_.in_channels + 2, std::int16_t{0});
  parallel_for(elements, 1,
               [&](std::int64_t begin, std::int64_t end, int) { widen(x + begin, end - begin, source + begin); });
  const std::size_t at_pointers =
      aligned(static_cast<std::size_t>(elements + problem_.in_channels + 2) * sizeof(std::int16_t));
  auto* const pointers = reinterpret_cast<const std::int16_t**>(scratch + at_pointers);
  const std::int64_t pixels = problem_.output_pixels(), groups = (pixels + kPixels - 1) / kPixels;
  const auto cost = static_cast<std::int64_t>(cells_.size()) * kPixels;
  parallel_for(
      groups, cost,
      [&](std::int64_t begin, std::int64_t end, int thread) {
        const std::int16_t** const at = pointers + thread * tap_count_ * kPixels;
        for (std::int64_t group = begin; group < end; ++group) {
          const std::int64_t first = group * kPixels, count = std::min(kPixels, pixels - first);
          for (std::int64_t p = 0; p < kPixels; ++p) point_to(first + std::min(p, count - 1), p, source, padding, at);
          for (std::size_t block = 0; block + 1 < first_cell_.size(); ++block)
            add_block(block, at, count, acc + first * problem_.out_channels);
        }
      },
      threads_);
}

}  // namespace vaip::kernels
