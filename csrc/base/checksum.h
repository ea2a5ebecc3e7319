// XXH64 (Yann Collet's xxHash, 64 bits): a checksum as fast as memory is read.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/span.h"

namespace vaip {

std::uint64_t checksum(Span<const std::byte> bytes, std::uint64_t seed = 0);

}  // namespace vaip
