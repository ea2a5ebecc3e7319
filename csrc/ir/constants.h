// Memory for the bytes of constants.
#pragma once

#include <cstddef>
#include <memory>

#include "ir/graph.h"

namespace vaip::ir {

// 64-byte aligned, as kernels like it.
std::shared_ptr<std::byte> allocate_constant(std::size_t bytes);

Constant copy_constant(const void* data, std::size_t bytes);

}  // namespace vaip::ir
