// The timeline of one inference, for ui.perfetto.dev and chrome://tracing.
//
// Processes are the host, the layers in their order, and the three kinds of hardware that a layer keeps busy; their
// threads are the single shim DMA channels, memory tiles and compute tiles. A layer's work on the array is a steady
// state in which all of them take turns, so each shows one slice from its first to its last tile; how busy it is
// meanwhile is in the slice's arguments and in the counters. Inside a compute tile's slice the layer's time is split
// into shares: what is computing, what is filling, draining and waiting for single buffers, what is stalled on the
// resource that bounds it.
#pragma once

#include <string>

namespace vaip::report {

// From the JSON of a session's report or of a program's timing (to_json() of session_report.h), so that a report that
// was kept has its timeline too. Clusters follow one another. Throws Error(invalid_argument) when it is neither.
std::string to_trace_json(const std::string& report_json);

}  // namespace vaip::report
