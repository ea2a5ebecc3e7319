// A stack with what a query fixes instead of leaving it to the stack's profile.
#pragma once

#include <cstdint>
#include <string>

#include "device/device.h"

namespace vaip::compiler {

class QueryStack {
 public:
  QueryStack(const device::Device& device, const device::Stack& stack);

  const device::Stack& get() const { return stack_; }
  device::Profile& profile() { return *profile_; }

  // The variant takes the place of the kernels for these formats. Throws Error(unsupported) that lists the variants.
  void use_matmul(const std::string& variant, device::Format a, device::Format b);
  void use_convolution(const std::string& variant, device::Format a, device::Format b);
  void leave_out_host_call() { profile_->dispatch.host_call_us = 0; }

 private:
  using Kernels = std::map<std::string, device::MatrixKernel>;
  void use(Kernels& kernels, const char* what, const std::string& variant, device::Format a, device::Format b);

  const device::Device& device_;
  device::Stack stack_;
  device::Profile* profile_;
};

// Throws Error(invalid_argument) naming function and field.
void check_range(const char* function, const char* field, std::int64_t value, std::int64_t lowest,
                 std::int64_t highest);

constexpr std::int64_t kLargestExtent = std::int64_t{1} << 20;  // products of three still fit 64 bits

}  // namespace vaip::compiler
