#include "kernels/linear.h"

#include <omp.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "kernels/gemm.h"
#include "kernels/multiversion.h"
#include "kernels/parallel.h"
#include "kernels/real_block.h"

namespace vaip::kernels {
namespace {

using ir::DType;

struct OneDnnState : KernelState {
  std::vector<std::unique_ptr<OneDnnPrimitive::Run>> runs;  // one per chunk
};

constexpr std::size_t kAlignment = 64;
std::size_t aligned(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

template <typename Acc>
VAIP_MULTIVERSION void add_chunk(const Acc* __restrict partial, std::int64_t count, bool is_first,
                                 std::int32_t* __restrict total) {
  if (is_first)
    for (std::int64_t i = 0; i < count; ++i) total[i] = static_cast<std::int32_t>(partial[i]);
  else
    for (std::int64_t i = 0; i < count; ++i) total[i] += static_cast<std::int32_t>(partial[i]);
}

}  // namespace

LinearKernel::LinearKernel(const ConvProblem& problem, LinearWeights weights, const Operand& x, Epilogue epilogue,
                           const KernelOptions& options)
    : problem_(fold_pointwise(problem)), x_(x), epilogue_(std::move(epilogue)) {
  SourceRange source;
  source.dtype = x.dtype;
  source.zero_point = x.quant ? x.quant->zero_point[0] : 0;
  const WeightBounds bounds = bounds_of(weights);
  CpuTraits cpu = options.cpu;  // what it has for this problem
  cpu.int16_dot_product = cpu.int16_dot_product && Int16Conv::suits(problem_, x.dtype);
  choice_ = options.path ? require_path(*options.path, weights, bounds, source, cpu)
                         : choose_path(weights, bounds, source, cpu);
  while (choice_.path != ComputePath::f64 && !build(weights, bounds, source, options)) {
    if (options.path) fail(ErrorKind::invalid_argument, "oneDNN has no implementation for path ", name(choice_.path));
    const auto next = static_cast<ComputePath>(static_cast<int>(choice_.path) + 1);
    choice_ = choose_path(weights, bounds, source, cpu, next);
  }
  if (choice_.path == ComputePath::f64) build_f64(weights);
  plan_scratch();
}

bool LinearKernel::build(LinearWeights& weights, const WeightBounds& bounds, const SourceRange& range,
                         const KernelOptions& options) {
  if (choice_.path != ComputePath::int16) return build_chunks(weights, bounds, range, options);
  const std::int64_t largest = bounds.largest_accumulator(range.centred());
  int16_ =
      std::make_unique<Int16Conv>(problem_, weights, x_, options, largest > std::numeric_limits<std::int32_t>::max());
  epilogue_.set_largest_accumulator(largest);
  return true;
}

bool LinearKernel::build_chunks(LinearWeights& weights, const WeightBounds& bounds, const SourceRange& range,
                                const KernelOptions& options) {
  const CpuTraits& cpu = options.cpu;
  source_ = LinearSource(problem_, x_, choice_.path);
  std::vector<Residual> residuals;
  if (choice_.path == ComputePath::int8 && !cpu.int8_dot_product) residuals = split_saturating_pairs(weights);
  for (std::int64_t first = 0; first < weights.in_channels; first += choice_.chunk_channels) {
    const std::int64_t count = std::min(choice_.chunk_channels, weights.in_channels - first);
    std::optional<OneDnnConv> conv =
        OneDnnConv::create(source_.remaining(count), choice_.path, cpu, weights, first, count, options.weights);
    if (!conv) {
      chunks_.clear();
      for (const Residual& r : residuals)
        weights.integers[static_cast<std::size_t>(r.out_channel * weights.per_channel() + r.in_channel * weights.taps +
                                                  r.tap)] += static_cast<std::int16_t>(r.value);
      return false;
    }
    chunks_.push_back({first, count, std::move(*conv)});
  }
  if (range.is_bf16()) {
    epilogue_.set_rounded_accumulators();
    return true;
  }
  epilogue_.set_largest_accumulator(
      bounds.largest_accumulator(choice_.path == ComputePath::int8 ? Range{0, 255} : range.centred()));
  std::vector<double> shares;  // the zero point's: the same at every pixel, since the padding holds it, too
  for (const SignedSums& sums : bounds.channels)
    shares.push_back(static_cast<double>(source_.zero_point() * sums.total()));
  epilogue_.subtract(shares);
  residuals_ = ResidualProduct(problem_, weights, residuals, source_.zero_point(), cpu);
  return true;
}

void LinearKernel::build_f64(const LinearWeights& w) {
  const std::int64_t depth = w.per_channel(), columns = w.out_channels / w.groups;
  panels_.assign(static_cast<std::size_t>(w.groups * packed_size<double>(depth, columns)), 0.0);
  for (std::int64_t oc = 0; oc < w.out_channels; ++oc) {
    const std::int64_t group = oc / columns, column = oc % columns;
    double* panel =
        panels_.data() + group * packed_size<double>(depth, columns) + column / kPanel<double> * kPanel<double> * depth;
    for (std::int64_t ic = 0; ic < w.in_channels; ++ic)
      for (std::int64_t tap = 0; tap < w.taps; ++tap) {
        const auto from = static_cast<std::size_t>(oc * depth + ic * w.taps + tap);
        panel[(tap * w.in_channels + ic) * kPanel<double> + column % kPanel<double>] =
            w.are_integers() ? static_cast<double>(w.integers[from]) : w.real[from];
      }
  }
}

void LinearKernel::plan_scratch() {
  std::size_t bytes = 0;
  const auto reserve = [&bytes](std::size_t size) {
    const std::size_t offset = bytes;
    bytes += aligned(size);
    return offset;
  };
  const auto outputs = static_cast<std::size_t>(problem_.output_pixels() * problem_.out_channels);
  if (int16_) {
    offsets_.source = reserve(int16_->scratch_bytes());
  } else if (choice_.path == ComputePath::f64) {
    threads_ = omp_get_max_threads();
    const std::int64_t depth = problem_.in_channels / problem_.groups * ir::element_count(problem_.kernel);
    offsets_.source = reserve(static_cast<std::size_t>(threads_ * kGemmRows * depth) * sizeof(double));
    offsets_.total = reserve(static_cast<std::size_t>(threads_ * kGemmRows * problem_.out_channels) * sizeof(double));
  } else {
    offsets_.source = reserve(source_.prepared_bytes(chunks_.front().count));
    offsets_.partial = reserve(outputs * 4);
    if (chunks_.size() > 1) offsets_.total = reserve(outputs * 4);
    std::size_t largest = 0;
    for (const Chunk& chunk : chunks_) largest = std::max(largest, chunk.conv.scratch_bytes());
    offsets_.onednn = reserve(largest);
    offsets_.residuals = reserve(residuals_.scratch_bytes());
  }
  scratch_bytes_ = bytes;
}

std::size_t LinearKernel::packed_bytes() const {
  std::size_t bytes = panels_.size() * sizeof(double) + residuals_.packed_bytes();
  if (int16_) bytes += int16_->packed_bytes();
  for (const Chunk& chunk : chunks_) bytes += chunk.conv.packed_bytes();
  return bytes;
}

std::string LinearKernel::implementation() const {
  if (int16_) return "int16 tiles";
  if (chunks_.empty()) return "loops in double";
  std::string text = detail::concat("oneDNN ", chunks_.front().conv.implementation(), ", ", name(choice_.path));
  if (chunks_.size() > 1) text += detail::concat(" in ", chunks_.size(), " pieces");
  if (!residuals_.empty()) text += detail::concat(", ", residuals_.residual_count(), " weights apart");
  return text;
}

std::int64_t LinearKernel::macs() const {
  const std::int64_t per_output = problem_.in_channels / problem_.groups * ir::element_count(problem_.kernel);
  return problem_.output_pixels() * problem_.out_channels * per_output;
}

std::unique_ptr<KernelState> LinearKernel::make_state() const {
  if (chunks_.empty()) return nullptr;
  auto state = std::make_unique<OneDnnState>();
  for (const Chunk& chunk : chunks_) state->runs.push_back(chunk.conv.make_run());
  return state;
}

void LinearKernel::execute(const ExecutionContext& context) const {
  if (int16_)
    return int16_->execute(context.inputs[0], epilogue_, epilogue_.inputs_of(context),
                           context.scratch + offsets_.source, context.outputs[0]);
  if (choice_.path == ComputePath::f64) return execute_f64(context);
  const auto& state = static_cast<const OneDnnState&>(*context.state);
  const void* x = context.inputs[0];
  std::byte* scratch = context.scratch;
  void* partial = scratch + offsets_.partial;
  auto* total = reinterpret_cast<std::int32_t*>(scratch + offsets_.total);
  const std::int64_t outputs = problem_.output_pixels() * problem_.out_channels;
  const bool int8 = choice_.path == ComputePath::int8;
  for (std::size_t c = 0; c < chunks_.size(); ++c) {
    const Chunk& chunk = chunks_[c];
    const void* source = source_.prepare(x, chunk.first, chunk.count, scratch + offsets_.source);
    chunk.conv.execute(*state.runs[c], source, partial, scratch + offsets_.onednn);
    if (chunks_.size() == 1) break;
    parallel_for(outputs, 1, [&](std::int64_t begin, std::int64_t end, int) {
      if (int8)
        add_chunk(static_cast<const std::int32_t*>(partial) + begin, end - begin, c == 0, total + begin);
      else
        add_chunk(static_cast<const float*>(partial) + begin, end - begin, c == 0, total + begin);
    });
  }
  const bool integers = int8 || chunks_.size() > 1;
  auto* sums = chunks_.size() > 1 ? total : static_cast<std::int32_t*>(partial);
  if (!residuals_.empty()) residuals_.add(x, x_.dtype, scratch + offsets_.residuals, sums);
  const EpilogueInputs added = epilogue_.inputs_of(context);
  parallel_for(outputs, 1, [&](std::int64_t begin, std::int64_t end, int) {
    if (integers)
      epilogue_.run(sums + begin, begin, end, added, context.outputs[0]);
    else
      epilogue_.run(static_cast<const float*>(partial) + begin, begin, end, added, context.outputs[0]);
  });
}

void LinearKernel::execute_f64(const ExecutionContext& context) const {
  const std::int64_t per_group = problem_.in_channels / problem_.groups;
  const std::int64_t columns = problem_.out_channels / problem_.groups;
  const std::int64_t taps = ir::element_count(problem_.kernel), depth = per_group * taps;
  const std::int64_t pixels = problem_.output_pixels();
  const std::int64_t blocks = (pixels + kGemmRows - 1) / kGemmRows;
  const Affine centred = {1.0, x_.affine().zero_point};
  const EpilogueInputs added = epilogue_.inputs_of(context);
  parallel_for(
      blocks, kGemmRows * depth * problem_.out_channels,
      [&](std::int64_t begin, std::int64_t end, int thread) {
        double* rows = reinterpret_cast<double*>(context.scratch + offsets_.source) + thread * kGemmRows * depth;
        double* sums =
            reinterpret_cast<double*>(context.scratch + offsets_.total) + thread * kGemmRows * problem_.out_channels;
        for (std::int64_t block = begin; block < end; ++block) {
          const std::int64_t first = block * kGemmRows, count = std::min(kGemmRows, pixels - first);
          for (std::int64_t group = 0; group < problem_.groups; ++group) {
            for (std::int64_t r = 0; r < kGemmRows; ++r) {
              double* row = rows + r * depth;
              const WindowCursor window(problem_, first + std::min(r, count - 1));
              for (std::int64_t tap = 0; tap < taps; ++tap, row += per_group) {
                const std::int64_t input = window.input_pixel(tap);
                if (input < 0)
                  std::fill_n(row, per_group, 0.0);
                else
                  load_real(x_.dtype, context.inputs[0], input * problem_.in_channels + group * per_group, 1, per_group,
                            centred, row);
              }
            }
            multiply_rows(rows, depth, kGemmRows, panels_.data() + group * packed_size<double>(depth, columns), depth,
                          columns, sums + group * columns, problem_.out_channels);
          }
          epilogue_.run(sums, first * problem_.out_channels, (first + count) * problem_.out_channels, added,
                        context.outputs[0]);
        }
      },
      threads_);
}

}  // namespace vaip::kernels
