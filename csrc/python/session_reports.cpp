// Reads the reports of live sessions through the C entry of the EP library, the very one that onnxruntime loaded.
#include <dlfcn.h>
#include <pybind11/stl.h>

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/error.h"
#include "python/bindings.h"
#include "report/trace.h"
#include "vaip/ep_api.h"

namespace py = pybind11;

namespace vaip::python {
namespace {

const VaipEpApi& open_library(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);  // kept: the table below points into it
  if (handle == nullptr) fail(ErrorKind::io, path, ": cannot be loaded: ", dlerror());
  const auto get_api = reinterpret_cast<VaipGetApiFn>(dlsym(handle, "VaipGetApi"));
  if (get_api == nullptr) fail(ErrorKind::io, path, ": has no VaipGetApi, so it is not VAIP's EP library");
  const VaipEpApi* api = get_api(VAIP_EP_API_VERSION);
  if (api == nullptr)
    fail(ErrorKind::io, path, ": does not know version ", VAIP_EP_API_VERSION,
         " of VaipGetApi; library and Python package must come from the same VAIP");
  return *api;
}

const VaipEpApi& ep_api(const std::string& path) {
  static std::mutex mutex;
  static std::map<std::string, const VaipEpApi*> loaded;
  const std::lock_guard<std::mutex> lock(mutex);
  const VaipEpApi*& api = loaded[path];
  if (api == nullptr) api = &open_library(path);
  return *api;
}

std::vector<std::uint64_t> session_ids(const std::string& library) {
  const VaipEpApi& api = ep_api(library);
  std::vector<std::uint64_t> ids;
  for (std::size_t alive = api.GetSessionIds(nullptr, 0);;) {
    ids.resize(alive);
    alive = api.GetSessionIds(ids.data(), ids.size());
    if (alive > ids.size()) continue;  // one more was created in between
    ids.resize(alive);
    return ids;
  }
}

std::uint64_t find_session(const std::string& library, const std::string& tag) {
  return ep_api(library).FindSession(tag.c_str());
}

std::string session_report(const std::string& library, std::uint64_t session) {
  const VaipEpApi& api = ep_api(library);
  std::string report;
  for (std::size_t needed = api.GetReport(session, nullptr, 0); needed != 0;) {
    report.resize(needed);
    needed = api.GetReport(session, report.data(), report.size());
    if (needed > report.size()) continue;         // it has grown in between
    report.resize(needed == 0 ? 0 : needed - 1);  // without the NUL
    return report;
  }
  return {};
}

}  // namespace

void bind_session_reports(py::module_& module) {
  const auto release_gil = py::call_guard<py::gil_scoped_release>();
  module.def("session_ids", &session_ids, py::arg("library"), release_gil,
             "Ids of the sessions alive in the EP library, oldest first.");
  module.def("find_session", &find_session, py::arg("library"), py::arg("tag"), release_gil,
             "Id of the live session created with the session configuration entry SESSION_TAG set to `tag`, or 0.");
  module.attr("SESSION_TAG") = VAIP_SESSION_TAG;
  module.attr("INTRA_OP_NUM_THREADS") = VAIP_INTRA_OP_NUM_THREADS;
  module.def("session_report", &session_report, py::arg("library"), py::arg("session"), release_gil,
             "The session's report as JSON; empty when no such session is alive.");
  module.def("trace_json", &report::to_trace_json, py::arg("report_json"), release_gil,
             "The timeline of a report or timing, for chrome://tracing and ui.perfetto.dev.");
}

}  // namespace vaip::python
