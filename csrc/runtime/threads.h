// How many threads kernels and oneDNN run on where nobody says.
#pragma once

namespace vaip::runtime {

// Physical cores among the CPUs that this process may use: two hyper-threads share one core's multipliers.
int physical_cores();

}  // namespace vaip::runtime
