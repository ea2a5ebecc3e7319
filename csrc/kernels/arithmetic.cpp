// Element-wise arithmetic of two or more tensors with numpy's broadcasting, in double (float32
// where that is enough), left to right, rounded once.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "kernels/binary_bytes.h"
#include "kernels/broadcast.h"
#include "kernels/channel_arithmetic.h"
#include "kernels/float_block.h"
#include "kernels/layers.h"
#include "kernels/loop_nest.h"
#include "kernels/multiversion.h"
#include "kernels/real_block.h"

namespace vaip::kernels {
namespace {

using Op = ir::ArithmeticAttrs::Op;

template <typename Real>
VAIP_MULTIVERSION void add(Real* __restrict a, const Real* __restrict b, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) a[i] += b[i];
}
template <typename Real>
VAIP_MULTIVERSION void subtract(Real* __restrict a, const Real* __restrict b, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) a[i] -= b[i];
}
template <typename Real>
VAIP_MULTIVERSION void multiply(Real* __restrict a, const Real* __restrict b, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) a[i] *= b[i];
}
template <typename Real>
VAIP_MULTIVERSION void divide(Real* __restrict a, const Real* __restrict b, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) a[i] /= b[i];
}
template <typename Real>
VAIP_MULTIVERSION void minimum(Real* __restrict a, const Real* __restrict b, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) a[i] = b[i] < a[i] ? b[i] : a[i];
}
template <typename Real>
VAIP_MULTIVERSION void maximum(Real* __restrict a, const Real* __restrict b, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) a[i] = b[i] > a[i] ? b[i] : a[i];
}
template <typename Real>
VAIP_MULTIVERSION void prelu(Real* __restrict a, const Real* __restrict b, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) a[i] = a[i] < Real{0} ? a[i] * b[i] : a[i];
}
void power(double* __restrict a, const double* __restrict b, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) a[i] = std::pow(a[i], b[i]);
}
// Squares and cubes are what exporters write.
void power(float* __restrict a, const float* __restrict b, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float x = a[i], exponent = b[i];
    a[i] = exponent == 2.0F   ? x * x
           : exponent == 3.0F ? x * x * x
                              : static_cast<float>(std::pow(static_cast<double>(x), static_cast<double>(exponent)));
  }
}

template <typename Real>
using Combine = void (*)(Real* __restrict, const Real* __restrict, std::int64_t);
template <typename Real>
Combine<Real> combine_of(Op op) {
  switch (op) {
    case Op::add:
      return add<Real>;
    case Op::sub:
      return subtract<Real>;
    case Op::mul:
      return multiply<Real>;
    case Op::div:
      return divide<Real>;
    case Op::min:
      return minimum<Real>;
    case Op::max:
      return maximum<Real>;
    case Op::pow:
      return power;
    case Op::prelu:
      return prelu<Real>;
  }
  fail(ErrorKind::internal, "an arithmetic operator that is not implemented");
}

class ByteArithmeticKernel : public Kernel {
 public:
  // Null where this is not for it.
  static std::unique_ptr<Kernel> create(const ir::ArithmeticAttrs& attrs, const LayerOperands& operands) {
    const Operand& y = operands.outputs[0];
    if (operands.inputs.size() != 2 || (y.dtype != ir::DType::u8 && y.dtype != ir::DType::s8)) return nullptr;
    for (const Operand& x : operands.inputs)
      if (x.dtype != y.dtype || !x.per_tensor()) return nullptr;
    if (attrs.op != Op::add && attrs.op != Op::sub && attrs.op != Op::mul) return nullptr;
    const Quantizer quantizer = make_quantizer(y);
    double low = 0.0, high = 0.0;
    if (!as_limits(attrs.activation, quantizer, low, high)) return nullptr;
    const LoopNest nest(y.shape, strides_in_output(operands));
    for (std::size_t o = 0; o < 3; ++o)
      if (nest.inner().strides[o] != 1) return nullptr;
    const auto op = attrs.op == Op::add ? ByteOp::add : attrs.op == Op::sub ? ByteOp::sub : ByteOp::mul;
    const BinaryBytes binary(op, operands.inputs[0].affine(), operands.inputs[1].affine(), quantizer, low, high);
    return std::make_unique<ByteArithmeticKernel>(binary, nest);
  }

