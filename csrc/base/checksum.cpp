#include "base/checksum.h"

#include <array>
#include <cstring>

namespace vaip {
namespace {

// The algorithm's own constants.
constexpr std::uint64_t kPrime1 = 0x9E3779B185EBCA87u, kPrime2 = 0xC2B2AE3D27D4EB4Fu, kPrime3 = 0x165667B19E3779F9u,
                        kPrime4 = 0x85EBCA77C2B2AE63u, kPrime5 = 0x27D4EB2F165667C5u;

constexpr std::uint64_t rotated(std::uint64_t x, int bits) { return x << bits | x >> (64 - bits); }

template <typename Word>
std::uint64_t load(const std::byte* at) {
  Word word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

constexpr std::uint64_t round(std::uint64_t lane, std::uint64_t word) {
  return rotated(lane + word * kPrime2, 31) * kPrime1;
}

}  // namespace

std::uint64_t checksum(Span<const std::byte> bytes, std::uint64_t seed) {
  const std::byte *at = bytes.data(), *const end = at + bytes.size();
  std::uint64_t hash = seed + kPrime5;
  if (bytes.size() >= 32) {
    std::array<std::uint64_t, 4> lanes = {seed + kPrime1 + kPrime2, seed + kPrime2, seed, seed - kPrime1};
    for (; end - at >= 32; at += 32)
      for (std::size_t lane = 0; lane < lanes.size(); ++lane)
        lanes[lane] = round(lanes[lane], load<std::uint64_t>(at + 8 * lane));
    hash = rotated(lanes[0], 1) + rotated(lanes[1], 7) + rotated(lanes[2], 12) + rotated(lanes[3], 18);
    for (const std::uint64_t lane : lanes) hash = (hash ^ round(0, lane)) * kPrime1 + kPrime4;
  }
  hash += bytes.size();
  for (; end - at >= 8; at += 8) hash = rotated(hash ^ round(0, load<std::uint64_t>(at)), 27) * kPrime1 + kPrime4;
  if (end - at >= 4) {
    hash = rotated(hash ^ load<std::uint32_t>(at) * kPrime1, 23) * kPrime2 + kPrime3;
    at += 4;
  }
  for (; at != end; ++at) hash = rotated(hash ^ load<std::uint8_t>(at) * kPrime5, 11) * kPrime1;
  hash = (hash ^ hash >> 33) * kPrime2;
  hash = (hash ^ hash >> 29) * kPrime3;
  return hash ^ hash >> 32;
}

}  // namespace vaip
