#include "kernels/loop_nest.h"

#include <cstdlib>

#include "base/error.h"

namespace vaip::kernels {

LoopNest::LoopNest(const ir::Shape& dims, const std::vector<ir::Shape>& strides) : operands_(strides.size()) {
  if (operands_ > kMaxOperands)
    fail(ErrorKind::unsupported, "an operator with ", operands_ - 1, " operands; at most ", kMaxOperands - 1,
         " are executed");
  std::vector<Loop> loops;
  for (std::size_t d = 0; d < dims.size(); ++d) {
    if (dims[d] == 1) continue;
    Loop loop;
    loop.size = dims[d];
    for (std::size_t o = 0; o < operands_; ++o) loop.strides[o] = strides[o][d];
    loops.push_back(loop);
  }
  std::stable_sort(loops.begin(), loops.end(),
                   [](const Loop& a, const Loop& b) { return std::abs(a.strides[0]) > std::abs(b.strides[0]); });
  std::vector<Loop> merged;
  for (const Loop& loop : loops) {
    const auto extends = [&](const Loop& outside) {
      for (std::size_t o = 0; o < operands_; ++o)
        if (outside.strides[o] != loop.strides[o] * loop.size) return false;
      return true;
    };
    if (!merged.empty() && extends(merged.back())) {
      merged.back().size *= loop.size;
      merged.back().strides = loop.strides;
    } else {
      merged.push_back(loop);
    }
  }
  if (merged.size() > kMaxRank)
    fail(ErrorKind::unsupported, "a tensor of rank ", dims.size(), "; at most ", kMaxRank, " independent dimensions");
  if (!merged.empty()) {
    inner_ = merged.back();
    merged.pop_back();
  }
  outer_ = std::move(merged);
  for (const Loop& loop : outer_) runs_ *= loop.size;
}

LoopNest::Cursor::Cursor(const LoopNest& nest, std::int64_t run) : nest_(nest) {
  for (std::size_t l = nest.outer_.size(); l-- > 0;) {
    const Loop& loop = nest.outer_[l];
    index_[l] = run % loop.size;
    run /= loop.size;
    for (std::size_t o = 0; o < nest.operands_; ++o) offsets_[o] += index_[l] * loop.strides[o];
  }
}

void LoopNest::Cursor::advance() {
  for (std::size_t l = nest_.outer_.size(); l-- > 0;) {
    const Loop& loop = nest_.outer_[l];
    for (std::size_t o = 0; o < nest_.operands_; ++o) offsets_[o] += loop.strides[o];
    if (++index_[l] < loop.size) return;
    for (std::size_t o = 0; o < nest_.operands_; ++o) offsets_[o] -= loop.size * loop.strides[o];
    index_[l] = 0;
  }
}

}  // namespace vaip::kernels
