// The size of the OpenMP team that kernels and oneDNN run on, and for which they are made.
#pragma once

#include <omp.h>

namespace vaip::kernels {

// Sets the calling thread's team size and restores it: the application may use OpenMP, too.
class TeamScope {
 public:
  explicit TeamScope(int threads) : previous_(omp_get_max_threads()) { omp_set_num_threads(threads); }
  ~TeamScope() { omp_set_num_threads(previous_); }
  TeamScope(const TeamScope&) = delete;
  TeamScope& operator=(const TeamScope&) = delete;

 private:
  int previous_;
};

}  // namespace vaip::kernels
