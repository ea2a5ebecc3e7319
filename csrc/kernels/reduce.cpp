// Reductions over any axes. Integers are summed and compared as integers.
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "base/error.h"
#include "base/half.h"
#include "kernels/layers.h"
#include "kernels/loop_nest.h"
#include "kernels/multiversion.h"
#include "kernels/real_block.h"
#include "kernels/reduce.h"
#include "kernels/srs.h"

namespace vaip::kernels {
namespace {

using ir::DType;
using Op = ir::ReduceAttrs::Op;

// Sums of 16-bit elements are exact in 64 bits, of wider ones in double as far as doubles go.
template <typename T>
using SumOf = std::conditional_t<std::is_integral_v<T> && sizeof(T) <= 4, std::int64_t, double>;

template <typename T>
VAIP_MULTIVERSION void add_row(const T* __restrict in, std::int64_t n, SumOf<T>* __restrict sums) {
  for (std::int64_t i = 0; i < n; ++i) sums[i] += in[i];
}
template <typename T>
VAIP_MULTIVERSION void max_row(const T* __restrict in, std::int64_t n, SumOf<T>* __restrict best) {
  for (std::int64_t i = 0; i < n; ++i) {
    const auto value = static_cast<SumOf<T>>(in[i]);
    best[i] = value > best[i] ? value : best[i];
  }
}
template <typename T>
VAIP_MULTIVERSION void min_row(const T* __restrict in, std::int64_t n, SumOf<T>* __restrict best) {
  for (std::int64_t i = 0; i < n; ++i) {
    const auto value = static_cast<SumOf<T>>(in[i]);
    best[i] = value < best[i] ? value : best[i];
  }
}

std::vector<bool> reduced_axes(const ir::ReduceAttrs& attrs, int rank) {
  std::vector<bool> reduced(static_cast<std::size_t>(rank), false);
  if (attrs.all_from_axis2) {
    for (std::size_t d = 2; d < reduced.size(); ++d) reduced[d] = true;
  } else if (attrs.axes.empty()) {
    reduced.assign(reduced.size(), !attrs.noop_with_empty_axes);
  }
  for (const std::int64_t axis : attrs.axes) {
    if (axis < -rank || axis >= rank) fail(ErrorKind::invalid_model, "axis ", axis, " of a tensor of rank ", rank);
    reduced[static_cast<std::size_t>(axis < 0 ? axis + rank : axis)] = true;
  }
  return reduced;
}

template <typename T>
class ReduceKernel : public Kernel {
 public:
  using Sum = SumOf<T>;

  ReduceKernel(const ir::ReduceAttrs& attrs, const ReducedSpace& space, const Operand& x, const Operand& y)
      : op_(attrs.op),
        activation_(attrs.activation),
        affine_(x.affine()),
        quantizer_(make_quantizer(y)),
        kept_(space.kept, {space.kept_x, space.kept_y}),
        reduced_(space.reduced, {space.reduced_x}),
        mean_(mean_factor(affine_.scale, reduced_.element_count(),
                          attrs.all_from_axis2 ? square_side(space.reduced) : 0, y.last_step)) {}

  void execute(const ExecutionContext& context) const override {
    const T* x = static_cast<const T*>(context.inputs[0]);
    const std::int64_t x_stride = kept_.inner().strides[0], y_stride = kept_.inner().strides[1];
    // Few results of long sums are still worth sharing: pieces small enough for that.
    const std::int64_t piece =
        std::clamp(kParallelGrain / std::max<std::int64_t>(reduced_.element_count(), 1), std::int64_t{64}, kBlock);
    const auto reduce_piece = [&](const LoopNest::Offsets& at, std::int64_t count) {
      Sum sums[kBlock];
      std::fill_n(sums, count, start());
      if (reduced_.element_count() > 0) {
        LoopNest::Cursor cursor(reduced_, 0);
        for (std::int64_t run = 0; run < reduced_.run_count(); ++run, cursor.advance())
          reduce_run(x + at[0] + cursor.offsets()[0], x_stride, count, sums);
      }
      double real[kBlock];
      to_real(sums, count, real);
      apply(activation_, real, count);
      store_real(quantizer_, real, context.outputs[0], at[1], y_stride, count);
    };
    kept_.for_each_run(piece, reduce_piece, reduced_.element_count());
  }

 private:
  Sum start() const {
    if (op_ == Op::max)
      return std::is_integral_v<Sum> ? static_cast<Sum>(std::numeric_limits<T>::lowest())
                                     : static_cast<Sum>(-std::numeric_limits<double>::infinity());
    if (op_ == Op::min)
      return std::is_integral_v<Sum> ? static_cast<Sum>(std::numeric_limits<T>::max())
                                     : static_cast<Sum>(std::numeric_limits<double>::infinity());
    return Sum{};
  }

