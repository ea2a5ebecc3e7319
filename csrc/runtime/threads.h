// The OpenMP team that kernels and oneDNN run on.
#pragma once

namespace vaip::runtime {

// Physical cores among the CPUs that this process may use: two hyper-threads share one core's multipliers.
int physical_cores();

// Sets the calling thread's team size and restores it: the application may use OpenMP, too.
class TeamScope {
 public:
  explicit TeamScope(int threads);
  ~TeamScope();
  TeamScope(const TeamScope&) = delete;
  TeamScope& operator=(const TeamScope&) = delete;

 private:
  int previous_;
};

}  // namespace vaip::runtime
