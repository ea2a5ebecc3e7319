// The files that a session leaves behind when its options ask for them.
#pragma once

#include "partition/config.h"
#include "report/session_report.h"

namespace vaip::ep {

// cache_dir: {cache_dir}/{cache_key}/vitisai_ep_report.json, AMD's partition report; report_file: ours;
// trace_file: the predicted timeline.
// Throws Error(io) naming the path.
void write_session_files(const partition::Config& config, const report::SessionReport& report);

// The folder of a session that names no cache_key: the same for the same graph, whatever file it came from.
std::string default_cache_key(const report::SessionReport& report);

}  // namespace vaip::ep
