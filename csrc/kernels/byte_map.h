// A function of a byte that yields a byte: a table of its 256 results, or arithmetic where that is the same, which is
// twice as fast.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "ir/activation.h"
#include "kernels/byte_steps.h"
#include "kernels/kernel.h"
#include "kernels/real_block.h"

namespace vaip::kernels {

class ByteMap {
 public:
  static bool suits(ir::DType from, ir::DType to) { return ir::size_of(from) == 1 && ir::size_of(to) == 1; }
  // from: u8, s8 or boolean, of which `affine` makes real numbers; to: what these are written as.
  ByteMap(ir::DType from, const Affine& affine, const ir::Activation& function, const Quantizer& to);

  bool is_arithmetic() const { return is_arithmetic_; }
  void run(const void* in, std::int64_t count, void* out) const;  // dense
  void run(const void* in, std::int64_t in_stride, std::int64_t count, void* out, std::int64_t out_stride) const;

 private:
  static constexpr std::int64_t kRow = 256;  // elements computed at once

  void find_arithmetic(const Affine& affine, const ir::Activation& function, const Quantizer& to);
  void scale_row(const std::uint8_t* in, std::int64_t count, std::uint8_t* out) const;

  bool from_signed_, to_signed_;
  std::array<std::uint8_t, 256> table_;  // bit patterns, indexed by them
  bool is_arithmetic_ = false;
  std::array<float, kRow> scale_, bias_;  // one number each
  ByteSteps steps_{};
};

// The layer's output: of that input, whose numbers are what `affine` makes of it, and of no other.
std::unique_ptr<Kernel> make_byte_function(std::size_t input, const LayerOperands& operands, const Affine& affine,
                                           const ir::Activation& function);

}  // namespace vaip::kernels
