// Parts of a kernel's scratch memory, one after the other.
#pragma once

#include <cstddef>

namespace vaip::kernels {

// A cache line, which is what scratch memory begins with (kernel.h).
inline constexpr std::size_t kScratchAlignment = 64;

// The offset of what follows so many bytes.
constexpr std::size_t aligned(std::size_t bytes) {
  return (bytes + kScratchAlignment - 1) / kScratchAlignment * kScratchAlignment;
}

}  // namespace vaip::kernels
