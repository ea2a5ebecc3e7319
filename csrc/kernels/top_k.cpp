// TopK: the first elements of every line along an axis as a stable sort would order it.
#include <omp.h>

#include <numeric>

#include "kernels/axis_lines.h"
#include "kernels/layers.h"
#include "kernels/move.h"
#include "kernels/stored_type.h"

namespace vaip::kernels {
namespace {

// Whether element a of a line comes before element b. NaN comes last.
template <typename T>
struct Before {
  const T* line;
  std::int64_t stride;
  bool largest;

  bool operator()(std::int64_t a, std::int64_t b) const {
    const T x = line[a * stride], y = line[b * stride];
    if constexpr (is_real<T>) {
      if (x != x || y != y) return (x != x) == (y != y) ? a < b : y != y;
    }
    if (x == y) return a < b;
    return largest ? x > y : x < y;
  }
};

class TopKKernel : public Kernel {
 public:
  TopKKernel(const ir::TopKAttrs& attrs, std::size_t axis, const Operand& x, const Operand& values,
             const Operand& indices)
      : largest_(attrs.largest),
        k_(attrs.k),
        dtype_(x.dtype),
        length_(x.shape[axis]),
        stride_(x.strides[axis]),
        has_indices_(indices.present()),
        threads_(omp_get_max_threads()) {
    if (!x.per_tensor()) (void)x.affine();  // entries of different scales are not ordered by their integers
    if (has_indices_ && indices.dtype != ir::DType::s64)
      fail(ErrorKind::invalid_model, "the indices are of type ", ir::name(indices.dtype));
    const ir::Shape nowhere(x.shape.size(), 0);
    if (values.present()) {
      element_.emplace(x, values);
      value_stride_ = values.strides[axis];
    }
    if (has_indices_) index_stride_ = indices.strides[axis];
    lines_.emplace(lines_along(
        axis, x.shape,
        {x.strides, values.present() ? values.strides : nowhere, has_indices_ ? indices.strides : nowhere}));
  }

  void execute(const ExecutionContext& context) const override {
    with_stored_type(dtype_, [&](auto element) { run<decltype(element)>(context); });
  }
  // The order of one line per thread.
  std::size_t scratch_bytes() const override {
    return static_cast<std::size_t>(threads_) * static_cast<std::size_t>(length_) * sizeof(std::int64_t);
  }

 private:
  template <typename T>
  void run(const ExecutionContext& context) const {
    const LoopNest::Loop& inner = lines_->inner();
    const auto sort_lines = [&](std::int64_t begin, std::int64_t end, int thread) {
      std::int64_t* order = reinterpret_cast<std::int64_t*>(context.scratch) + thread * length_;
      LoopNest::Cursor cursor(*lines_, begin / inner.size);
      for (std::int64_t line = begin; line < end; ++line) {
        const std::int64_t position = line % inner.size;
        if (position == 0 && line != begin) cursor.advance();
        const LoopNest::Offsets& at = cursor.offsets();
        const std::int64_t from = at[0] + position * inner.strides[0];
        std::iota(order, order + length_, std::int64_t{0});
        std::partial_sort(order, order + k_, order + length_,
                          Before<T>{static_cast<const T*>(context.inputs[0]) + from, stride_, largest_});
        for (std::int64_t i = 0; i < k_; ++i) {
          if (element_)
            element_->move(context.inputs[0], from + order[i] * stride_, 0, context.outputs[0],
                           at[1] + position * inner.strides[1] + i * value_stride_, 0, 1);
          if (has_indices_)
            static_cast<std::int64_t*>(context.outputs[1])[at[2] + position * inner.strides[2] + i * index_stride_] =
                order[i];
        }
      }
    };
    parallel_for(lines_->element_count(), length_, sort_lines, threads_);
  }

  bool largest_;
  std::int64_t k_;
  ir::DType dtype_;
  std::int64_t length_, stride_;
  bool has_indices_;
  int threads_;
  std::int64_t value_stride_ = 0, index_stride_ = 0;
  std::optional<ElementMove> element_;  // absent where nothing reads the values
  std::optional<LoopNest> lines_;       // operands: x, values, indices
};

}  // namespace

std::unique_ptr<Kernel> make_top_k(const ir::TopKAttrs& attrs, const LayerOperands& operands) {
  const Operand& x = operands.inputs[0];
  const std::size_t axis = axis_from_front(attrs.axis, x.shape.size());
  return std::make_unique<TopKKernel>(attrs, axis, x, operands.outputs[0],
                                      operands.outputs.size() > 1 ? operands.outputs[1] : Operand{});
}

}  // namespace vaip::kernels
