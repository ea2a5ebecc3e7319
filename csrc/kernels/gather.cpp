#include "kernels/gather.h"

#include <algorithm>
#include <numeric>

#include "kernels/move.h"
#include "kernels/parallel.h"

namespace vaip::kernels {
namespace {

class AxisGather : public Kernel {
 public:
  AxisGather(const Operand& x, const Operand& y, const std::vector<std::vector<std::int64_t>>& positions)
      : element_(x, y) {
    std::vector<std::size_t> order(y.shape.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return y.strides[a] > y.strides[b]; });
    for (const std::size_t d : order) {
      if (y.shape[d] == 1 && positions[d].empty()) continue;
      Axis axis{y.shape[d], y.strides[d], {}};
      for (std::int64_t i = 0; i < axis.size; ++i)
        axis.offsets.push_back((positions[d].empty() ? i : positions[d][static_cast<std::size_t>(i)]) * x.strides[d]);
      axes_.push_back(std::move(axis));
    }
    if (axes_.empty()) axes_.push_back({1, 1, {0}});
    inner_ = std::move(axes_.back());
    axes_.pop_back();
    for (const Axis& axis : axes_) rows_ *= axis.size;
    split_runs();
  }

  void execute(const ExecutionContext& context) const override {
    parallel_for(rows_, inner_.size, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t row = begin; row < end; ++row) {
        std::int64_t rest = row, from = 0, to = 0;
        for (std::size_t a = axes_.size(); a-- > 0;) {
          const std::int64_t index = rest % axes_[a].size;
          rest /= axes_[a].size;
          from += axes_[a].offsets[static_cast<std::size_t>(index)];
          to += index * axes_[a].stride;
        }
        for (const Run& run : runs_)
          element_.move(context.inputs[0], from + run.from, run.step, context.outputs[0],
                        to + run.first * inner_.stride, inner_.stride, run.count);
      }
    });
  }

 private:
  struct Axis {
    std::int64_t size, stride;          // of the output
    std::vector<std::int64_t> offsets;  // into the input, per index
  };
  struct Run {
    std::int64_t first, count, from, step;
  };

  // The inner axis as runs of constant step, most of them long.
  void split_runs() {
    const std::vector<std::int64_t>& offsets = inner_.offsets;
    for (std::size_t i = 0; i < offsets.size();) {
      Run run{static_cast<std::int64_t>(i), 1, offsets[i], 0};
      if (i + 1 < offsets.size()) run.step = offsets[i + 1] - offsets[i];
      std::size_t next = i + 1;
      while (next < offsets.size() && offsets[next] - offsets[next - 1] == run.step) ++next;
      run.count = static_cast<std::int64_t>(next - i);
      runs_.push_back(run);
      i = next;
    }
  }

  ElementMove element_;
  std::vector<Axis> axes_;  // all but the innermost of the output, outermost first
  Axis inner_;
  std::vector<Run> runs_;
  std::int64_t rows_ = 1;
};

}  // namespace

std::unique_ptr<Kernel> make_axis_gather(const Operand& x, const Operand& y,
                                         std::vector<std::vector<std::int64_t>> positions) {
  return std::make_unique<AxisGather>(x, y, positions);
}

}  // namespace vaip::kernels
