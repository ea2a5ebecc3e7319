// A convolution on oneDNN, in chunks of input channels where the sums of all of them would not be exact, and in bands
// of rows where those would not stay in the cache: each band is prepared, multiplied and finished by one thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "kernels/bands.h"
#include "kernels/epilogue.h"
#include "kernels/kernel.h"
#include "kernels/linear_source.h"
#include "kernels/onednn_conv.h"
#include "kernels/residual_product.h"

namespace vaip::kernels {

class ChunkedConv {
 public:
  // choice: the int8, bf16 or f32 path. Takes what would saturate out of the weights, and tells the epilogue what to
  // expect. Null where oneDNN has no implementation, or none that is exact; weights and epilogue are then as before.
  // options.packed_from: has what store() added, and weights and bounds are not looked at.
  static std::unique_ptr<ChunkedConv> create(const ConvProblem& problem, const Operand& x, const PathChoice& choice,
                                             LinearWeights& weights, const WeightBounds& bounds, Epilogue& epilogue,
                                             const KernelOptions& options);

  void store(ArchiveWriter& to) const;
  std::size_t residual_count() const { return residuals_.residual_count(); }
  std::size_t packed_bytes() const;  // that it does not share
  std::size_t scratch_bytes() const { return static_cast<std::size_t>(threads_) * per_thread_; }
  std::string implementation() const;
  std::unique_ptr<KernelState> make_state() const;
  void execute(const void* x, const Epilogue& epilogue, const EpilogueInputs& added, KernelState& state,
               std::byte* scratch, void* output) const;

 private:
  struct Chunk {
    std::int64_t first, count;  // input channels of each group
    OneDnnConv conv;
  };
  struct State;

  ChunkedConv(const Bands& bands, const Operand& x, const PathChoice& choice, int threads);
  std::int64_t all_channels() const { return bands_.whole().in_channels / bands_.whole().groups; }  // of a group
  bool add_chunks(const LinearWeights& weights, const KernelOptions& options);
  void plan_scratch();
  void execute_band(std::int64_t band, int thread, const void* x, const Epilogue& epilogue, const EpilogueInputs& added,
                    const State& state, std::byte* scratch, void* output) const;

  Bands bands_;
  PathChoice choice_;
  int threads_;  // that work on bands of their own
  LinearSource source_;
  std::vector<Chunk> chunks_;
  ResidualProduct residuals_;
  // Of integers: the largest of all accumulators, and the zero point's share of each channel's.
  struct Sums {
    std::int64_t largest = 0;
    std::vector<double> shares;
  };
  Sums sums_;

  // Byte offsets in a thread's scratch memory.
  struct Offsets {
    std::size_t source = 0, partial = 0, total = 0, onednn = 0, residuals = 0;
  };
  Offsets offsets_;
  std::size_t per_thread_ = 0;
};

}  // namespace vaip::kernels
