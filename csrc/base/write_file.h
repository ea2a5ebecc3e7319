// Files that are whole or not there.
#pragma once

#include <string>
#include <vector>

#include "base/span.h"

namespace vaip {

// Writes the pieces one after another through a temporary file and a rename, creating directories. Throws Error(io)
// naming the path.
void write_file(const std::string& path, const std::vector<Span<const std::byte>>& pieces);

}  // namespace vaip
