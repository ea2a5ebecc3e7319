// vaip._core: what Python needs of the C++ core. The public API in python/vaip is written on top of it.
#include <exception>

#include "base/error.h"
#include "python/bindings.h"
#include "vaip/vaip.h"

namespace py = pybind11;

namespace {

// Both of our exception types become the one Python type that vaip.Error is.
void register_errors(py::module_& module) {
  static py::exception<vaip::Error> error(module, "Error", PyExc_ValueError);
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const vaip::Error& e) {
      py::set_error(error, e.what());
    } catch (const vaip::ApiError& e) {
      py::set_error(error, e.what());
    }
  });
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  module.doc() = "VAIP's C++ core";
  module.attr("__version__") = VAIP_VERSION;
  register_errors(module);
  vaip::python::bind_session_reports(module);
  vaip::python::bind_configuration(module);
  vaip::python::bind_devices(module);
  vaip::python::bind_estimates(module);
  vaip::python::bind_model(module);
}
