#include "runtime/relocation.h"

#include <algorithm>
#include <cstdlib>

namespace vaip::runtime {

std::optional<Relocation> Relocation::create(const View& from, const View& to, std::int64_t elements) {
  if (from.offset != 0 || ir::element_count(from.shape) != elements || elements == 0) return std::nullopt;
  std::vector<Loop> loops;
  for (std::size_t d = 0; d < from.shape.size(); ++d)
    if (from.shape[d] > 1) loops.push_back({from.shape[d], from.strides[d], to.strides[d]});
  std::sort(loops.begin(), loops.end(), [](const Loop& a, const Loop& b) { return a.from > b.from; });
  Relocation relocation;
  relocation.offset_ = to.offset;
  std::int64_t step = 1;
  for (std::size_t l = loops.size(); l-- > 0;) {
    if (loops[l].from != step) return std::nullopt;
    step *= loops[l].size;
  }
  for (const Loop& loop : loops) {
    if (!relocation.loops_.empty() && relocation.loops_.back().to == loop.to * loop.size) {
      relocation.loops_.back().size *= loop.size;
      relocation.loops_.back().from = loop.from;
      relocation.loops_.back().to = loop.to;
    } else {
      relocation.loops_.push_back(loop);
    }
  }
  return relocation;
}

std::optional<View> Relocation::apply(const View& view) const {
  View moved = {offset_, view.shape, view.strides};
  // The indices of the view's elements, per loop.
  std::vector<std::int64_t> least(loops_.size()), most(loops_.size());
  std::int64_t rest = view.offset;
  for (std::size_t l = 0; l < loops_.size(); ++l) {
    least[l] = most[l] = rest / loops_[l].from;
    moved.offset += least[l] * loops_[l].to;
    rest %= loops_[l].from;
  }
  for (std::size_t d = 0; d < view.shape.size(); ++d) {
    const std::int64_t stride = view.strides[d];
    if (view.shape[d] <= 1 || stride == 0) continue;
    const auto loop = std::find_if(loops_.begin(), loops_.end(),
                                   [stride](const Loop& other) { return other.from <= std::abs(stride); });
    if (loop == loops_.end() || stride % loop->from != 0) return std::nullopt;
    const std::int64_t steps = stride / loop->from;
    const auto l = static_cast<std::size_t>(loop - loops_.begin());
    (steps > 0 ? most : least)[l] += steps * (view.shape[d] - 1);
    moved.strides[d] = steps * loop->to;
  }
  for (std::size_t l = 0; l < loops_.size(); ++l)
    if (least[l] < 0 || most[l] >= loops_[l].size) return std::nullopt;
  return moved;
}

}  // namespace vaip::runtime
