#include "compiler/query_stack.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/nearest.h"

namespace vaip::compiler {

QueryStack::QueryStack(const device::Device& device, const device::Stack& stack) : device_(device), stack_(stack) {
  (void)stack_.profile(device.generation);  // throws where there is none
  profile_ = &stack_.generations.at(device.generation);
}

void QueryStack::use_matmul(const std::string& variant, device::Format a, device::Format b) {
  use(profile_->kernels.matmul, "matmul", variant, a, b);
}

void QueryStack::use_convolution(const std::string& variant, device::Format a, device::Format b) {
  use(profile_->kernels.convolution, "convolution", variant, a, b);
}

// A variant's key is that of its formats with "@name" appended.
void QueryStack::use(Kernels& kernels, const char* what, const std::string& variant, device::Format a,
                     device::Format b) {
  if (variant.empty()) return;
  const std::optional<device::MatmulChoice> choice = device::find_matmul(device_, a, b);
  const std::string pair = choice ? device::pair_key(choice->a, choice->b) : device::pair_key(a, b);
  for (const std::string& key : {pair, std::string("default")}) {
    const auto found = kernels.find(key + "@" + variant);
    if (found == kernels.end()) continue;
    kernels[pair] = found->second;
    return;
  }
  std::vector<std::string> known;
  for (const auto& entry : kernels)
    if (entry.first.find('@') != std::string::npos) known.push_back(entry.first);
  fail(ErrorKind::unsupported, "stack '", stack_.name, "' has no ", what, " kernel '", variant, "' for ", pair, " on ",
       device_.generation, known.empty() ? "" : "; variants: ", join(known));
}

void check_range(const char* function, const char* field, std::int64_t value, std::int64_t lowest,
                 std::int64_t highest) {
  if (value < lowest || value > highest)
    fail(ErrorKind::invalid_argument, function, ": ", field, " is ", value, "; expected ", lowest, " to ", highest);
}

}  // namespace vaip::compiler
