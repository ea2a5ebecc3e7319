// Moving elements between two strided tensors: the one engine under Concat, Slice, Split, Pad, Transpose, Reshape,
// Expand, Tile, Gather, nearest Resize and the executor's reorders. Elements are copied as they are when both ends have
// the same type and quantization, else requantized.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "kernels/byte_map.h"
#include "kernels/loop_nest.h"
#include "kernels/operand.h"
#include "kernels/real_block.h"

namespace vaip::kernels {

// How one run of elements gets from one operand's representation into another's.
class ElementMove {
 public:
  ElementMove(const Operand& from, const Operand& to);

  bool is_copy() const { return !quantizer_; }
  std::size_t element_bytes() const { return element_bytes_; }  // of either end, for a copy

  // Offsets and strides in elements; any count.
  void move(const void* from, std::int64_t from_offset, std::int64_t from_stride, void* to, std::int64_t to_offset,
            std::int64_t to_stride, std::int64_t count) const;
  // The elements at the given places, next to each other.
  void gather(const void* from, const std::int64_t* from_offsets, void* to, std::int64_t to_offset,
              std::int64_t count) const;

 private:
  ir::DType from_dtype_;
  Affine from_affine_;
  std::size_t element_bytes_;
  std::optional<Quantizer> quantizer_;    // absent: a copy
  std::shared_ptr<const ByteMap> bytes_;  // of bytes that become others; as often as this is copied
};

// A box of `dims` elements moved between two tensors.
class StridedMove {
 public:
  struct End {
    std::int64_t offset = 0;
    ir::Shape strides;  // one per dimension of the box; may be negative or, when reading, 0
  };
  StridedMove(const ElementMove& element, const ir::Shape& dims, const End& from, const End& to);

  void run(const void* from, void* to) const;

 private:
  void run_tiled(const void* from, void* to) const;

  ElementMove element_;
  std::int64_t from_offset_, to_offset_;
  LoopNest nest_;  // operand 0: to, operand 1: from
  // Set when reading is contiguous along another dimension than writing: both are then walked in tiles.
  struct Transposition {
    LoopNest rest;               // the other dimensions
    LoopNest::Loop read, write;  // the dimensions along which reading and writing are contiguous
  };
  std::optional<Transposition> transposition_;
};

}  // namespace vaip::kernels
