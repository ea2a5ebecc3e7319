// Which build of VAIP this is.
#pragma once

#include <string>

namespace vaip {

// The linker's hash of the library or program that this code is in; "" where it has none.
std::string build_id();

}  // namespace vaip
