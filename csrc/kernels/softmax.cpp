// Softmax and LogSoftmax in double, relative to the largest element of each row.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "kernels/float_block.h"
#include "kernels/layers.h"
#include "kernels/loop_nest.h"
#include "kernels/real_block.h"
#include "kernels/softmax.h"

namespace vaip::kernels {
namespace {

class SoftmaxKernel : public Kernel {
 public:
  SoftmaxKernel(bool log, const LoopNest& rows, const LoopNest& row, const Operand& x, const Operand& y)
      : log_(log), dtype_(x.dtype), affine_(x.affine()), quantizer_(make_quantizer(y)), rows_(rows), row_(row) {
    if (ir::size_of(x.dtype) != 1) return;
    exponentials_.resize(256);
    for (int steps = 0; steps < 256; ++steps)
      exponentials_[static_cast<std::size_t>(steps)] = std::exp(-steps * affine_.scale);
  }

  void execute(const ExecutionContext& context) const override {
    const std::int64_t length = row_.element_count();
    parallel_for(rows_.element_count(), length * 16, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t r = begin; r < end; ++r) {
        const LoopNest::Loop& inner = rows_.inner();
        const LoopNest::Offsets at = LoopNest::Cursor(rows_, r / inner.size).offsets();
        const std::int64_t index = r % inner.size;
        normalise(context, at[1] + index * inner.strides[1], at[0] + index * inner.strides[0]);
      }
    });
  }
  std::size_t packed_bytes() const override { return exponentials_.size() * sizeof(double); }

 private:
  // Calls body(values, first element's output offset, count) for the blocks of a row, in order.
  template <typename Body>
  void for_each_block(const ExecutionContext& context, const Affine& affine, std::int64_t x, std::int64_t y,
                      const Body& body) const {
    double block[kBlock];
    const LoopNest::Loop& inner = row_.inner();
    LoopNest::Cursor cursor(row_, 0);
    for (std::int64_t run = 0; run < row_.run_count(); ++run, cursor.advance()) {
      for (std::int64_t first = 0; first < inner.size; first += kBlock) {
        const std::int64_t count = std::min(kBlock, inner.size - first);
        load_real(dtype_, context.inputs[0], x + cursor.offsets()[1] + first * inner.strides[1], inner.strides[1],
                  count, affine, block);
        body(block, y + cursor.offsets()[0] + first * inner.strides[0], count);
      }
    }
  }

  double exponential(double difference) const {  // of the stored value to the row's largest, never positive
    return exponentials_.empty() ? std::exp(difference * affine_.scale)
                                 : exponentials_[static_cast<std::size_t>(-difference)];
  }

  void normalise(const ExecutionContext& context, std::int64_t x, std::int64_t y) const {
    const Affine stored;  // zero points and, until the exponential, scales cancel
    double largest = -std::numeric_limits<double>::infinity(), sum = 0.0;
    for_each_block(context, stored, x, y, [&](const double* values, std::int64_t, std::int64_t count) {
      for (std::int64_t i = 0; i < count; ++i) largest = std::max(largest, values[i]);
    });
    for_each_block(context, stored, x, y, [&](const double* values, std::int64_t, std::int64_t count) {
      for (std::int64_t i = 0; i < count; ++i) sum += exponential(values[i] - largest);
    });
    const double log_sum = std::log(sum);
    for_each_block(context, stored, x, y, [&](double* values, std::int64_t out, std::int64_t count) {
      for (std::int64_t i = 0; i < count; ++i) {
        const double difference = values[i] - largest;
        values[i] = log_ ? difference * affine_.scale - log_sum : exponential(difference) / sum;
      }
      store_real(quantizer_, values, context.outputs[0], out, row_.inner().strides[0], count);
    });
  }

  bool log_;
  ir::DType dtype_;
  Affine affine_;
  Quantizer quantizer_;
  LoopNest rows_, row_;               // operand 0: y, operand 1: x
  std::vector<double> exponentials_;  // of 8-bit inputs, by steps below the largest
};

}  // namespace

std::unique_ptr<Kernel> make_softmax(const ir::SoftmaxAttrs& attrs, const LayerOperands& operands) {
  const Operand &x = operands.inputs[0], &y = operands.outputs[0];
  const int rank = x.rank();
  if (attrs.axis < -rank || attrs.axis > rank - (attrs.flatten_to_2d ? 0 : 1))
    fail(ErrorKind::invalid_model, "axis ", attrs.axis, " of a tensor of rank ", rank);
  const auto axis = static_cast<std::size_t>(attrs.axis < 0 ? attrs.axis + rank : attrs.axis);
  ir::Shape dims[2], y_strides[2], x_strides[2];  // [0]: of the rows, [1]: within a row
  for (std::size_t d = 0; d < x.shape.size(); ++d) {
    const int within = d == axis || (attrs.flatten_to_2d && d > axis) ? 1 : 0;
    dims[within].push_back(x.shape[d]);
    y_strides[within].push_back(y.strides[d]);
    x_strides[within].push_back(x.strides[d]);
  }
  const SoftmaxRows rows = {LoopNest(dims[0], {y_strides[0], x_strides[0]}),
                            LoopNest(dims[1], {y_strides[1], x_strides[1]})};
  if (float_is_enough(operands)) return make_float_softmax(attrs, rows, x);
  if (attrs.nan_is_zero) fail(ErrorKind::internal, "numbers for what is none are given in bfloat16 only");
  if (auto kernel = make_byte_softmax(attrs, rows, x, y)) return kernel;
  return std::make_unique<SoftmaxKernel>(attrs.log, rows.rows, rows.row, x, y);
}

}  // namespace vaip::kernels
