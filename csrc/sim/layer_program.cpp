#include "sim/layer_program.h"

#include <algorithm>

namespace vaip::sim {
namespace {

constexpr std::array<std::string_view, 19> kFunctions = {
    "add",        "multiply", "divide",       "relu",       "gelu",    "silu",     "silu_multiply",
    "nonlinear",  "max_pool", "average_pool", "reduce",     "softmax", "rms_norm", "layer_norm",
    "group_norm", "rope",     "resize",       "requantize", "matvec"};

}  // namespace

std::string_view name(Function function) { return kFunctions[static_cast<std::size_t>(function)]; }

std::optional<Function> function_from_name(std::string_view text) {
  const auto found = std::find(kFunctions.begin(), kFunctions.end(), text);
  if (found == kFunctions.end()) return std::nullopt;
  return static_cast<Function>(found - kFunctions.begin());
}

}  // namespace vaip::sim