  ByteArithmeticKernel(const BinaryBytes& binary, const LoopNest& nest) : binary_(binary), nest_(nest) {}

  void execute(const ExecutionContext& context) const override {
    nest_.for_each_run(16 * kBlock, [&](const LoopNest::Offsets& at, std::int64_t count) {
      binary_.run(static_cast<const std::byte*>(context.inputs[0]) + at[1],
                  static_cast<const std::byte*>(context.inputs[1]) + at[2], count,
                  static_cast<std::byte*>(context.outputs[0]) + at[0]);
    });
  }

 private:
  BinaryBytes binary_;
  LoopNest nest_;
};

// Real: what it computes in, double or float.
template <typename Real>
class ArithmeticKernel : public Kernel {
 public:
  ArithmeticKernel(const ir::ArithmeticAttrs& attrs, const LayerOperands& operands)
      : combine_(combine_of<Real>(attrs.op)),
        activation_(attrs.activation),
        quantizer_(make_quantizer(operands.outputs[0])),
        nest_(operands.outputs[0].shape, strides_in_output(operands)) {
    for (const Operand& x : operands.inputs) {
      Source source;
      if (x.per_tensor() || !x.constant) {
        source.dtype = x.dtype;
        source.affine = x.affine();
      } else {  // a constant quantized per axis: its real numbers
        source.dtype = ir::DType::f64;
        source.fixed = real_values(x);
      }
      sources_.push_back(std::move(source));
    }
  }

  void execute(const ExecutionContext& context) const override {
    const auto& strides = nest_.inner().strides;
    nest_.for_each_run(kBlock, [&](const LoopNest::Offsets& at, std::int64_t count) {
      Real result[kBlock], operand[kBlock];
      for (std::size_t i = 0; i < sources_.size(); ++i) {
        const Source& source = sources_[i];
        const void* data = source.fixed.empty() ? context.inputs[i] : source.fixed.data();
        load_real(source.dtype, data, at[i + 1], strides[i + 1], count, source.affine, i == 0 ? result : operand);
        if (i > 0) combine_(result, operand, count);
      }
      apply(activation_, result, count);
      store_real(quantizer_, result, context.outputs[0], at[0], strides[0], count);
    });
  }
  std::size_t packed_bytes() const override {
    std::size_t bytes = 0;
    for (const Source& source : sources_) bytes += source.fixed.size() * sizeof(double);
    return bytes;
  }

 private:
  struct Source {
    ir::DType dtype = ir::DType::undefined;
    Affine affine;
    std::vector<double> fixed;
  };
  Combine<Real> combine_;
  ir::Activation activation_;
  Quantizer quantizer_;
  LoopNest nest_;
  std::vector<Source> sources_;
};

// The float32 result of bfloat16 operands is not the model's, but on its way to the next layer
// (runtime/layer_fusion.h).
bool is_left_float(const LayerOperands& operands) {
  const auto is_float = [](const Operand& x) { return x.dtype == ir::DType::f32 || x.dtype == ir::DType::bf16; };
  const auto is_bf16 = [](const Operand& x) { return x.dtype == ir::DType::bf16; };
  return operands.outputs[0].dtype == ir::DType::f32 &&
         std::all_of(operands.inputs.begin(), operands.inputs.end(), is_float) &&
         std::any_of(operands.inputs.begin(), operands.inputs.end(), is_bf16);
}

}  // namespace

std::unique_ptr<Kernel> make_arithmetic(const ir::ArithmeticAttrs& attrs, const LayerOperands& operands) {
  if (auto kernel = ByteArithmeticKernel::create(attrs, operands)) return kernel;
  if (auto kernel = make_channel_arithmetic(attrs, operands)) return kernel;
  // Two roundings of one result are harmless; of three operands or more the first could cancel out to be the result.
  if (operands.inputs.size() <= 2 && (float_is_enough(operands) || is_left_float(operands)))
    return std::make_unique<ArithmeticKernel<float>>(attrs, operands);
  return std::make_unique<ArithmeticKernel<double>>(attrs, operands);
}

}  // namespace vaip::kernels
