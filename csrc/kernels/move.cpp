#include "kernels/move.h"

#include <cstring>

#include "base/error.h"
#include "kernels/multiversion.h"
#include "kernels/srs.h"
#include "kernels/stored_type.h"

namespace vaip::kernels {
namespace {

// Rows and columns of a tile of a transposition: 32 x 32 elements of up to 8 bytes stay in the L1 cache.
constexpr std::int64_t kTile = 32;

template <typename T>
void copy_strided(const void* from, std::int64_t from_stride, void* to, std::int64_t to_stride, std::int64_t count) {
  const T* in = static_cast<const T*>(from);
  T* out = static_cast<T*>(to);
  for (std::int64_t i = 0; i < count; ++i) out[i * to_stride] = in[i * from_stride];
}

// The same of a few whole columns: they are interleaved. A number of them that the compiler knows makes vectors of
// this.
template <int columns, typename T>
VAIP_MULTIVERSION void interleave(const T* __restrict in, std::int64_t in_stride, T* __restrict out,
                                  std::int64_t rows) {
  for (std::int64_t r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c) out[r * columns + c] = in[r + c * in_stride];
}

// out[c + r * out_stride] = in[r + c * in_stride]
template <typename T>
void transpose_tile(const void* from, std::int64_t in_stride, void* to, std::int64_t out_stride, std::int64_t rows,
                    std::int64_t columns) {
  const T* in = static_cast<const T*>(from);
  T* out = static_cast<T*>(to);
  if (columns == 2 && out_stride == 2) return interleave<2>(in, in_stride, out, rows);
  if (columns == 3 && out_stride == 3) return interleave<3>(in, in_stride, out, rows);
  if (columns == 4 && out_stride == 4) return interleave<4>(in, in_stride, out, rows);
  if (columns == 8 && out_stride == 8) return interleave<8>(in, in_stride, out, rows);
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) out[c + r * out_stride] = in[r + c * in_stride];
}

}  // namespace

ElementMove::ElementMove(const Operand& from, const Operand& to)
    : from_dtype_(from.dtype), element_bytes_(ir::size_of(from.dtype)) {
  if (from.dtype == to.dtype && from.quant == to.quant) {
    if (element_bytes_ != 1 && element_bytes_ != 2 && element_bytes_ != 4 && element_bytes_ != 8)
      fail(ErrorKind::unsupported, "tensor '", from.name, "' has elements of type ", ir::name(from.dtype),
           ", which cannot be moved one by one");
    return;
  }
  if (!is_computable(from.dtype) || !is_computable(to.dtype))
    fail(ErrorKind::unsupported, "no conversion from ", ir::name(from.dtype), " ('", from.name, "') to ",
         ir::name(to.dtype), " ('", to.name, "')");
  from_affine_ = from.affine();
  if (to.last_step.fixed_point && from.quant) {
    from_affine_.scale = srs_factor(from_affine_.scale / to.affine().scale);
    quantizer_ = make_quantizer(in_steps(to));
  } else {
    quantizer_ = make_quantizer(to);
  }
  if (ByteMap::suits(from.dtype, to.dtype))
    bytes_ = std::make_shared<ByteMap>(from.dtype, from_affine_, ir::Activation{}, *quantizer_);
}

void ElementMove::move(const void* from, std::int64_t from_offset, std::int64_t from_stride, void* to,
                       std::int64_t to_offset, std::int64_t to_stride, std::int64_t count) const {
  if (is_copy()) {
    const auto bytes = static_cast<std::int64_t>(element_bytes_);
    const auto* in = static_cast<const std::byte*>(from) + from_offset * bytes;
    auto* out = static_cast<std::byte*>(to) + to_offset * bytes;
    if (from_stride == 1 && to_stride == 1) {
      std::memcpy(out, in, static_cast<std::size_t>(count * bytes));
      return;
    }
    with_bits(element_bytes_,
              [&](auto element) { copy_strided<decltype(element)>(in, from_stride, out, to_stride, count); });
    return;
  }
  if (bytes_)
    return bytes_->run(static_cast<const std::byte*>(from) + from_offset, from_stride, count,
                       static_cast<std::byte*>(to) + to_offset, to_stride);
  double block[kBlock];
  for (std::int64_t begin = 0; begin < count; begin += kBlock) {
    const std::int64_t n = std::min(kBlock, count - begin);
    load_real(from_dtype_, from, from_offset + begin * from_stride, from_stride, n, from_affine_, block);
    store_real(*quantizer_, block, to, to_offset + begin * to_stride, to_stride, n);
  }
}

