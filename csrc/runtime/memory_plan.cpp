#include "runtime/memory_plan.h"

#include <algorithm>
#include <numeric>

namespace vaip::runtime {

// Greedy by size: the largest buffer first, each at the lowest offset that no buffer alive at the same time occupies.
MemoryPlan plan_memory(const std::vector<BufferRequest>& requests) {
  MemoryPlan plan;
  plan.offsets.assign(requests.size(), 0);
  std::vector<std::size_t> order(requests.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return requests[a].bytes > requests[b].bytes; });
  struct Placed {
    std::size_t begin, end, request;
  };
  std::vector<Placed> placed;  // by begin
  for (const std::size_t r : order) {
    const BufferRequest& request = requests[r];
    const std::size_t bytes = (request.bytes + kBufferAlignment - 1) / kBufferAlignment * kBufferAlignment;
    if (bytes == 0) continue;
    std::size_t offset = 0;
    for (const Placed& other : placed) {
      const BufferRequest& busy = requests[other.request];
      if (busy.last_step < request.first_step || request.last_step < busy.first_step) continue;
      if (other.begin >= offset + bytes) break;
      offset = std::max(offset, other.end);
    }
    plan.offsets[r] = offset;
    plan.bytes = std::max(plan.bytes, offset + bytes);
    const Placed entry{offset, offset + bytes, r};
    placed.insert(std::upper_bound(placed.begin(), placed.end(), entry,
                                   [](const Placed& a, const Placed& b) { return a.begin < b.begin; }),
                  entry);
  }
  return plan;
}

}  // namespace vaip::runtime
