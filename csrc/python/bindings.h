// The parts of the module vaip._core; each adds its functions or classes to the module.
#pragma once

#include <pybind11/pybind11.h>

namespace vaip::python {

void bind_session_reports(pybind11::module_& module);
void bind_configuration(pybind11::module_& module);
void bind_devices(pybind11::module_& module);
void bind_estimates(pybind11::module_& module);
void bind_model(pybind11::module_& module);

}  // namespace vaip::python
