// A convolution on oneDNN: of integers in a way that is exact for the operands at hand, or of bfloat16.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "kernels/compute_path.h"
#include "kernels/conv_problem.h"
#include "kernels/kernel.h"
#include "kernels/linear_weights.h"
#include "kernels/onednn.h"
#include "kernels/weight_store.h"

namespace vaip::kernels {

// Source: int8 path u8, bf16 path bfloat16, f32 path floats. Destination: int8 path s32, else floats; the sums of
// products.
class OneDnnConv {
 public:
  // One chunk: input channels [first, first + count) of every group. problem.in_channels counts those of the chunk
  // only. Nothing where oneDNN has no implementation for this, or none that is exact. options.packed_from: has what
  // store() added, of weights that do.
  static std::optional<OneDnnConv> create(const ConvProblem& problem, ComputePath path, const CpuTraits& cpu,
                                          const LinearWeights& weights, std::int64_t first, std::int64_t count,
                                          const KernelOptions& options);

  const std::string& implementation() const { return implementation_; }  // oneDNN's name for its code
  void store(ArchiveWriter& to) const { store_memory(to, packed_); }
  std::size_t scratch_bytes() const { return scratch_bytes_; }
  std::size_t packed_bytes() const { return packed_bytes_; }  // that it does not share
  std::unique_ptr<OneDnnPrimitive::Run> make_run() const { return primitive_.make_run(); }
  void execute(OneDnnPrimitive::Run& run, const void* source, void* destination, void* scratch) const {
    primitive_.execute(run, {const_cast<void*>(source), destination, scratch});
  }

 private:
  OneDnnConv(OneDnnPrimitive primitive, dnnl::memory packed, std::string_view implementation, std::size_t scratch_bytes,
             std::size_t packed_bytes)
      : primitive_(std::move(primitive)),
        packed_(std::move(packed)),
        implementation_(implementation),
        scratch_bytes_(scratch_bytes),
        packed_bytes_(packed_bytes) {}

  OneDnnPrimitive primitive_;
  dnnl::memory packed_;  // its weights
  std::string implementation_;
  std::size_t scratch_bytes_, packed_bytes_;
};

}  // namespace vaip::kernels
