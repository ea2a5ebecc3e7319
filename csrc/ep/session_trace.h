// The predicted timeline of a session's programs, for chrome://tracing and ui.perfetto.dev.
#pragma once

#include <string>

#include "report/session_report.h"

namespace vaip::ep {

// Trace Event Format: one inference, cluster after cluster; a track for the array and one for the host's dispatch.
std::string to_trace_json(const report::SessionReport& report);

}  // namespace vaip::ep
