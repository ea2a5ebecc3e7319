// Data-parallel loops on the OpenMP team that the executor configured. Ranges are disjoint and each element is computed
// by one thread in one order, so results do not depend on the number of threads.
#pragma once

#include <omp.h>

#include <cstdint>

namespace vaip::kernels {

// Work below this many elements is not worth waking a team for: a fork and join cost a few microseconds.
inline constexpr std::int64_t kParallelGrain = 16 * 1024;

// Calls body(begin, end, thread) on disjoint ranges that cover [0, count), one per thread. Serial unless count * cost,
// the number of elements touched, is worth a team. The whole team is used or none of it: libgomp ends the threads that
// a smaller team leaves out. Serial, too, where the team is larger than max_threads, for which the caller has buffers.
// body must not throw.
template <typename Body>
void parallel_for(std::int64_t count, std::int64_t cost, const Body& body, int max_threads = 1 << 20) {
  if (count <= 0) return;
  const int team = omp_get_max_threads();
  if (count == 1 || count * cost < kParallelGrain || team == 1 || team > max_threads || omp_in_parallel() != 0) {
    body(std::int64_t{0}, count, 0);
    return;
  }
#pragma omp parallel
  {
    const std::int64_t threads = omp_get_num_threads();
    const std::int64_t thread = omp_get_thread_num();
    const std::int64_t begin = count * thread / threads;
    const std::int64_t end = count * (thread + 1) / threads;
    if (begin < end) body(begin, end, static_cast<int>(thread));
  }
}

}  // namespace vaip::kernels
