#include "kernels/banded_conv.h"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/float_block.h"
#include "kernels/onednn_conv.h"
#include "kernels/parallel.h"

namespace vaip::kernels {
namespace {

constexpr std::int64_t kAlignment = 64;

// A band's floats take half of a common L2 cache, or twice what the weights take, so that these are not most of what is
// read.
constexpr std::int64_t kBandBytes = 256 * 1024;

// Of one image, or of all where every pixel is a window. The first spatial dimension is cut; padding along it is
// written out, so that all bands are one problem.
struct Bands {
  ConvProblem whole, band;
  std::int64_t count = 0;          // per image
  std::int64_t in_row, out_row;    // elements of a row
  std::int64_t in_rows, out_rows;  // of a band

  Bands(const ConvProblem& problem, std::int64_t weight_bytes) : whole(fold_pointwise(problem)) {
    const auto inner = [](const ir::Shape& spatial) {
      return ir::element_count(ir::Shape(spatial.begin() + 1, spatial.end()));
    };
    in_row = inner(whole.input) * whole.in_channels;
    out_row = inner(whole.output) * whole.out_channels;
    const auto floats = static_cast<std::int64_t>(sizeof(float));
    const std::int64_t row_bytes = std::max<std::int64_t>((whole.strides[0] * in_row + out_row) * floats, 1);
    const std::int64_t longest = std::max<std::int64_t>(std::max(kBandBytes, 2 * weight_bytes) / row_bytes, 1);
    const std::int64_t rows = whole.output[0];
    count = (rows + longest - 1) / longest;
    out_rows = count == 0 ? 0 : (rows + count - 1) / count;
    in_rows = (out_rows - 1) * whole.strides[0] + (whole.kernel[0] - 1) * whole.dilations[0] + 1;
    band = whole;
    band.batch = 1;
    band.input[0] = in_rows;
    band.output[0] = out_rows;
    band.pads_begin[0] = band.pads_end[0] = 0;
  }
  std::int64_t total() const { return whole.batch * count; }
};

// oneDNN shares a primitive's work among the team that it finds when it is made.
class SerialTeam {
 public:
  SerialTeam() : previous_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~SerialTeam() { omp_set_num_threads(previous_); }
  SerialTeam(const SerialTeam&) = delete;
  SerialTeam& operator=(const SerialTeam&) = delete;

 private:
  int previous_;
};

class BandedConv : public Kernel {
 public:
  BandedConv(const Bands& bands, OneDnnConv conv, const Epilogue& epilogue, int threads)
      : bands_(bands), conv_(std::move(conv)), epilogue_(epilogue), threads_(threads) {
    const auto aligned = [](std::int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; };
    const auto floats = static_cast<std::int64_t>(sizeof(float));
    at_sums_ = aligned(bands.in_rows * bands.in_row * floats);
    at_onednn_ = at_sums_ + aligned(bands.out_rows * bands.out_row * floats);
    per_thread_ = at_onednn_ + aligned(static_cast<std::int64_t>(conv_.scratch_bytes()));
    epilogue_.set_rounded_accumulators();
  }

  void execute(const ExecutionContext& context) const override {
    const auto& state = static_cast<const State&>(*context.state);
    const EpilogueInputs added = epilogue_.inputs_of(context);
    parallel_for(
        bands_.total(), bands_.out_rows * bands_.out_row,
        [&](std::int64_t begin, std::int64_t end, int thread) {
          std::byte* scratch = context.scratch + thread * per_thread_;
          auto* source = reinterpret_cast<float*>(scratch);
          auto* sums = reinterpret_cast<float*>(scratch + at_sums_);
          for (std::int64_t i = begin; i < end; ++i) {
            const std::int64_t image = i / bands_.count, own = i % bands_.count * bands_.out_rows;
            // The last band starts early enough to be a whole one, and writes what is its own.
            const std::int64_t first = std::min(own, bands_.whole.output[0] - bands_.out_rows);
            widen_rows(static_cast<const BFloat16*>(context.inputs[0]), image, first, source);
            conv_.execute(*state.runs[static_cast<std::size_t>(thread)], source, sums, scratch + at_onednn_);
            const std::int64_t row = image * bands_.whole.output[0] + first;
            epilogue_.run(sums + (own - first) * bands_.out_row, (row + own - first) * bands_.out_row,
                          (row + bands_.out_rows) * bands_.out_row, added, context.outputs[0]);
          }
        },
        threads_);
  }
  std::size_t scratch_bytes() const override { return static_cast<std::size_t>(threads_ * per_thread_); }
  std::size_t packed_bytes() const override { return conv_.packed_bytes(); }
  std::unique_ptr<KernelState> make_state() const override {
    auto state = std::make_unique<State>();
    for (int thread = 0; thread < threads_; ++thread) state->runs.push_back(conv_.make_run());
    return state;
  }

 private:
  struct State : KernelState {
    std::vector<std::unique_ptr<OneDnnPrimitive::Run>> runs;  // one per thread
  };

  // What the output rows from `first` on see of an image.
  void widen_rows(const BFloat16* x, std::int64_t image, std::int64_t first, float* out) const {
    const std::int64_t rows = bands_.whole.input[0], length = bands_.in_row;
    const std::int64_t top = first * bands_.whole.strides[0] - bands_.whole.pads_begin[0];
    const std::int64_t bottom = top + bands_.in_rows;
    const std::int64_t begin = std::clamp<std::int64_t>(0, top, bottom);
    const std::int64_t end = std::clamp<std::int64_t>(rows, begin, bottom);
    std::fill_n(out, (begin - top) * length, 0.0F);
    widen(x + (image * rows + begin) * length, (end - begin) * length, out + (begin - top) * length);
    std::fill_n(out + (end - top) * length, (bottom - end) * length, 0.0F);
  }

  Bands bands_;
  OneDnnConv conv_;
  Epilogue epilogue_;
  int threads_;
  std::int64_t at_sums_, at_onednn_, per_thread_;  // bytes of scratch memory
};

}  // namespace

std::unique_ptr<Kernel> make_banded_conv(const ConvProblem& problem, const LinearWeights& weights, const Operand& x,
                                         const Epilogue& epilogue, const KernelOptions& options) {
  if (x.dtype != ir::DType::bf16 || weights.per_channel() == 0) return nullptr;
  const SourceRange source = {x.dtype, 0};
  if (options.path.value_or(choose_path(weights, {}, source, options.cpu).path) != ComputePath::f32) return nullptr;
  // Written-out padding times infinity would be no number.
  if (!std::all_of(weights.real.begin(), weights.real.end(), [](double w) { return std::isfinite(w); })) return nullptr;
  const Bands bands(problem, weights.out_channels * weights.per_channel() * static_cast<std::int64_t>(sizeof(float)));
  const int threads = omp_get_max_threads();
  if (bands.count < 2 || bands.total() < threads) return nullptr;
  const SerialTeam serial;
  std::optional<OneDnnConv> conv =
      OneDnnConv::create(bands.band, ComputePath::f32, options.cpu, weights, 0, weights.in_channels, options.weights);
  if (!conv) return nullptr;
  return std::make_unique<BandedConv>(bands, std::move(*conv), epilogue, threads);
}

}  // namespace vaip::kernels
