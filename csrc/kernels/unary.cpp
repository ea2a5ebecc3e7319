// Functions of one element: activations and changes of quantization parameters. For inputs of 8 and 16 bits a table of
// every possible result, computed in double when the kernel is made; for wider ones the function itself, as for
// bfloat16 where it is simple.
#include <cstring>

#include "base/error.h"
#include "kernels/byte_map.h"
#include "kernels/float_block.h"
#include "kernels/layers.h"
#include "kernels/loop_nest.h"
#include "kernels/real_block.h"

namespace vaip::kernels {
namespace {

using ir::DType;

// Real: what it computes in, double or float.
template <typename Real>
class UnaryBlocks : public Kernel {
 public:
  UnaryBlocks(const ir::Activation& function, const Operand& x, const Operand& y)
      : function_(function),
        dtype_(x.dtype),
        affine_(x.affine()),
        quantizer_(make_quantizer(y)),
        nest_(x.shape, {y.strides, x.strides}) {}

  void execute(const ExecutionContext& context) const override {
    nest_.for_each_run(kBlock, [&](const LoopNest::Offsets& at, std::int64_t count) {
      Real block[kBlock];
      load_real(dtype_, context.inputs[0], at[1], nest_.inner().strides[1], count, affine_, block);
      apply(function_, block, count);
      store_real(quantizer_, block, context.outputs[0], at[0], nest_.inner().strides[0], count);
    });
  }

 private:
  ir::Activation function_;
  DType dtype_;
  Affine affine_;
  Quantizer quantizer_;
  LoopNest nest_;
};

// In and Out are unsigned integers of the elements' sizes: the table is indexed by and holds bit patterns.
template <typename In, typename Out>
class UnaryTable : public Kernel {
 public:
  UnaryTable(const ir::Activation& function, const Operand& x, const Operand& y)
      : nest_(x.shape, {y.strides, x.strides}), table_(std::size_t{1} << (8 * sizeof(In))) {
    const Quantizer quantizer = make_quantizer(y);
    double block[kBlock];
    In patterns[kBlock];
    for (std::size_t first = 0; first < table_.size(); first += kBlock) {
      const std::size_t count = std::min<std::size_t>(kBlock, table_.size() - first);
      for (std::size_t i = 0; i < count; ++i) patterns[i] = static_cast<In>(first + i);
      const auto n = static_cast<std::int64_t>(count);
      load_real(x.dtype, patterns, 0, 1, n, x.affine(), block);
      apply(function, block, n);
      store_real(quantizer, block, table_.data(), static_cast<std::int64_t>(first), 1, n);
    }
  }

  std::string implementation() const override { return "table"; }
  void execute(const ExecutionContext& context) const override {
    const std::int64_t to_stride = nest_.inner().strides[0], from_stride = nest_.inner().strides[1];
    nest_.for_each_run(kRun, [&](const LoopNest::Offsets& at, std::int64_t count) {
      const In* in = static_cast<const In*>(context.inputs[0]) + at[1];
      Out* out = static_cast<Out*>(context.outputs[0]) + at[0];
      const Out* table = table_.data();
      if (from_stride == 1 && to_stride == 1)
        for (std::int64_t i = 0; i < count; ++i) out[i] = table[in[i]];
      else
        for (std::int64_t i = 0; i < count; ++i) out[i * to_stride] = table[in[i * from_stride]];
    });
  }
  std::size_t packed_bytes() const override { return table_.size() * sizeof(Out); }

 private:
  static constexpr std::int64_t kRun = 8192;
  LoopNest nest_;
  std::vector<Out> table_;
};

template <typename In>
std::unique_ptr<Kernel> make_table(const ir::Activation& function, const Operand& x, const Operand& y) {
  switch (ir::size_of(y.dtype)) {
    case 1:
      return std::make_unique<UnaryTable<In, std::uint8_t>>(function, x, y);  // of wider ones only
    case 2:
      return std::make_unique<UnaryTable<In, std::uint16_t>>(function, x, y);
    case 4:
      return std::make_unique<UnaryTable<In, std::uint32_t>>(function, x, y);
    default:
      return std::make_unique<UnaryTable<In, std::uint64_t>>(function, x, y);
  }
}

// Functions that float32 gets right to the last bit that bfloat16 keeps, and faster than a table of 65536 entries does.
bool is_simple(const ir::Activation& function) {
  using Kind = ir::Activation::Kind;
  switch (function.kind) {
    case Kind::none:
    case Kind::identity:
    case Kind::relu:
    case Kind::clip:
    case Kind::leaky_relu:
    case Kind::neg:
    case Kind::abs:
    case Kind::sqrt:
    case Kind::reciprocal:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::unique_ptr<Kernel> make_unary(const ir::Activation& function, const LayerOperands& operands) {
  const Operand &x = operands.inputs[0], &y = operands.outputs[0];
  const bool from_real = x.dtype == DType::bf16 || x.dtype == DType::f32;
  if (from_real && y.dtype == DType::bf16 && is_simple(function))
    return std::make_unique<UnaryBlocks<float>>(function, x, y);
  if (ByteMap::suits(x.dtype, y.dtype)) return make_byte_function(0, operands, x.affine(), function);
  switch (ir::size_of(x.dtype)) {
    case 1:
      return make_table<std::uint8_t>(function, x, y);
    case 2:
      return make_table<std::uint16_t>(function, x, y);
    default:
      return std::make_unique<UnaryBlocks<double>>(function, x, y);
  }
}

}  // namespace vaip::kernels
