// Device descriptions as JSON text; the dataclass of them is python/vaip/description.py.
#include <pybind11/stl.h>

#include <map>
#include <string>

#include "device/device.h"
#include "python/bindings.h"

namespace py = pybind11;

namespace vaip::python {

void bind_devices(py::module_& module) {
  const auto release_gil = py::call_guard<py::gil_scoped_release>();
  module.def("device_names", &device::names, "Names of the devices that come with VAIP.");
  module.def("stack_names", &device::stack_names, "Names of the software stacks that come with VAIP.");
  module.def(
      "device_json",
      [](const std::string& name_or_path, const std::map<std::string, std::string>& overrides) {
        return device::to_json(device::with_overrides(*device::load(name_or_path), overrides));
      },
      py::arg("name_or_path"), py::arg("overrides") = std::map<std::string, std::string>{}, release_gil,
      "The description, with fields replaced by dotted path: {'dram.read_gbps': '30'}.");
  module.def(
      "override_device",
      [](const std::string& text, const std::string& origin, const std::map<std::string, std::string>& overrides) {
        return device::to_json(device::with_overrides(device::device_from_json(text, origin), overrides));
      },
      py::arg("text"), py::arg("origin"), py::arg("overrides"), release_gil,
      "The description with fields replaced by dotted path; the values are JSON text.");
  module.def(
      "override_paths",
      [](const std::string& device, const std::string& stack) {
        return device::override_paths(*device::load(device), *device::load_stack(stack));
      },
      py::arg("device"), py::arg("stack"), release_gil,
      "Dotted paths of all that can be overridden on the device with the stack; the stack's begin with 'stack.'.");
  module.def(
      "check_device",
      [](const std::string& text, const std::string& origin) { (void)device::device_from_json(text, origin); },
      py::arg("text"), py::arg("origin"), release_gil, "Raises Error that names `origin` for a wrong description.");
}

}  // namespace vaip::python
