// The loops over an index space that several strided operands share.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "ir/shape.h"
#include "kernels/parallel.h"

namespace vaip::kernels {

// Dimensions are ordered by the first operand's strides, largest first, so that its innermost run is contiguous where
// it can be, and merged wherever every operand allows it.
class LoopNest {
 public:
  static constexpr std::size_t kMaxOperands = 16;
  static constexpr std::size_t kMaxRank = 12;

  struct Loop {
    std::int64_t size = 1;
    std::array<std::int64_t, kMaxOperands> strides{};
  };
  using Offsets = std::array<std::int64_t, kMaxOperands>;

  // strides[o][d]: of operand o along dimension d, in elements; 0 where it is broadcast.
  LoopNest(const ir::Shape& dims, const std::vector<ir::Shape>& strides);

  const std::vector<Loop>& outer() const { return outer_; }  // outermost first
  const Loop& inner() const { return inner_; }
  std::int64_t run_count() const { return runs_; }
  std::int64_t element_count() const { return runs_ * inner_.size; }

  // A position among the runs; advancing it needs no divisions.
  class Cursor {
   public:
    Cursor(const LoopNest& nest, std::int64_t run);
    const Offsets& offsets() const { return offsets_; }
    void advance();

   private:
    const LoopNest& nest_;
    std::array<std::int64_t, kMaxRank> index_{};
    Offsets offsets_{};
  };

  // Calls body(offsets, count) for pieces of at most `piece` elements of every innermost run, in parallel. cost: the
  // elements touched per element of the nest.
  template <typename Body>
  void for_each_run(std::int64_t piece, const Body& body, std::int64_t cost = 1) const {
    if (element_count() == 0) return;
    const std::int64_t pieces = (inner_.size + piece - 1) / piece;
    parallel_for(runs_ * pieces, std::min(inner_.size, piece) * cost, [&](std::int64_t begin, std::int64_t end, int) {
      Cursor cursor(*this, begin / pieces);
      for (std::int64_t task = begin; task < end;) {
        Offsets offsets = cursor.offsets();
        const std::int64_t first = task % pieces, last = std::min(pieces, first + end - task);
        for (std::int64_t p = first; p < last; ++p) {
          for (std::size_t o = 0; o < operands_; ++o) offsets[o] = cursor.offsets()[o] + p * piece * inner_.strides[o];
          body(offsets, std::min(piece, inner_.size - p * piece));
        }
        task += last - first;
        cursor.advance();
      }
    });
  }

 private:
  std::vector<Loop> outer_;
  Loop inner_;
  std::int64_t runs_ = 1;
  std::size_t operands_ = 0;
};

}  // namespace vaip::kernels
