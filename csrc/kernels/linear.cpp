#include "kernels/linear.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "base/archive.h"
#include "base/error.h"
#include "kernels/gemm.h"
#include "kernels/parallel.h"
#include "kernels/real_block.h"
#include "kernels/scratch.h"
#include "kernels/weight_store.h"

namespace vaip::kernels {
namespace {

using ir::DType;

std::size_t f64_panel_elements(const ConvProblem& problem) {
  const std::int64_t depth = problem.in_channels / problem.groups * ir::element_count(problem.kernel);
  return static_cast<std::size_t>(problem.groups * packed_size<double>(depth, problem.out_channels / problem.groups));
}

}  // namespace

LinearKernel::LinearKernel(const ConvProblem& problem, LinearWeights weights, const Operand& x, Epilogue epilogue,
                           const KernelOptions& options)
    : problem_(fold_pointwise(problem)), x_(x), epilogue_(std::move(epilogue)) {
  SourceRange source;
  source.dtype = x.dtype;
  source.zero_point = x.quant ? x.quant->zero_point[0] : 0;
  if (come_packed(x, options))
    restore(weights, options);
  else
    pack(weights, source, options);
  if (choice_.path == ComputePath::f64) plan_f64_scratch();
  if (options.weights != nullptr) options.weights->give_room(std::move(weights.integers));
}

std::vector<std::int16_t> LinearKernel::room(const KernelOptions& options) {
  return options.weights != nullptr ? options.weights->take_room() : std::vector<std::int16_t>();
}

bool LinearKernel::come_packed(const Operand& x, const KernelOptions& options) {
  return options.packed_from != nullptr && x.dtype != DType::bf16;  // whose values have a say in how they are used
}

void LinearKernel::pack(LinearWeights& weights, const SourceRange& source, KernelOptions options) {
  options.packed_from = nullptr;
  const WeightBounds bounds = bounds_of(weights);
  CpuTraits cpu = options.cpu;  // what it has for this problem
  cpu.int16_dot_product = cpu.int16_dot_product && Int16Conv::suits(problem_, x_.dtype);
  choice_ = options.path ? require_path(*options.path, weights, bounds, source, cpu)
                         : choose_path(weights, bounds, source, cpu);
  while (choice_.path != ComputePath::f64 && !build(weights, bounds, source, options)) {
    if (options.path) fail(ErrorKind::invalid_argument, "there is no implementation for path ", name(choice_.path));
    const auto next = static_cast<ComputePath>(static_cast<int>(choice_.path) + 1);
    choice_ = choose_path(weights, bounds, source, cpu, next);
  }
  if (choice_.path == ComputePath::f64) build_f64(weights);
  if (options.packed_to != nullptr && !source.is_bf16()) store(*options.packed_to);
}

bool LinearKernel::build(LinearWeights& weights, const WeightBounds& bounds, const SourceRange& range,
                         const KernelOptions& options) {
  if (choice_.path == ComputePath::int16) {
    if (!Int16Conv::is_possible(problem_)) return false;
    largest_accumulator_ = bounds.largest_accumulator(range.centred());
    weights_of_8_bits_ = bounds.fit_8_bits();
    make_int16(weights, options);
    return true;
  }
  chunked_ = ChunkedConv::create(problem_, x_, choice_, weights, bounds, epilogue_, options);
  return chunked_ != nullptr;
}

void LinearKernel::make_int16(const LinearWeights& weights, const KernelOptions& options) {
  const bool wide = largest_accumulator_ > std::numeric_limits<std::int32_t>::max();
  int16_ = std::make_unique<Int16Conv>(problem_, weights, x_, options, Int16Range{wide, weights_of_8_bits_});
  epilogue_.set_largest_accumulator(largest_accumulator_);
}

void LinearKernel::store(ArchiveWriter& to) const {
  to.add_values<std::int64_t>({static_cast<std::int64_t>(choice_.path), choice_.chunk_channels, choice_.chunks,
                               largest_accumulator_, weights_of_8_bits_ ? 1 : 0});
  if (int16_) return int16_->store(to);
  if (chunked_) return chunked_->store(to);
  to.add_view(Span<const double>(panels_));
}

void LinearKernel::restore(LinearWeights& weights, const KernelOptions& options) {
  ArchiveReader& from = *options.packed_from;
  const auto choice = from.take_value<std::array<std::int64_t, 5>>();
  choice_ = {static_cast<ComputePath>(choice[0]), choice[1], choice[2]};
  largest_accumulator_ = choice[3];
  weights_of_8_bits_ = choice[4] != 0;
  const bool known = choice[0] >= 0 && choice_.path <= ComputePath::f64 && choice_.chunk_channels >= 1;
  const bool possible = choice_.path != ComputePath::int16 || Int16Conv::is_possible(problem_);
  if (!known || !possible) from.reject("no kernel is made in this way");
  if (choice_.path == ComputePath::f64) {
    panels_ = from.take_values<double>();
    if (panels_.size() != f64_panel_elements(problem_)) from.reject("a section has another size");
  } else if (choice_.path == ComputePath::int16) {
    make_int16(weights, options);
  } else {
    chunked_ = ChunkedConv::create(problem_, x_, choice_, weights, {}, epilogue_, options);
    if (!chunked_) from.reject("oneDNN has no such convolution");
  }
}

void LinearKernel::build_f64(const LinearWeights& w) {
  const std::int64_t depth = w.per_channel(), columns = w.out_channels / w.groups;
  panels_.assign(f64_panel_elements(problem_), 0.0);
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

void LinearKernel::plan_f64_scratch() {
  threads_ = omp_get_max_threads();
  const std::int64_t depth = problem_.in_channels / problem_.groups * ir::element_count(problem_.kernel);
  sums_offset_ = aligned(static_cast<std::size_t>(threads_ * kGemmRows * depth) * sizeof(double));
  f64_scratch_ = sums_offset_ + static_cast<std::size_t>(threads_ * kGemmRows * problem_.out_channels) * sizeof(double);
}

std::size_t LinearKernel::scratch_bytes() const {
  return int16_ ? int16_->scratch_bytes() : chunked_ ? chunked_->scratch_bytes() : f64_scratch_;
}

std::size_t LinearKernel::packed_bytes() const {
  return int16_ ? int16_->packed_bytes() : chunked_ ? chunked_->packed_bytes() : panels_.size() * sizeof(double);
}

std::string LinearKernel::implementation() const {
  return int16_ ? "int16 tiles" : chunked_ ? chunked_->implementation() : "loops in double";
}

std::int64_t LinearKernel::macs() const {
  const std::int64_t per_output = problem_.in_channels / problem_.groups * ir::element_count(problem_.kernel);
  return problem_.output_pixels() * problem_.out_channels * per_output;
}

std::unique_ptr<KernelState> LinearKernel::make_state() const { return chunked_ ? chunked_->make_state() : nullptr; }

void LinearKernel::execute(const ExecutionContext& context) const {
  const EpilogueInputs added = epilogue_.inputs_of(context);
  const void* x = context.inputs[0];
  if (int16_) return int16_->execute(x, epilogue_, added, context.scratch, context.outputs[0]);
  if (chunked_) return chunked_->execute(x, epilogue_, added, *context.state, context.scratch, context.outputs[0]);
  execute_f64(context);
}

void LinearKernel::execute_f64(const ExecutionContext& context) const {
  const std::int64_t per_group = problem_.in_channels / problem_.groups;
  const std::int64_t columns = problem_.out_channels / problem_.groups;
  const std::int64_t taps = ir::element_count(problem_.kernel), depth = per_group * taps;
  const std::int64_t pixels = problem_.output_pixels();
  const std::int64_t blocks = (pixels + kGemmRows - 1) / kGemmRows;
  const std::int64_t pitch = pixel_pitch(x_, problem_.in_channels).value_or(0);
  const Affine centred = {1.0, x_.affine().zero_point};
  const EpilogueInputs added = epilogue_.inputs_of(context);
  parallel_for(
      blocks, kGemmRows * depth * problem_.out_channels,
      [&](std::int64_t begin, std::int64_t end, int thread) {
        double* rows = reinterpret_cast<double*>(context.scratch) + thread * kGemmRows * depth;
        double* sums =
            reinterpret_cast<double*>(context.scratch + sums_offset_) + thread * kGemmRows * problem_.out_channels;
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
                  load_real(x_.dtype, context.inputs[0], input * pitch + group * per_group, 1, per_group, centred, row);
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
