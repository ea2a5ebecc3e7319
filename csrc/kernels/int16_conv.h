// A convolution of integers of at most 16 bits, exact in 32: pairs of products are summed by vpmaddwd. oneDNN has no
// such kernel; its int8 ones saturate on CPUs without an int8 dot product, and its f32 ones are exact for a few
// channels of 16 bits only. It works through blocks of output pixels: the source under them is gathered and centred,
// multiplied with panels of packed weights, and finished while the sums are in the cache.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "kernels/conv_problem.h"
#include "kernels/epilogue.h"
#include "kernels/kernel.h"
#include "kernels/linear_weights.h"
#include "kernels/operand.h"

namespace vaip::kernels {

// Sums may exceed 32 bits where they are wide, for which the weights have to be of 8.
struct Int16Range {
  bool wide_sums = false, weights_of_8_bits = false;
};

class Int16Conv {
 public:
  // x: the source, of integers that fit 16 bits less their zero point. Without the CPU's instruction it is slow.
  // options.packed_from: has what store() added, and nothing is packed then.
  Int16Conv(const ConvProblem& problem, const LinearWeights& weights, const Operand& x, const KernelOptions& options,
            const Int16Range& range);

  static bool is_possible(const ConvProblem& problem);  // up to three spatial dimensions
  // Whether it is made for this: depthwise convolutions and, of bytes, products of a few rows are better off elsewhere.
  static bool suits(const ConvProblem& problem, ir::DType source);

  std::size_t packed_bytes() const { return packed_bytes_; }  // that it does not share
  void store(ArchiveWriter& to) const;
  std::size_t scratch_bytes() const;  // for the team at hand
  void execute(const void* x, const Epilogue& epilogue, const EpilogueInputs& added, std::byte* scratch,
               void* output) const;

 private:
  static constexpr std::size_t kMaxRank = 3;

  template <typename T>
  void pack(const LinearWeights& weights, T* to) const;
  // Pairs of the panel's depth from k on, as 16 bits: widened into `buffer` where they are stored in 8.
  const std::int16_t* panel_at(std::int64_t panel, std::int64_t k, std::int64_t depth, std::int16_t* buffer) const;
  // Output pixels that are computed together.
  struct Block {
    std::int64_t first, count;
  };
  // Rows of the source under them, of a group; `stride_` apart.
  void gather(const void* x, std::int64_t group, const Block& block, std::int16_t* rows) const;
  // A window's first element, which may lie in the padding: its place along each dimension, and in the tensor.
  struct Origin {
    std::array<std::int64_t, kMaxRank> at{};
    std::int64_t element = 0;
    bool inside = false;  // all of the window, along all dimensions but the last
  };
  Origin origin_of(std::int64_t output_pixel) const;
  template <typename T>
  void gather_row(const T* source, std::int64_t group, const Origin& origin, std::int16_t* row) const;
  template <typename T>
  void gather_rows(const T* source, std::int64_t group, std::int64_t first, std::int64_t count,
                   std::int16_t* rows) const;
  struct Rows {
    const std::int16_t* data;
    std::int64_t stride, count;
  };
  // Panels of a group whose sums are computed and finished together.
  struct Chunk {
    std::int64_t first, panels;
  };
  // sums: [rows][columns of the chunk], as are the totals of wide sums.
  void multiply(const Rows& rows, std::int64_t group, const Chunk& chunk, std::int32_t* sums, double* totals,
                std::int16_t* panel_buffer) const;
  struct Output {
    const Epilogue& epilogue;
    const EpilogueInputs& added;
    void* data;
  };
  // arranged: see Finish.
  template <typename Acc>
  void finish(const Acc* sums, std::int64_t group, const Chunk& chunk, const Block& block, Acc* arranged,
              const Output& output) const;
  void plan_blocks();
  // What a thread needs: gathered rows, their sums, totals of these, both as the output has them, and a widened panel.
  struct Scratch {
    std::size_t sums = 0, totals = 0, arranged = 0, panel = 0, bytes = 0;  // offsets; rows come first
  };
  Scratch scratch() const;

  ConvProblem problem_;
  ir::DType dtype_;
  std::int64_t zero_point_ = 0;
  std::int64_t pixel_pitch_;  // of the source, in elements
  bool dot_product_, wide_;
  bool in_bytes_;                                                   // weights are stored in 8 bits
  std::int64_t taps_ = 0, group_channels_ = 0, group_outputs_ = 0;  // of one group: input and output channels
  std::int64_t depth_ = 0, stride_ = 0;  // of a gathered row: elements, an even number of them, and to the next row
  std::int64_t panels_ = 0;              // of 16 output channels, of a group
  std::int64_t block_rows_ = 0, chunk_panels_ = 0;
  // Sums are finished a block at once where they lie as the output does; else row by row; or, where these are short,
  // copied first: without what pads the last panel, beside those of the other groups.
  enum class Finish : std::uint8_t { whole_blocks, rows, arranged_blocks } finish_ = Finish::whole_blocks;
  // The taps of all dimensions but the last: where they are from the window's origin, and in elements.
  struct OuterTap {
    std::array<std::int64_t, kMaxRank> steps{};
    std::int64_t offset = 0;
  };
  OuterTap outer_tap(std::int64_t index) const;
  std::vector<OuterTap> outer_taps_;
  dnnl::memory memory_;                // only the memory: oneDNN has no products of 16 bits
  const std::byte* packed_ = nullptr;  // in it: [group][panel][depth / 2][16][2]
  std::size_t packed_bytes_ = 0;
};

}  // namespace vaip::kernels
