// A hash that tells contents apart where nobody forges them: FNV-1a, 64 bit (offset basis and prime as its authors
// define them).
#pragma once

#include <cstdint>
#include <string_view>

namespace vaip {

class Fingerprint {
 public:
  void add(std::string_view bytes) {
    for (const char c : bytes) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  }
  std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325u;
};

}  // namespace vaip