  void reduce_run(const T* x, std::int64_t x_stride, std::int64_t count, Sum* sums) const {
    const std::int64_t length = reduced_.inner().size, stride = reduced_.inner().strides[0];
    if (x_stride == 1) {
      for (std::int64_t i = 0; i < length; ++i) {
        const T* row = x + i * stride;
        if (op_ == Op::max)
          max_row(row, count, sums);
        else if (op_ == Op::min)
          min_row(row, count, sums);
        else
          add_row(row, count, sums);
      }
      return;
    }
    for (std::int64_t j = 0; j < count; ++j) {
      const T* column = x + j * x_stride;
      Sum sum = sums[j];
      for (std::int64_t i = 0; i < length; ++i) {
        const auto value = static_cast<Sum>(column[i * stride]);
        sum = op_ == Op::max ? std::max(sum, value) : op_ == Op::min ? std::min(sum, value) : sum + value;
      }
      sums[j] = sum;
    }
  }

  void to_real(const Sum* sums, std::int64_t count, double* real) const {
    const bool adds = op_ == Op::mean || op_ == Op::sum || op_ == Op::log_sum;
    const auto terms = static_cast<double>(reduced_.element_count());
    const double offset = adds ? terms * affine_.zero_point : affine_.zero_point;
    const MeanFactor factor = op_ == Op::mean ? mean_ : MeanFactor{affine_.scale, 1.0};
    for (std::int64_t i = 0; i < count; ++i)
      real[i] = (static_cast<double>(sums[i]) - offset) * factor.scale / factor.divisor;
    if (op_ == Op::log_sum)
      for (std::int64_t i = 0; i < count; ++i) real[i] = std::log(real[i]);
  }

  Op op_;
  ir::Activation activation_;
  Affine affine_;
  Quantizer quantizer_;
  LoopNest kept_;     // operand 0: x, operand 1: y
  LoopNest reduced_;  // operand 0: x
  MeanFactor mean_;
};

}  // namespace

ReducedSpace::ReducedSpace(const ir::ReduceAttrs& attrs, const Operand& x, const Operand& y) {
  const std::vector<bool> is_reduced = reduced_axes(attrs, x.rank());
  std::size_t out = 0;
  for (std::size_t d = 0; d < is_reduced.size(); ++d) {
    if (is_reduced[d]) {
      reduced.push_back(x.shape[d]);
      reduced_x.push_back(x.strides[d]);
      if (attrs.keepdims || attrs.all_from_axis2) ++out;
      continue;
    }
    if (out >= y.shape.size() || y.shape[out] != x.shape[d])
      fail(ErrorKind::invalid_model, "the output ", ir::to_string(y.shape), " is no reduction of ",
           ir::to_string(x.shape));
    kept.push_back(x.shape[d]);
    kept_x.push_back(x.strides[d]);
    kept_y.push_back(y.strides[out++]);
  }
}

std::unique_ptr<Kernel> make_reduce(const ir::ReduceAttrs& attrs, const LayerOperands& operands) {
  const Operand &x = operands.inputs[0], &y = operands.outputs[0];
  const ReducedSpace space(attrs, x, y);
  const bool needs_elements =
      attrs.op == Op::mean || attrs.op == Op::max || attrs.op == Op::min || attrs.op == Op::log_sum_exp;
  if (needs_elements && ir::element_count(x.shape) == 0 && ir::element_count(y.shape) > 0) {
    fail(ErrorKind::invalid_argument, "no elements to take the mean, maximum or minimum of: the input is ",
         ir::to_string(x.shape));
  }
  const bool of_elements = attrs.op == Op::mean || attrs.op == Op::sum || attrs.op == Op::max || attrs.op == Op::min ||
                           attrs.op == Op::log_sum;
  if (!of_elements) return make_reduce_terms(attrs, operands);
  switch (x.dtype) {
    case DType::u8:
      return std::make_unique<ReduceKernel<std::uint8_t>>(attrs, space, x, y);
    case DType::s8:
      return std::make_unique<ReduceKernel<std::int8_t>>(attrs, space, x, y);
    case DType::u16:
      return std::make_unique<ReduceKernel<std::uint16_t>>(attrs, space, x, y);
    case DType::s16:
      return std::make_unique<ReduceKernel<std::int16_t>>(attrs, space, x, y);
    case DType::s32:
      return std::make_unique<ReduceKernel<std::int32_t>>(attrs, space, x, y);
    case DType::f32:
      return std::make_unique<ReduceKernel<float>>(attrs, space, x, y);
    case DType::f64:
      return std::make_unique<ReduceKernel<double>>(attrs, space, x, y);
    case DType::bf16:
      return std::make_unique<ReduceKernel<BFloat16>>(attrs, space, x, y);
    case DType::f16:
      return std::make_unique<ReduceKernel<Float16>>(attrs, space, x, y);
    default:
      fail(ErrorKind::unsupported, "a reduction of ", ir::name(x.dtype));
  }
}

}  // namespace vaip::kernels
