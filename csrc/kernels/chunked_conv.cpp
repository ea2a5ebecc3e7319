#include "kernels/chunked_conv.h"

#include <omp.h>

#include <algorithm>
#include <cmath>

#include "base/archive.h"
#include "base/error.h"
#include "kernels/multiversion.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"
#include "kernels/team_scope.h"

namespace vaip::kernels {
namespace {

constexpr std::size_t kSumBytes = 4;  // s32 or float

template <typename Acc>
VAIP_MULTIVERSION void add_chunk(const Acc* __restrict partial, std::int64_t count, bool is_first,
                                 std::int32_t* __restrict total) {
  if (is_first)
    for (std::int64_t i = 0; i < count; ++i) total[i] = static_cast<std::int32_t>(partial[i]);
  else
    for (std::int64_t i = 0; i < count; ++i) total[i] += static_cast<std::int32_t>(partial[i]);
}

// Padding that is written out is multiplied: zero times infinity would be no number.
bool are_finite(const LinearWeights& weights) {
  return std::all_of(weights.real.begin(), weights.real.end(), [](double w) { return std::isfinite(w); });
}

Bands bands_of(const ConvProblem& problem, ComputePath path, const LinearWeights& weights) {
  if (!are_finite(weights)) return Bands(problem);
  const std::int64_t element = prepared_element_bytes(path);
  return Bands(problem, element, weights.out_channels * weights.per_channel() * element, omp_get_max_threads(),
               weights.are_integers());
}

void put_back(const std::vector<Residual>& residuals, LinearWeights& weights) {
  for (const Residual& r : residuals)
    weights.integers[static_cast<std::size_t>(r.out_channel * weights.per_channel() + r.in_channel * weights.taps +
                                              r.tap)] += static_cast<std::int16_t>(r.value);
}

}  // namespace

struct ChunkedConv::State : KernelState {
  std::vector<std::unique_ptr<OneDnnPrimitive::Run>> runs;  // of each thread, one per chunk
};

ChunkedConv::ChunkedConv(const Bands& bands, const Operand& x, const PathChoice& choice, int threads)
    : bands_(bands), choice_(choice), threads_(threads), source_(bands, x, choice.path) {}

std::unique_ptr<ChunkedConv> ChunkedConv::create(const ConvProblem& problem, const Operand& x, const PathChoice& choice,
                                                 LinearWeights& weights, const WeightBounds& bounds, Epilogue& epilogue,
                                                 const KernelOptions& options) {
  const Bands bands = bands_of(problem, choice.path, weights);
  const int team = omp_get_max_threads();
  // oneDNN shares a primitive's work among the team that it finds when it is made.
  const TeamScope scope(bands.is_cut() ? 1 : team);
  std::unique_ptr<ChunkedConv> conv(new ChunkedConv(bands, x, choice, bands.is_cut() ? team : 1));
  const bool int8 = choice.path == ComputePath::int8;
  std::vector<Residual> residuals;
  if (int8 && !options.cpu.int8_dot_product && options.packed_from == nullptr)
    residuals = split_saturating_pairs(weights);
  if (!conv->add_chunks(weights, options)) {
    put_back(residuals, weights);
    return nullptr;
  }
  if (options.packed_from != nullptr) {
    conv->sums_.largest = options.packed_from->take_value<std::int64_t>();
    conv->sums_.shares = options.packed_from->take_values<double>();
    if (conv->sums_.shares.size() != static_cast<std::size_t>(problem.out_channels))
      options.packed_from->reject("a section has another size");
    conv->residuals_ = ResidualProduct(conv->source_.remaining(weights.in_channels), options.cpu, *options.packed_from);
  } else if (x.dtype != ir::DType::bf16) {
    const SourceRange source = {x.dtype, x.quant ? x.quant->zero_point[0] : 0};
    conv->sums_.largest = bounds.largest_accumulator(int8 ? Range{0, 255} : source.centred());
    for (const SignedSums& sums : bounds.channels)  // the same at every pixel, since the padding holds it, too
      conv->sums_.shares.push_back(static_cast<double>(conv->source_.zero_point() * sums.total()));
  }
  if (!residuals.empty())
    conv->residuals_ = ResidualProduct(conv->source_.remaining(weights.in_channels), weights, residuals, options.cpu);
  conv->plan_scratch();
  if (x.dtype == ir::DType::bf16) {
    epilogue.set_rounded_accumulators();
  } else {
    epilogue.set_largest_accumulator(conv->sums_.largest);
    epilogue.subtract(conv->sums_.shares);
  }
  return conv;
}

void ChunkedConv::store(ArchiveWriter& to) const {
  for (const Chunk& chunk : chunks_) chunk.conv.store(to);
  to.add_values<std::int64_t>({sums_.largest});
  to.add_values(sums_.shares);
  residuals_.store(to);
}

bool ChunkedConv::add_chunks(const LinearWeights& weights, const KernelOptions& options) {
  for (std::int64_t first = 0; first < weights.in_channels; first += choice_.chunk_channels) {
    const std::int64_t count = std::min(choice_.chunk_channels, weights.in_channels - first);
    std::optional<OneDnnConv> conv =
        OneDnnConv::create(source_.remaining(count), choice_.path, options.cpu, weights, first, count, options);
    if (!conv) return false;
    chunks_.push_back({first, count, std::move(*conv)});
  }
  return true;
}

void ChunkedConv::plan_scratch() {
  std::size_t bytes = 0;
  const auto reserve = [&bytes](std::size_t size) {
    const std::size_t offset = bytes;
    bytes += aligned(size);
    return offset;
  };
  const ConvProblem& band = bands_.band();
  const std::size_t sums = static_cast<std::size_t>(band.output_pixels() * band.out_channels) * kSumBytes;
  std::size_t source = residuals_.empty() ? 0 : source_.prepared_bytes(all_channels()), onednn = 0;
  for (const Chunk& chunk : chunks_) {
    source = std::max(source, source_.prepared_bytes(chunk.count));
    onednn = std::max(onednn, chunk.conv.scratch_bytes());
  }
  offsets_.source = reserve(source);
  offsets_.partial = reserve(sums);
  if (chunks_.size() > 1) offsets_.total = reserve(sums);
  offsets_.onednn = reserve(onednn);
  offsets_.residuals = reserve(residuals_.scratch_bytes());
  per_thread_ = bytes;
}

std::size_t ChunkedConv::packed_bytes() const {
  std::size_t bytes = residuals_.packed_bytes();
  for (const Chunk& chunk : chunks_) bytes += chunk.conv.packed_bytes();
  return bytes;
}

std::string ChunkedConv::implementation() const {
  std::string text = detail::concat("oneDNN ", chunks_.front().conv.implementation(), ", ", name(choice_.path));
  if (chunks_.size() > 1) text += detail::concat(" in ", chunks_.size(), " pieces");
  if (!residuals_.empty()) text += detail::concat(", ", residuals_.residual_count(), " weights apart");
  if (bands_.is_cut()) text += detail::concat(", ", bands_.count(), " bands");
  return text;
}

std::unique_ptr<KernelState> ChunkedConv::make_state() const {
  auto state = std::make_unique<State>();
  for (int thread = 0; thread < threads_; ++thread)
    for (const Chunk& chunk : chunks_) state->runs.push_back(chunk.conv.make_run());
  return state;
}

void ChunkedConv::execute(const void* x, const Epilogue& epilogue, const EpilogueInputs& added, KernelState& state,
                          std::byte* scratch, void* output) const {
  const auto& own = static_cast<const State&>(state);
  const ConvProblem& band = bands_.band();
  parallel_for(
      bands_.count(), band.output_pixels() * band.out_channels,
      [&](std::int64_t begin, std::int64_t end, int thread) {
        for (std::int64_t i = begin; i < end; ++i)
          execute_band(i, thread, x, epilogue, added, own, scratch + static_cast<std::size_t>(thread) * per_thread_,
                       output);
      },
      threads_);
}

void ChunkedConv::execute_band(std::int64_t band, int thread, const void* x, const Epilogue& epilogue,
                               const EpilogueInputs& added, const State& state, std::byte* scratch,
                               void* output) const {
  const Bands::Place place = bands_.place(band);
  const ConvProblem& problem = bands_.band();
  const std::int64_t sums = problem.output_pixels() * problem.out_channels;
  const bool int8 = choice_.path == ComputePath::int8;
  void* partial = scratch + offsets_.partial;
  auto* total = reinterpret_cast<std::int32_t*>(scratch + offsets_.total);
  const void* source = nullptr;
  for (std::size_t c = 0; c < chunks_.size(); ++c) {
    const Chunk& chunk = chunks_[c];
    source = source_.prepare(x, place, chunk.first, chunk.count, scratch + offsets_.source);
    OneDnnPrimitive::Run& run = *state.runs[static_cast<std::size_t>(thread) * chunks_.size() + c];
    chunk.conv.execute(run, source, partial, scratch + offsets_.onednn);
    if (chunks_.size() == 1) break;
    parallel_for(sums, 1, [&](std::int64_t begin, std::int64_t end, int) {
      if (int8)
        add_chunk(static_cast<const std::int32_t*>(partial) + begin, end - begin, c == 0, total + begin);
      else
        add_chunk(static_cast<const float*>(partial) + begin, end - begin, c == 0, total + begin);
    });
  }
  auto* integers = chunks_.size() > 1 ? total : static_cast<std::int32_t*>(partial);
  if (!residuals_.empty() && chunks_.size() > 1)
    source = source_.prepare(x, place, 0, all_channels(), scratch + offsets_.source);
  if (!residuals_.empty())
    residuals_.add(static_cast<const std::uint8_t*>(source), scratch + offsets_.residuals, integers);
  // What an earlier band has finished is not finished again.
  const std::int64_t known = (place.own - place.first) * bands_.output_row();
  const std::int64_t at = (place.image * bands_.whole().output[0] + place.first) * bands_.output_row();
  parallel_for(sums - known, 1, [&](std::int64_t begin, std::int64_t end, int) {
    begin += known;
    end += known;
    if (int8 || chunks_.size() > 1)
      epilogue.run(integers + begin, at + begin, at + end, added, output);
    else
      epilogue.run(static_cast<const float*>(partial) + begin, at + begin, at + end, added, output);
  });
}

}  // namespace vaip::kernels
