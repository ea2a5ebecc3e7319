// "Did you mean ...?": the known name that is closest to what was written.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/span.h"

namespace vaip {

// Edits (insertion, deletion, substitution, swap of neighbours) between the names, ignoring case, '_', '-' and ' '.
std::size_t name_distance(std::string_view a, std::string_view b);

// The closest of `known` (the first of equals), or "" when none is close enough to be a slip of the pen: at most one
// third of the longer name's letters differ.
std::string nearest(std::string_view written, Span<const std::string> known);

// "; did you mean \"<nearest>\"?", or "" when nothing is near.
std::string did_you_mean(std::string_view written, Span<const std::string> known);

// a, b, c
std::string join(Span<const std::string> names, std::string_view separator = ", ");

}  // namespace vaip
