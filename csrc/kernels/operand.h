// What a kernel knows about a tensor that it reads or writes: type, logical shape, physical order, quantization.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "kernels/rounding.h"

namespace vaip::kernels {

// The physical order of a tensor's elements. channels_last keeps axis 1 innermost (N, spatial..., C); rank 3 and above.
enum class Layout : std::uint8_t { row_major, channels_last };

// real = (q - zero_point) * scale; the identity for tensors without quantization parameters.
struct Affine {
  double scale = 1.0;
  double zero_point = 0.0;
  bool operator==(const Affine& o) const { return scale == o.scale && zero_point == o.zero_point; }
  bool operator!=(const Affine& o) const { return !(*this == o); }
};

struct Operand {
  std::string name;
  ir::DType dtype = ir::DType::undefined;  // undefined: an optional input that is absent
  ir::Shape shape;                         // logical, whatever the layout
  Layout layout = Layout::row_major;
  ir::Shape strides;  // in elements, per logical dimension; may differ from the layout's: see strided_access()
  std::optional<ir::QuantParams> quant;
  std::optional<ir::Constant> constant;
  LastStep last_step;  // of an output

  bool present() const { return dtype != ir::DType::undefined; }
  int rank() const { return static_cast<int>(shape.size()); }
  std::int64_t count() const { return ir::element_count(shape); }
  std::size_t size_bytes() const { return static_cast<std::size_t>(count()) * ir::size_of(dtype); }
  bool per_tensor() const { return !quant || quant->per_tensor(); }
  // The mapping to real numbers. Throws Error(unsupported) for parameters per axis.
  Affine affine() const;
};

// What activations are quantized to.
bool is_of_8_or_16_bits(ir::DType dtype);

Operand make_operand(const ir::Value& value, Layout layout);

ir::Shape strides_of(const ir::Shape& shape, Layout layout);

// Whether both layouts store a tensor of this shape in the same order, so that changing between them is free.
bool same_order(const ir::Shape& shape, Layout a, Layout b);

// Whether the operand's strides are those of its shape and layout.
bool is_dense(const Operand& operand);

// An operand in the order of its layout, as rows without gaps that are `pitch` elements apart; a dense one is one row.
struct Rows {
  std::int64_t length = 0, pitch = 0;

  // Calls body(offset, element, count) for the pieces of rows that elements [begin, end) are, with the offset of each.
  template <typename Body>
  void for_each_piece(std::int64_t begin, std::int64_t end, const Body& body) const {
    std::int64_t row = begin / length, within = begin % length;
    while (begin < end) {
      const std::int64_t count = std::min(length - within, end - begin);
      body(row * pitch + within, begin, count);
      begin += count;
      ++row;
      within = 0;
    }
  }
};
std::optional<Rows> rows_of(const Operand& operand);

// From one of the operand's pixels of so many channels (its innermost dimension) to the next, where all are the same
// distance apart.
std::optional<std::int64_t> pixel_pitch(const Operand& operand, std::int64_t channels);

// The operand's strides seen from `shape`, to which it broadcasts by numpy's rules: 0 along repeated dimensions.
ir::Shape broadcast_strides(const Operand& operand, const ir::Shape& shape);

// A constant's elements as real numbers in row-major order, quantization parameters (also per axis) applied.
std::vector<double> real_values(const Operand& constant);

// The stored integers of a u4 or s4 constant.
std::vector<std::int8_t> unpack_4_bits(const Operand& constant);

// Throws Error(invalid_model) for a constant with fewer bytes than its shape and type need.
void check_size(const Operand& constant);

}  // namespace vaip::kernels
