#include "sim/kernel_model.h"

#include <algorithm>
#include <optional>
#include <string>

#include "base/error.h"

namespace vaip::sim {
namespace {

double padded(std::int64_t extent, std::int64_t native) {
  return static_cast<double>((extent + native - 1) / native * native);
}

double cycles_per_element(const device::ElementKernels& kernels, Function function) {
  const auto found = kernels.find(std::string(name(function)));
  return found == kernels.end() ? kernels.at("default") : found->second;
}

double cycles_per_row(const device::Profile::Kernels& library, Function function) {
  const auto found = library.rows.find(std::string(name(function)));
  return found == library.rows.end() ? 0 : found->second;
}

const device::MatrixKernel& matrix_kernel(const std::map<std::string, device::MatrixKernel>& kernels, device::Format a,
                                          device::Format b) {
  const auto found = kernels.find(device::pair_key(a, b));
  return found == kernels.end() ? kernels.at("default") : found->second;
}

// The library's vectors are 8 or 16 bits wide; a wider element takes as many 16-bit passes as it has halves.
double element_cycles(const device::Profile::Kernels& library, Function function, std::int64_t bits) {
  if (bits <= 8) return cycles_per_element(library.elements_8bit, function);
  return cycles_per_element(library.elements_16bit, function) * static_cast<double>(bits) / 16.0;
}

}  // namespace

KernelModel::KernelModel(const Kernel& kernel, const device::Device& device, const device::Profile& profile)
    : kind_(kernel.kind) {
  const device::Profile::Kernels& library = profile.kernels;
  nonlinear_per_element_ = element_cycles(library, Function::nonlinear, device::bits(kernel.c));
  switch (kind_) {
    case KernelKind::matmul:
    case KernelKind::convolution: {
      const std::optional<device::MatmulChoice> choice = device::find_matmul(device, kernel.a, kernel.b);
      if (!choice)
        fail(ErrorKind::unsupported, "device '", device.name, "' does not multiply ", device::name(kernel.a), " by ",
             device::name(kernel.b));
      const device::MatrixKernel& quality =
          matrix_kernel(kind_ == KernelKind::matmul ? library.matmul : library.convolution, choice->a, choice->b);
      peak_ = choice->rate.macs_per_cycle;
      issue_rate_ = peak_ * quality.issue_efficiency;
      native_m_ = choice->rate.native_m;
      native_k_ = choice->rate.native_k;
      native_n_ = choice->rate.native_n;
      per_element_ = quality.epilogue_cycles_per_element;
      call_cycles_ = quality.call_cycles;
      store_cycles_per_byte_ = 1.0 / device.core.store_bytes_per_cycle;
      port_cycles_per_byte_ = 1.0 / device.core.load_bytes_per_cycle + store_cycles_per_byte_;
      c_bytes_ = static_cast<double>(device::bits(kernel.c)) / 8.0;
      break;
    }
    case KernelKind::depthwise: {
      // Depthwise convolutions have no reuse over channels: they run on the vector path, 16-bit operands at half its
      // rate.
      const std::optional<device::MatmulChoice> choice = device::find_matmul(device, kernel.a, kernel.b);
      peak_ = choice ? choice->rate.macs_per_cycle : 0;
      const double width = static_cast<double>(std::max<std::int64_t>(8, device::bits(kernel.a))) / 8.0;
      issue_rate_ = library.depthwise_macs_per_cycle / width;
      per_element_ = static_cast<double>(device::bits(kernel.c)) / 8.0 / device.core.store_bytes_per_cycle;
      call_cycles_ = matrix_kernel(library.convolution, kernel.a, kernel.b).call_cycles;
      break;
    }
    case KernelKind::element:
      per_element_ = element_cycles(library, kernel.function, std::max(device::bits(kernel.a), device::bits(kernel.c)));
      per_row_ = cycles_per_row(library, kernel.function);
      call_cycles_ = library.matmul.at("default").call_cycles;
      break;
    case KernelKind::none:
    case KernelKind::copy:
    case KernelKind::host:
      break;
  }
}

KernelCycles KernelModel::cycles(const Kernel& kernel) const {
  KernelCycles result;
  result.per_call = call(kernel);
  if (kernel.nonlinear_epilogue)
    result.per_block = static_cast<double>(kernel.m) * static_cast<double>(std::max<std::int64_t>(kernel.n, 1)) *
                       nonlinear_per_element_;
  return result;
}

double KernelModel::call(const Kernel& kernel) const {
  switch (kind_) {
    case KernelKind::matmul:
    case KernelKind::convolution: {
      const double macs = padded(kernel.m, native_m_) * padded(kernel.k, native_k_) * padded(kernel.n, native_n_);
      const double elements = padded(kernel.m, native_m_) * padded(kernel.n, native_n_);
      const double traffic = kernel.partial_sum_bytes > 0
                                 ? static_cast<double>(kernel.partial_sum_bytes) * port_cycles_per_byte_
                                 : c_bytes_ * store_cycles_per_byte_;
      return macs / issue_rate_ + elements * (per_element_ + traffic) + call_cycles_;
    }
    case KernelKind::depthwise: {
      const auto elements = static_cast<double>(kernel.m);
      return elements * (static_cast<double>(kernel.k) / issue_rate_ + per_element_) + call_cycles_;
    }
    case KernelKind::element:
      return static_cast<double>(kernel.m) * static_cast<double>(kernel.work_per_element) * per_element_ +
             static_cast<double>(kernel.rows) * per_row_ + call_cycles_;
    case KernelKind::none:
    case KernelKind::copy:
    case KernelKind::host:
      return 0;
  }
  return 0;
}

}  // namespace vaip::sim
