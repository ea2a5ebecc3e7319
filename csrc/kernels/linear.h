// Convolution with constant weights, and whatever else is one: source, weights and geometry in, epilogue applied,
// channels-last result out. Runs on the fastest exact path.
#pragma once

#include <memory>
#include <vector>

#include "kernels/chunked_conv.h"
#include "kernels/conv_problem.h"
#include "kernels/epilogue.h"
#include "kernels/int16_conv.h"
#include "kernels/kernel.h"

namespace vaip::kernels {

class LinearKernel : public Kernel {
 public:
  // x: channels last, of the problem's input, its pixels dense or apart. Of weights that come_packed() only shape and
  // scale are read. Errors do not name the layer; make_kernel adds that.
  LinearKernel(const ConvProblem& problem, LinearWeights weights, const Operand& x, Epilogue epilogue,
               const KernelOptions& options);

  // Whether options.packed_from has the weights of a kernel for x.
  static bool come_packed(const Operand& x, const KernelOptions& options);

  // Of earlier kernels' weights, for those of the next.
  static std::vector<std::int16_t> room(const KernelOptions& options);

  // inputs: x, weights (packed at construction, not read again), bias; outputs: y.
  void execute(const ExecutionContext& context) const override;
  bool reads(std::size_t input) const override { return input != 1; }
  std::size_t scratch_bytes() const override;
  std::size_t packed_bytes() const override;
  std::unique_ptr<KernelState> make_state() const override;
  std::string implementation() const override;
  std::int64_t macs() const override;

  ComputePath path() const { return choice_.path; }
  std::size_t residual_count() const { return chunked_ ? chunked_->residual_count() : 0; }

 private:
  // On the fastest exact path.
  void pack(LinearWeights& weights, const SourceRange& source, KernelOptions options);
  // False where what the path needs does not exist; the weights are then as before.
  bool build(LinearWeights& weights, const WeightBounds& bounds, const SourceRange& range,
             const KernelOptions& options);
  void make_int16(const LinearWeights& weights, const KernelOptions& options);
  void build_f64(const LinearWeights& weights);
  void plan_f64_scratch();
  // What pack() chose and made.
  void store(ArchiveWriter& to) const;
  void restore(LinearWeights& weights, const KernelOptions& options);

  void execute_f64(const ExecutionContext& context) const;

  ConvProblem problem_;
  Operand x_;
  Epilogue epilogue_;
  PathChoice choice_;
  std::int64_t largest_accumulator_ = 0;  // of the int16 path
  bool weights_of_8_bits_ = false;        // likewise

  std::unique_ptr<ChunkedConv> chunked_;  // of the int8, bf16 and f32 paths
  std::unique_ptr<Int16Conv> int16_;      // of the int16 path

  // f64 path: per group, panels for [taps][in_channels] x [out_channels]
  std::vector<double> panels_;
  int threads_ = 1;
  std::size_t sums_offset_ = 0, f64_scratch_ = 0;  // bytes
};

}  // namespace vaip::kernels
