#include "kernels/byte_map.h"

#include <algorithm>
#include <numeric>

#include "kernels/loop_nest.h"

namespace vaip::kernels {
namespace {

class ByteFunction : public Kernel {
 public:
  ByteFunction(std::size_t input, const Operand& x, const Operand& y, const ByteMap& map)
      : input_(input), nest_(x.shape, {y.strides, x.strides}), map_(map) {}

  void execute(const ExecutionContext& context) const override {
    nest_.for_each_run(kRun, [&](const LoopNest::Offsets& at, std::int64_t count) {
      map_.run(static_cast<const std::byte*>(context.inputs[input_]) + at[1], nest_.inner().strides[1], count,
               static_cast<std::byte*>(context.outputs[0]) + at[0], nest_.inner().strides[0]);
    });
  }
  std::string implementation() const override { return map_.is_arithmetic() ? "loops" : "table"; }
  std::size_t packed_bytes() const override { return sizeof(map_); }

 private:
  static constexpr std::int64_t kRun = 8192;
  std::size_t input_;
  LoopNest nest_;
  ByteMap map_;
};

}  // namespace

ByteMap::ByteMap(ir::DType from, const Affine& affine, const ir::Activation& function, const Quantizer& to)
    : from_signed_(from == ir::DType::s8), to_signed_(to.dtype == ir::DType::s8) {
  std::array<std::uint8_t, 256> patterns;
  std::iota(patterns.begin(), patterns.end(), std::uint8_t{0});
  double values[256];
  load_real(from, patterns.data(), 0, 1, 256, affine, values);
  apply(function, values, 256);
  store_real(to, values, table_.data(), 0, 1, 256);
  find_arithmetic(affine, function, to);
}

// A scaling with limits, if it yields the table in float32, too.
void ByteMap::find_arithmetic(const Affine& affine, const ir::Activation& function, const Quantizer& to) {
  double low = 0.0, high = 0.0;
  if (to.dtype != ir::DType::u8 && to.dtype != ir::DType::s8) return;
  if (!as_limits(function, to, low, high)) return;
  const double scale = affine.scale / to.affine.scale;
  scale_.fill(static_cast<float>(scale));
  bias_.fill(static_cast<float>(-affine.zero_point * scale));
  constexpr float kNoDoubt = 1.0F;
  steps_ = {static_cast<float>(low), static_cast<float>(high), static_cast<float>(to.affine.zero_point), kNoDoubt};
  std::array<std::uint8_t, 256> patterns, results;
  std::iota(patterns.begin(), patterns.end(), std::uint8_t{0});
  scale_row(patterns.data(), 256, results.data());
  is_arithmetic_ = results == table_;
}

void ByteMap::scale_row(const std::uint8_t* in, std::int64_t count, std::uint8_t* out) const {
  const auto* signed_in = reinterpret_cast<const std::int8_t*>(in);
  auto* signed_out = reinterpret_cast<std::int8_t*>(out);
  const float *scale = scale_.data(), *bias = bias_.data();
  if (from_signed_ && to_signed_)
    scale_to_bytes(signed_in, count, scale, bias, steps_, signed_out);
  else if (from_signed_)
    scale_to_bytes(signed_in, count, scale, bias, steps_, out);
  else if (to_signed_)
    scale_to_bytes(in, count, scale, bias, steps_, signed_out);
  else
    scale_to_bytes(in, count, scale, bias, steps_, out);
}

void ByteMap::run(const void* in, std::int64_t count, void* out) const {
  const auto* from = static_cast<const std::uint8_t*>(in);
  auto* to = static_cast<std::uint8_t*>(out);
  if (is_arithmetic_)
    for (std::int64_t i = 0; i < count; i += kRow) scale_row(from + i, std::min(kRow, count - i), to + i);
  else
    for (std::int64_t i = 0; i < count; ++i) to[i] = table_[from[i]];
}

void ByteMap::run(const void* in, std::int64_t in_stride, std::int64_t count, void* out,
                  std::int64_t out_stride) const {
  if (in_stride == 1 && out_stride == 1) return run(in, count, out);
  const auto* from = static_cast<const std::uint8_t*>(in);
  auto* to = static_cast<std::uint8_t*>(out);
  for (std::int64_t i = 0; i < count; ++i) to[i * out_stride] = table_[from[i * in_stride]];
}

std::unique_ptr<Kernel> make_byte_function(std::size_t input, const LayerOperands& operands, const Affine& affine,
                                           const ir::Activation& function) {
  const Operand &x = operands.inputs[input], &y = operands.outputs[0];
  return std::make_unique<ByteFunction>(input, x, y, ByteMap(x.dtype, affine, function, make_quantizer(y)));
}

}  // namespace vaip::kernels
