// Reductions whose terms are functions of the elements: products, norms, sums of exponentials. In double, in which
// squares of 16-bit integers add up exactly to 2^21 terms.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/layers.h"
#include "kernels/loop_nest.h"
#include "kernels/multiversion.h"
#include "kernels/real_block.h"
#include "kernels/reduce.h"

namespace vaip::kernels {
namespace {

using Op = ir::ReduceAttrs::Op;

VAIP_MULTIVERSION void multiply(const double* __restrict x, std::int64_t count, double* __restrict results) {
  for (std::int64_t i = 0; i < count; ++i) results[i] *= x[i];
}
VAIP_MULTIVERSION void add_magnitudes(const double* __restrict x, std::int64_t count, double* __restrict results) {
  for (std::int64_t i = 0; i < count; ++i) results[i] += std::fabs(x[i]);
}
VAIP_MULTIVERSION void add_squares(const double* __restrict x, std::int64_t count, double* __restrict results) {
  for (std::int64_t i = 0; i < count; ++i) results[i] += x[i] * x[i];
}
VAIP_MULTIVERSION void take_larger(const double* __restrict x, std::int64_t count, double* __restrict results) {
  for (std::int64_t i = 0; i < count; ++i) results[i] = x[i] > results[i] ? x[i] : results[i];
}

class ReduceTermsKernel : public Kernel {
 public:
  ReduceTermsKernel(const ir::ReduceAttrs& attrs, const ReducedSpace& space, const Operand& x, const Operand& y)
      : op_(attrs.op),
        activation_(attrs.activation),
        dtype_(x.dtype),
        affine_(x.affine()),
        quantizer_(make_quantizer(y)),
        kept_(space.kept, {space.kept_x, space.kept_y}),
        reduced_(space.reduced, {space.reduced_x}) {}

  void execute(const ExecutionContext& context) const override {
    kept_.for_each_run(
        kPiece,
        [&](const LoopNest::Offsets& at, std::int64_t count) {
          double results[kPiece];
          reduce(context.inputs[0], at[0], count, results);
          apply(activation_, results, count);
          store_real(quantizer_, results, context.outputs[0], at[1], kept_.inner().strides[1], count);
        },
        reduced_.element_count());
  }

 private:
  static constexpr std::int64_t kPiece = 64;

  // Calls body(values) for the elements that meet each of `count` results, one per result.
  template <typename Body>
  void for_each_term(const void* x, std::int64_t at, std::int64_t count, const Affine& affine, const Body& body) const {
    double values[kPiece];
    const LoopNest::Loop& inner = reduced_.inner();
    LoopNest::Cursor cursor(reduced_, 0);
    for (std::int64_t run = 0; reduced_.element_count() > 0 && run < reduced_.run_count(); ++run, cursor.advance()) {
      for (std::int64_t i = 0; i < inner.size; ++i) {
        load_real(dtype_, x, at + cursor.offsets()[0] + i * inner.strides[0], kept_.inner().strides[0], count, affine,
                  values);
        body(values);
      }
    }
  }

  void reduce(const void* x, std::int64_t at, std::int64_t count, double* results) const {
    const Affine centred = {1.0, affine_.zero_point};  // integers stay integers while they are added
    const double unit = affine_.scale;
    std::fill_n(results, count, op_ == Op::prod ? 1.0 : 0.0);
    const auto scale = [&](const auto& function) {
      for (std::int64_t i = 0; i < count; ++i) results[i] = function(results[i]);
    };
    switch (op_) {
      case Op::prod:
        return for_each_term(x, at, count, affine_, [&](const double* v) { multiply(v, count, results); });
      case Op::l1:
        for_each_term(x, at, count, centred, [&](const double* v) { add_magnitudes(v, count, results); });
        return scale([unit](double sum) { return sum * unit; });
      case Op::l2:
        for_each_term(x, at, count, centred, [&](const double* v) { add_squares(v, count, results); });
        return scale([unit](double sum) { return std::sqrt(sum) * unit; });
      case Op::sum_square:
        for_each_term(x, at, count, centred, [&](const double* v) { add_squares(v, count, results); });
        return scale([unit](double sum) { return sum * (unit * unit); });
      default:
        return log_sum_exp(x, at, count, results);
    }
  }

  // Relative to the largest element, so that nothing overflows.
  void log_sum_exp(const void* x, std::int64_t at, std::int64_t count, double* results) const {
    double largest[kPiece];
    std::fill_n(largest, count, -std::numeric_limits<double>::infinity());
    for_each_term(x, at, count, affine_, [&](const double* v) { take_larger(v, count, largest); });
    for_each_term(x, at, count, affine_, [&](const double* v) {
      for (std::int64_t i = 0; i < count; ++i) results[i] += std::exp(v[i] - largest[i]);
    });
    for (std::int64_t i = 0; i < count; ++i) results[i] = largest[i] + std::log(results[i]);
  }

  Op op_;
  ir::Activation activation_;
  ir::DType dtype_;
  Affine affine_;
  Quantizer quantizer_;
  LoopNest kept_;     // operand 0: x, operand 1: y
  LoopNest reduced_;  // operand 0: x
};

}  // namespace

std::unique_ptr<Kernel> make_reduce_terms(const ir::ReduceAttrs& attrs, const LayerOperands& operands) {
  const Operand &x = operands.inputs[0], &y = operands.outputs[0];
  return std::make_unique<ReduceTermsKernel>(attrs, ReducedSpace(attrs, x, y), x, y);
}

}  // namespace vaip::kernels