void ElementMove::gather(const void* from, const std::int64_t* from_offsets, void* to, std::int64_t to_offset,
                         std::int64_t count) const {
  with_bits(element_bytes_, [&](auto element) {
    using T = decltype(element);
    const T* in = static_cast<const T*>(from);
    if (is_copy()) {
      T* out = static_cast<T*>(to) + to_offset;
      for (std::int64_t i = 0; i < count; ++i) out[i] = in[from_offsets[i]];
      return;
    }
    T block[kBlock];
    for (std::int64_t begin = 0; begin < count; begin += kBlock) {
      const std::int64_t n = std::min(kBlock, count - begin);
      for (std::int64_t i = 0; i < n; ++i) block[i] = in[from_offsets[begin + i]];
      move(block, 0, 1, to, to_offset + begin, 1, n);
    }
  });
}

StridedMove::StridedMove(const ElementMove& element, const ir::Shape& dims, const End& from, const End& to)
    : element_(element), from_offset_(from.offset), to_offset_(to.offset), nest_(dims, {to.strides, from.strides}) {
  const LoopNest::Loop& inner = nest_.inner();
  if (!element.is_copy() || inner.strides[0] != 1 || inner.strides[1] == 1) return;
  const std::vector<LoopNest::Loop>& outer = nest_.outer();
  for (std::size_t l = 0; l < outer.size(); ++l) {
    if (outer[l].strides[1] != 1 || outer[l].size < 4) continue;
    ir::Shape rest;
    ir::Shape rest_to, rest_from;
    for (std::size_t i = 0; i < outer.size(); ++i) {
      if (i == l) continue;
      rest.push_back(outer[i].size);
      rest_to.push_back(outer[i].strides[0]);
      rest_from.push_back(outer[i].strides[1]);
    }
    transposition_ = Transposition{LoopNest(rest, {rest_to, rest_from}), outer[l], inner};
    return;
  }
}

void StridedMove::run(const void* from, void* to) const {
  if (transposition_) return run_tiled(from, to);
  const std::int64_t to_stride = nest_.inner().strides[0], from_stride = nest_.inner().strides[1];
  // Copies of long runs are cut only as far as sharing them between threads needs.
  const std::int64_t piece = element_.is_copy() ? 4 * kParallelGrain : 8 * kBlock;
  nest_.for_each_run(piece, [&](const LoopNest::Offsets& at, std::int64_t count) {
    element_.move(from, from_offset_ + at[1], from_stride, to, to_offset_ + at[0], to_stride, count);
  });
}

void StridedMove::run_tiled(const void* from, void* to) const {
  const LoopNest& rest = transposition_->rest;
  const LoopNest::Loop &read = transposition_->read, &write = transposition_->write;
  if (nest_.element_count() == 0) return;
  const auto bytes = static_cast<std::int64_t>(element_.element_bytes());
  // Rows of few columns are short: more of them are as many elements.
  const std::int64_t strip = write.size < kTile ? kTile * kTile / write.size : kTile;
  const std::int64_t strips = (read.size + strip - 1) / strip;
  const std::int64_t boxes = rest.element_count(), per_run = rest.inner().size * strips;
  parallel_for(boxes * strips, std::min(strip, read.size) * write.size, [&](std::int64_t begin, std::int64_t end, int) {
    LoopNest::Cursor cursor(rest, begin / per_run);
    for (std::int64_t task = begin; task < end; ++task) {
      if (task > begin && task % per_run == 0) cursor.advance();
      const LoopNest::Offsets& at = cursor.offsets();
      const std::int64_t index = task % per_run / strips, row = task % strips * strip;
      const auto* in =
          static_cast<const std::byte*>(from) + (from_offset_ + at[1] + index * rest.inner().strides[1] + row) * bytes;
      auto* out = static_cast<std::byte*>(to) +
                  (to_offset_ + at[0] + index * rest.inner().strides[0] + row * read.strides[0]) * bytes;
      const std::int64_t rows = std::min(strip, read.size - row);
      with_bits(element_.element_bytes(), [&](auto element) {
        for (std::int64_t column = 0; column < write.size; column += kTile)
          transpose_tile<decltype(element)>(in + column * write.strides[1] * bytes, write.strides[1],
                                            out + column * bytes, read.strides[0], rows,
                                            std::min(kTile, write.size - column));
      });
    }
  });
}

}  // namespace vaip::kernels
