// Predictions without a model.
#include <pybind11/stl.h>

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "compiler/estimate.h"
#include "device/device.h"
#include "python/bindings.h"
#include "report/session_report.h"

namespace py = pybind11;

namespace vaip::python {
namespace {

using compiler::GemmQuery;
using TileShape = std::array<std::int64_t, 3>;

GemmQuery::Layout layout_from_name(const std::string& name) {
  if (name == "row") return GemmQuery::Layout::row;
  if (name == "column") return GemmQuery::Layout::column;
  fail(ErrorKind::invalid_argument, "b_layout '", name, "': expected 'row' or 'column'");
}

std::string estimate_gemm(const TileShape& sizes, const std::array<std::string, 3>& formats, const std::string& device,
                          const std::string& stack, std::optional<std::int64_t> rows,
                          std::optional<std::int64_t> columns, const std::optional<TileShape>& tile,
                          std::optional<std::int64_t> c_buffers, const std::string& b_layout, const std::string& mode) {
  GemmQuery query;
  query.M = sizes[0];
  query.K = sizes[1];
  query.N = sizes[2];
  query.a = device::format_from_name(formats[0]);
  query.b = device::format_from_name(formats[1]);
  query.out = device::format_from_name(formats[2]);
  query.rows = rows;
  query.columns = columns;
  if (tile) query.tile = compiler::Tile{(*tile)[0], (*tile)[1], (*tile)[2]};
  query.c_buffers = c_buffers;
  query.b_layout = layout_from_name(b_layout);
  query.mode = sim::mode_from_name(mode);
  const device::Device described = device::device_from_json(device, "device");
  return report::to_json(compiler::estimate_gemm(query, described, *device::load_stack(stack)));
}

}  // namespace

void bind_estimates(py::module_& module) {
  module.def("estimate_gemm", &estimate_gemm, py::arg("sizes"), py::arg("formats"), py::arg("device"), py::arg("stack"),
             py::arg("rows"), py::arg("columns"), py::arg("tile"), py::arg("c_buffers"), py::arg("b_layout"),
             py::arg("mode") = "steady",
             py::call_guard<py::gil_scoped_release>(),
             "Timing as JSON. sizes: M, K, N; formats: of A, B and the result; device: a description as JSON.");
}

}  // namespace vaip::python
