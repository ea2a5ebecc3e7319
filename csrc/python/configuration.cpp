// Checks of configuration files and session options, with the loader's own messages.
#include <pybind11/stl.h>

#include <map>
#include <optional>
#include <string>

#include "base/json.h"
#include "partition/config.h"
#include "python/bindings.h"

namespace py = pybind11;

namespace vaip::python {

void bind_configuration(py::module_& module) {
  const auto release_gil = py::call_guard<py::gil_scoped_release>();
  module.def(
      "resolve_options",
      [](const std::map<std::string, std::string>& options) {
        const partition::Config config = partition::resolve_config(options);
        const auto text = [](const std::optional<int>& limit) {
          return limit ? std::to_string(*limit) : std::string();
        };
        return std::map<std::string, std::string>{{"source", config.source},
                                                  {"target", config.target},
                                                  {"device", config.device},
                                                  {"stack", config.stack},
                                                  {"numerics", config.device_rounding() ? "xdna" : "onnx"},
                                                  {"rounding", std::string(kernels::name(config.rounding))},
                                                  {"rows", text(config.rows)},
                                                  {"columns", text(config.columns)},
                                                  {"device_overrides", json::Value(config.device_overrides).dump()},
                                                  {"stack_overrides", json::Value(config.stack_overrides).dump()}};
      },
      py::arg("options"), release_gil,
      "What the session options choose. Raises Error for an unknown option, a bad value or a bad file.");
  module.def(
      "check_config",
      [](const std::string& path, const std::string& target) { (void)partition::load_config(path, target); },
      py::arg("path"), py::arg("target") = "", release_gil, "Raises Error for a bad vaip_config.json.");
  module.def("default_config", &partition::default_config_json, "The packaged vaip_config.json.");
  module.def("config_schema", &partition::config_schema_json, "The JSON schema of vaip_config.json.");
}

}  // namespace vaip::python
