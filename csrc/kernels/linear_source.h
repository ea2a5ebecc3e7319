// The source of a convolution, or of a band of it, as oneDNN is given it: a range of input channels of every group, in
// the type of the path, with the padding written out where it is not zero or belongs to a band.
#pragma once

#include <cstdint>

#include "kernels/bands.h"
#include "kernels/compute_path.h"
#include "kernels/conv_problem.h"

namespace vaip::kernels {

// int8 path: u8, zero point included; s8 moves up by 128 together with its zero point. bf16 path:
// the tensor itself. f32 path: floats, zero point subtracted.
std::int64_t prepared_element_bytes(ComputePath path);

class LinearSource {
 public:
  LinearSource() = default;
  LinearSource(const Bands& bands, const Operand& x, ComputePath path);

  // The convolution of a band that is left to do on `count` channels of every group: padding that holds a zero point is
  // part of the source, since oneDNN's own way with it costs a third of its speed.
  ConvProblem remaining(std::int64_t count) const;
  // Of the prepared elements; 0 but on the int8 path.
  std::int64_t zero_point() const { return zero_point_; }

  // 0: the tensor itself will do.
  std::size_t prepared_bytes(std::int64_t count) const;
  // Channels [first, first + count) of every group, of what the band at `place` reads; into `buffer` unless the tensor
  // itself will do.
  const void* prepare(const void* x, const Bands::Place& place, std::int64_t first, std::int64_t count,
                      void* buffer) const;

 private:
  // Whether the tensor has what a band at `place` reads, as it is read.
  bool is_stored(const Bands::Place& place, std::int64_t count) const;
  template <typename Convert>
  void gather(const std::byte* x, const Bands::Place& place, std::int64_t first, std::int64_t count, std::byte* out,
              const Convert& convert) const;

  Bands bands_;
  ir::DType dtype_ = ir::DType::undefined;
  bool int8_ = false;
  bool stored_as_read_ = false;
  std::int64_t pixel_pitch_ = 0;  // of the tensor, in elements
  bool padded_ = false;           // padding that is not a band's is written out, too
  std::int32_t stored_zero_ = 0;  // the tensor's zero point
  std::int64_t zero_point_ = 0;
  std::int64_t in_bytes_ = 1, out_bytes_ = 1;
};

}  // namespace vaip::kernels
