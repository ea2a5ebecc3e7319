// The nodes that the IPU does not take, as errors and logs list them.
#pragma once

#include <cstddef>
#include <string>

#include "report/session_report.h"

namespace vaip::report {

std::size_t count_unclaimed(const SessionReport& report);

// "\n  Hardmax `pick`: why not" for each node ("Hardmax(y)" where it has no name). Where that would be more than
// `most_lines`, nodes of one operator and one reason share a line that names the first few, and a last line counts what
// is left.
std::string list_unclaimed(const SessionReport& report, std::size_t most_lines);

}  // namespace vaip::report
