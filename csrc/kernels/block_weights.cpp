#include "kernels/block_weights.h"

#include <algorithm>

#include "base/error.h"
#include "ir/packed.h"
#include "kernels/multiversion.h"

namespace vaip::kernels {
namespace {

struct Blocks {
  std::int64_t depth, block;
  const float* scale;
  const std::int32_t* zero_point;
};

VAIP_MULTIVERSION void unpack_halves(const Blocks& blocks, const std::uint8_t* __restrict from,
                                     double* __restrict out) {
  const std::int64_t count = (blocks.depth + blocks.block - 1) / blocks.block;
  for (std::int64_t block = 0; block < count; ++block) {
    const std::int64_t length = std::min(blocks.block, blocks.depth - block * blocks.block);
    const std::int64_t low = (length + 1) / 2, high = length / 2;
    const double scale = blocks.scale[block];
    const std::int32_t zero_point = blocks.zero_point[block];
    for (std::int64_t i = 0; i < low; ++i) out[i] = scale * ((from[i] & 0xF) - zero_point);
    for (std::int64_t i = 0; i < high; ++i) out[low + i] = scale * ((from[i] >> 4) - zero_point);
    from += low;
    out += length;
  }
}

VAIP_MULTIVERSION void widen(const Blocks& blocks, const std::uint8_t* __restrict from, double* __restrict out) {
  const std::int64_t count = (blocks.depth + blocks.block - 1) / blocks.block;
  for (std::int64_t block = 0; block < count; ++block) {
    const std::int64_t begin = block * blocks.block, end = std::min(blocks.depth, begin + blocks.block);
    const double scale = blocks.scale[block];
    const std::int32_t zero_point = blocks.zero_point[block];
    for (std::int64_t i = begin; i < end; ++i) out[i] = scale * (from[i] - zero_point);
  }
}

// The stored integers, row-major, minus the lowest of their type.
std::vector<std::uint8_t> unsigned_integers(const Operand& b) {
  check_size(b);
  const auto count = static_cast<std::size_t>(b.count());
  const auto* bytes = b.constant->as<std::uint8_t>();
  std::vector<std::uint8_t> integers(count);
  if (ir::is_packed(b.dtype)) {
    const auto unpacked = unpack_4_bits(b);
    std::copy(unpacked.begin(), unpacked.end(), integers.begin());
  } else if (b.dtype == ir::DType::u8 || b.dtype == ir::DType::s8) {
    std::copy(bytes, bytes + count, integers.begin());
  } else {
    fail(ErrorKind::unsupported, "the weight '", b.name, "' is ", ir::name(b.dtype),
         ", quantized in blocks; 4 and 8 bits are executed");
  }
  const auto lowest = static_cast<std::uint8_t>(ir::lowest(b.dtype));  // modulo 256, as the subtraction
  for (std::uint8_t& v : integers) v = static_cast<std::uint8_t>(v - lowest);
  return integers;
}

// [rows][columns] -> [columns][rows]
template <typename T>
std::vector<T> turned(const std::vector<T>& in, std::int64_t rows, std::int64_t columns) {
  std::vector<T> out(in.size());
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c)
      out[static_cast<std::size_t>(c * rows + r)] = in[static_cast<std::size_t>(r * columns + c)];
  return out;
}

}  // namespace

BlockWeights::BlockWeights(const Operand& b, std::int64_t depth, std::int64_t columns, bool transposed)
    : depth_(depth),
      block_(b.quant->block),
      blocks_((depth + block_ - 1) / block_),
      packed_(ir::is_packed(b.dtype)),
      column_bytes_(depth),
      scale_(b.quant->scale),
      zero_point_(b.quant->zero_point) {
  const bool along_depth = b.rank() == 2 && b.quant->axis == (transposed ? 1 : 0);
  const bool complete = static_cast<std::int64_t>(scale_.size()) == blocks_ * columns;
  if (!along_depth || !complete || zero_point_.size() != scale_.size())
    fail(ErrorKind::unsupported, "the blocks of '", b.name, "' do not divide its depth of ", depth);
  integers_ = unsigned_integers(b);
  if (!transposed) {
    integers_ = turned(integers_, depth, columns);
    scale_ = turned(scale_, blocks_, columns);
    zero_point_ = turned(zero_point_, blocks_, columns);
  }
  const auto lowest = static_cast<std::int32_t>(ir::lowest(b.dtype));
  for (std::int32_t& zero_point : zero_point_) zero_point -= lowest;
  if (!packed_) return;
  const std::int64_t last = depth - (blocks_ - 1) * block_;
  column_bytes_ = depth == 0 ? 0 : (blocks_ - 1) * ((block_ + 1) / 2) + (last + 1) / 2;
  std::vector<std::uint8_t> halves(static_cast<std::size_t>(columns * column_bytes_));
  auto to = halves.begin();
  for (std::int64_t c = 0; c < columns; ++c) {
    for (std::int64_t block = 0; block < blocks_; ++block) {
      const std::int64_t length = std::min(block_, depth - block * block_), low = (length + 1) / 2;
      const auto from = integers_.begin() + c * depth + block * block_;
      for (std::int64_t i = 0; i < low; ++i) {
        const int high = low + i < length ? from[low + i] : 0;
        *to++ = static_cast<std::uint8_t>(from[i] | high << 4);
      }
    }
  }
  integers_ = std::move(halves);
}

void BlockWeights::column(std::int64_t column, double* out) const {
  const Blocks blocks{depth_, block_, scale_.data() + column * blocks_, zero_point_.data() + column * blocks_};
  const std::uint8_t* from = integers_.data() + column * column_bytes_;
  packed_ ? unpack_halves(blocks, from, out) : widen(blocks, from, out);
}

std::size_t BlockWeights::bytes() const {
  return integers_.size() + scale_.size() * (sizeof(float) + sizeof(std::int32_t));
}

}  // namespace vaip::kernels
