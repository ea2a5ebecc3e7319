// The files that a session leaves behind when its options ask for them.
#pragma once

#include <filesystem>
#include <string>

#include "ort/logger.h"
#include "partition/config.h"
#include "report/session_report.h"

namespace vaip::ep {

// cache_dir: {cache_dir}/{cache_key}/vitisai_ep_report.json, AMD's partition report; report_file: ours;
// trace_file: the predicted timeline.
// Throws Error(io) naming the path; for cache_dir, without which a session is what it is, that is a warning.
void write_session_files(const partition::Config& config, const report::SessionReport& report,
                         const ort::Logger& logger);

// {cache_dir}/{cache_key}
std::filesystem::path session_directory(const partition::Config& config, const report::SessionReport& report);

// The folder of a session that names no cache_key: the same for the same graph, whatever file it came from.
std::string default_cache_key(const report::SessionReport& report);

}  // namespace vaip::ep
