// Softmax and LogSoftmax that write bfloat16, in float32: rows are gathered into a buffer per thread.
#include <omp.h>

#include <algorithm>
#include <cmath>

#include "kernels/float_block.h"
#include "kernels/layers.h"
#include "kernels/softmax.h"

namespace vaip::kernels {
namespace {

class FloatSoftmax : public Kernel {
 public:
  FloatSoftmax(const ir::SoftmaxAttrs& attrs, const SoftmaxRows& rows, const Operand& x)
      : log_(attrs.log),
        nan_is_zero_(attrs.nan_is_zero),
        dtype_(x.dtype),
        affine_(x.affine()),
        rows_(rows.rows),
        row_(rows.row),
        length_(row_.element_count()),
        threads_(omp_get_max_threads()) {}

  void execute(const ExecutionContext& context) const override {
    if (length_ == 0) return;
    const LoopNest::Loop& inner = rows_.inner();
    parallel_for(
        rows_.element_count(), length_ * 4,
        [&](std::int64_t begin, std::int64_t end, int thread) {
          float* row = reinterpret_cast<float*>(context.scratch) + thread * length_;
          LoopNest::Cursor cursor(rows_, begin / inner.size);
          for (std::int64_t r = begin; r < end; ++r) {
            const std::int64_t index = r % inner.size;
            if (index == 0 && r != begin) cursor.advance();
            const std::int64_t from = cursor.offsets()[1] + index * inner.strides[1];
            const std::int64_t to = cursor.offsets()[0] + index * inner.strides[0];
            for_each_run([&](const LoopNest::Offsets& at, const LoopNest::Loop& run, std::int64_t first) {
              load_real(dtype_, context.inputs[0], from + at[1], run.strides[1], run.size, affine_, row + first);
            });
            const float factor = exponentiate(row);
            auto* out = static_cast<BFloat16*>(context.outputs[0]) + to;
            for_each_run([&](const LoopNest::Offsets& at, const LoopNest::Loop& run, std::int64_t first) {
              if (run.strides[0] == 1) return narrow(row + first, run.size, factor, out + at[0]);
              for (std::int64_t i = 0; i < run.size; ++i)
                out[at[0] + i * run.strides[0]] = BFloat16(row[first + i] * factor);
            });
          }
        },
        threads_);
  }
  std::size_t scratch_bytes() const override { return static_cast<std::size_t>(threads_ * length_) * sizeof(float); }

 private:
  // Calls body(offsets, run, its first element's place in the row) for the runs of a row.
  template <typename Body>
  void for_each_run(const Body& body) const {
    static constexpr LoopNest::Offsets kStart{};
    if (row_.run_count() == 1) return body(kStart, row_.inner(), 0);
    LoopNest::Cursor cursor(row_, 0);
    for (std::int64_t run = 0; run < row_.run_count(); ++run, cursor.advance())
      body(cursor.offsets(), row_.inner(), run * row_.inner().size);
  }

  // Returns what is left to multiply the row with.
  float exponentiate(float* row) const {
    const float most = largest(row, length_);
    if (!log_) {
      const float total = take_exponentials(row, length_, most);
      if (!nan_is_zero_ || !std::isnan(total)) return 1.0F / total;
      std::fill_n(row, length_, 0.0F);
      return 1.0F;
    }
    subtract(row, length_, most);
    subtract(row, length_, static_cast<float>(std::log(sum_of_exponentials(row, length_))));
    return 1.0F;
  }

  bool log_, nan_is_zero_;
  ir::DType dtype_;
  Affine affine_;
  LoopNest rows_, row_;  // operand 0: y, operand 1: x
  std::int64_t length_;
  int threads_;
};

}  // namespace

std::unique_ptr<Kernel> make_float_softmax(const ir::SoftmaxAttrs& attrs, const SoftmaxRows& rows, const Operand& x) {
  return std::make_unique<FloatSoftmax>(attrs, rows, x);
}

}  // namespace vaip::kernels
