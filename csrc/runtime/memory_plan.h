// Places buffers with known lifetimes in one block of memory, so that those never alive at the same time share
// addresses.
#pragma once

#include <cstddef>
#include <vector>

namespace vaip::runtime {

struct BufferRequest {
  std::size_t bytes = 0;
  int first_step = 0, last_step = 0;  // inclusive
};

struct MemoryPlan {
  std::vector<std::size_t> offsets;  // one per request, multiples of kBufferAlignment
  std::size_t bytes = 0;
};

// A cache line, and the widest vector register.
inline constexpr std::size_t kBufferAlignment = 64;

MemoryPlan plan_memory(const std::vector<BufferRequest>& requests);

}  // namespace vaip::runtime
