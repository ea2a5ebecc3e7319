#include "ir/constants.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace vaip::ir {
namespace {

constexpr std::align_val_t kAlignment{64};

}  // namespace

std::shared_ptr<std::byte> allocate_constant(std::size_t bytes) {
  auto* data = static_cast<std::byte*>(::operator new(std::max<std::size_t>(bytes, 1), kAlignment));
  return {data, [](std::byte* p) { ::operator delete(p, kAlignment); }};
}

Constant copy_constant(const void* data, std::size_t bytes) {
  const std::shared_ptr<std::byte> copy = allocate_constant(bytes);
  if (bytes != 0) std::memcpy(copy.get(), data, bytes);
  return {copy, bytes};
}

}  // namespace vaip::ir
