// Cycles of one kernel call on one core: the kernel library's quality on the device's datapath.
#pragma once

#include "device/device.h"
#include "sim/layer_program.h"

namespace vaip::sim {

struct KernelCycles {
  double per_call = 0;
  double per_block = 0;  // once an output tile is complete: its nonlinear function
};

// The constants of a kernel, looked up once; cycles() is cheap enough for the inner loop of a search.
class KernelModel {
 public:
  // Throws Error(unsupported) for a matrix kernel on formats that the device cannot multiply.
  KernelModel(const Kernel& kernel, const device::Device& device, const device::Profile& profile);

  KernelCycles cycles(const Kernel& kernel) const;

  double peak_macs_per_cycle() const { return peak_; }  // of one core; 0 for kernels without multiplications
  std::int64_t native_m() const { return native_m_; }
  std::int64_t native_k() const { return native_k_; }
  std::int64_t native_n() const { return native_n_; }

 private:
  double call(const Kernel& kernel) const;

  KernelKind kind_;
  double peak_ = 0, issue_rate_ = 1;
  double port_cycles_per_byte_ = 0, store_cycles_per_byte_ = 0;
  double per_element_ = 0, per_row_ = 0, call_cycles_ = 0, nonlinear_per_element_ = 0;
  std::int64_t native_m_ = 1, native_k_ = 1, native_n_ = 1;
  double c_bytes_ = 1;
};

}  // namespace vaip::sim
