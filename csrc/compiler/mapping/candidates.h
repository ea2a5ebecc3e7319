// Tile sizes that a search tries.
#pragma once

#include <cstdint>
#include <vector>

namespace vaip::compiler {

inline std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Multiples of `granule`, densest where small: 1 to 8, then some eight per octave; up to the first that covers
// `extent`. The list for a longer extent contains that for a shorter one, so more work never finds a cheaper tile.
inline std::vector<std::int64_t> multiples(std::int64_t granule, std::int64_t extent) {
  constexpr std::int64_t kLargest = 96;
  std::vector<std::int64_t> result;
  for (std::int64_t factor = 1; factor <= kLargest; factor += factor < 8 ? 1 : factor < 16 ? 2 : factor < 32 ? 4 : 8) {
    result.push_back(factor * granule);
    if (factor * granule >= extent) break;
  }
  return result;
}

// The extent cut into 1, 2, 4, ... parts, none shorter than `shortest` (but the whole is always one).
inline std::vector<std::int64_t> equal_parts(std::int64_t extent, std::int64_t shortest) {
  std::vector<std::int64_t> result = {extent};
  for (std::int64_t parts = 2; ceil_div(extent, parts) >= shortest && parts < extent; parts *= 2)
    result.push_back(ceil_div(extent, parts));
  return result;
}

}  // namespace vaip::compiler
