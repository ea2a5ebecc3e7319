// Layer and RMS normalization of dense rows that write bfloat16, in float32.
#include <omp.h>

#include <algorithm>
#include <cmath>

#include "kernels/float_block.h"
#include "kernels/loop_nest.h"
#include "kernels/multiversion.h"
#include "kernels/normalization.h"

namespace vaip::kernels {
namespace {

VAIP_MULTIVERSION void normalise(const float* __restrict x, std::int64_t count, float offset, float factor,
                                 const float* __restrict scale, const float* __restrict bias,
                                 BFloat16* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = BFloat16((x[i] - offset) * factor * scale[i] + bias[i]);
}

class FloatNormalization : public Kernel {
 public:
  struct Rows {
    LoopNest rows;                   // operand 0: y, operand 1: x
    std::vector<float> scale, bias;  // one per element of a row
  };

  FloatNormalization(const ir::NormalizationAttrs& attrs, Rows rows, const Operand& x)
      : attrs_(attrs),
        dtype_(x.dtype),
        affine_(x.affine()),
        length_(static_cast<std::int64_t>(rows.scale.size())),
        rows_(std::move(rows)),
        threads_(omp_get_max_threads()) {}

  void execute(const ExecutionContext& context) const override {
    const LoopNest::Loop& inner = rows_.rows.inner();
    parallel_for(
        rows_.rows.element_count(), length_ * 4,
        [&](std::int64_t begin, std::int64_t end, int thread) {
          float* row = reinterpret_cast<float*>(context.scratch) + thread * length_;
          LoopNest::Cursor cursor(rows_.rows, begin / inner.size);
          for (std::int64_t r = begin; r < end; ++r) {
            const std::int64_t index = r % inner.size;
            if (index == 0 && r != begin) cursor.advance();
            load_real(dtype_, context.inputs[0], cursor.offsets()[1] + index * inner.strides[1], 1, length_, affine_,
                      row);
            finish(row, static_cast<BFloat16*>(context.outputs[0]) + cursor.offsets()[0] + index * inner.strides[0]);
          }
        },
        threads_);
  }
  std::size_t scratch_bytes() const override { return static_cast<std::size_t>(threads_ * length_) * sizeof(float); }
  std::size_t packed_bytes() const override { return (rows_.scale.size() + rows_.bias.size()) * sizeof(float); }

 private:
  void finish(float* row, BFloat16* out) const {
    const auto n = static_cast<double>(length_);
    const bool centres = attrs_.op == ir::NormalizationAttrs::Op::layer;
    const float mean = centres ? static_cast<float>(static_cast<double>(sum(row, length_)) / n) : 0.0F;
    const double mean_square = static_cast<double>(sum_of_squares(row, length_, mean)) / n;
    const auto factor = static_cast<float>(1.0 / std::sqrt(mean_square + attrs_.epsilon));
    if (!has_effect(attrs_.activation))
      return normalise(row, length_, mean, factor, rows_.scale.data(), rows_.bias.data(), out);
    for (std::int64_t i = 0; i < length_; ++i) {
      const auto at = static_cast<std::size_t>(i);
      row[i] = (row[i] - mean) * factor * rows_.scale[at] + rows_.bias[at];
    }
    apply(attrs_.activation, row, length_);
    narrow(row, length_, out);
  }

  ir::NormalizationAttrs attrs_;
  ir::DType dtype_;
  Affine affine_;
  std::int64_t length_;
  Rows rows_;
  int threads_;
};

}  // namespace

std::unique_ptr<Kernel> make_float_normalization(const ir::NormalizationAttrs& attrs, const LayerOperands& operands) {
  using Op = ir::NormalizationAttrs::Op;
  const Operand &x = operands.inputs[0], &y = operands.outputs[0];
  if ((attrs.op != Op::layer && attrs.op != Op::rms) || !float_is_enough(operands)) return nullptr;
  const std::int64_t axis = attrs.axis < 0 ? attrs.axis + x.rank() : attrs.axis;
  if (axis < 0 || axis >= x.rank()) return nullptr;
  const NormalizationParameter scale = normalization_parameter(attrs, operands, 1, 1.0);
  const NormalizationParameter bias = normalization_parameter(attrs, operands, 2, 0.0);
  const auto split = static_cast<std::ptrdiff_t>(axis);
  const auto outside = [&](const ir::Shape& s) { return ir::Shape(s.begin(), s.begin() + split); };
  const auto within = [&](const ir::Shape& s) { return ir::Shape(s.begin() + split, s.end()); };
  const auto repeats = [](const ir::Shape& strides) {
    return std::all_of(strides.begin(), strides.end(), [](std::int64_t stride) { return stride == 0; });
  };
  if (!repeats(outside(scale.strides)) || !repeats(outside(bias.strides))) return nullptr;
  const LoopNest row(within(x.shape), {within(y.strides), within(x.strides)});
  if (row.element_count() == 0 || row.run_count() != 1) return nullptr;
  if (row.inner().size > 1 && (row.inner().strides[0] != 1 || row.inner().strides[1] != 1)) return nullptr;

  FloatNormalization::Rows rows{LoopNest(outside(x.shape), {outside(y.strides), outside(x.strides)}), {}, {}};
  const auto spread = [&](const NormalizationParameter& parameter, std::vector<float>& out) {
    // In the order of the row's elements, which is row-major since they are dense in that order.
    const LoopNest order(within(x.shape), {ir::row_major_strides(within(x.shape)), within(parameter.strides)});
    LoopNest::Cursor cursor(order, 0);
    for (std::int64_t run = 0; run < order.run_count(); ++run, cursor.advance())
      for (std::int64_t i = 0; i < order.inner().size; ++i)
        out.push_back(static_cast<float>(
            parameter.values[static_cast<std::size_t>(cursor.offsets()[1] + i * order.inner().strides[1])]));
  };
  if (within(x.strides) != ir::row_major_strides(within(x.shape))) return nullptr;
  spread(scale, rows.scale);
  spread(bias, rows.bias);
  return std::make_unique<FloatNormalization>(attrs, std::move(rows), x);
}

}  // namespace vaip::kernels
