// Predictions without a model. Devices are descriptions as JSON; stacks are names, or paths of stack files.
#include <pybind11/stl.h>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/error.h"
#include "compiler/estimate.h"
#include "compiler/estimate_elements.h"
#include "compiler/estimate_layers.h"
#include "device/device.h"
#include "embedded.h"
#include "python/bindings.h"
#include "report/session_report.h"

namespace py = pybind11;

namespace vaip::python {
namespace {

using compiler::GemmQuery;
using compiler::KernelQuery;
using Extent = std::optional<std::int64_t>;
using Formats = std::array<std::string, 3>;
using TileShape = std::array<std::int64_t, 3>;

template <typename T>
T one_of(const char* field, const std::string& given, const std::map<std::string, T>& known) {
  const auto found = known.find(given);
  if (found != known.end()) return found->second;
  std::string names;
  for (const auto& entry : known) names.append(names.empty() ? "'" : ", '").append(entry.first).append("'");
  fail(ErrorKind::invalid_argument, field, " '", given, "': expected one of ", names);
}

GemmQuery::Layout layout_from_name(const char* field, const std::string& name) {
  return one_of<GemmQuery::Layout>(field, name,
                                   {{"row", GemmQuery::Layout::row}, {"column", GemmQuery::Layout::column}});
}

template <typename Query>
void set_formats(Query& query, const Formats& formats) {
  query.a = device::format_from_name(formats[0]);
  query.b = device::format_from_name(formats[1]);
  query.out = device::format_from_name(formats[2]);
}

struct Target {
  Target(const std::string& description, const std::string& stack_name,
         const std::map<std::string, std::string>& stack_overrides = {})
      : device(device::device_from_json(description, "device")), stack(device::load_stack(stack_name)) {
    if (!stack_overrides.empty())
      stack = std::make_shared<const device::Stack>(
          device::with_profile_overrides(*stack, device.generation, stack_overrides));
  }
  device::Device device;
  std::shared_ptr<const device::Stack> stack;
};

std::string estimate_gemm(const TileShape& sizes, const Formats& formats, const std::string& device,
                          const std::string& stack, std::int64_t batch, const std::optional<std::string>& partial_sums,
                          Extent rows, Extent columns, const std::optional<TileShape>& tile, Extent l2_depth,
                          Extent c_buffers, const std::string& b_layout, const std::string& c_layout,
                          const std::string& kernel, bool host_call,
                          const std::map<std::string, std::string>& stack_overrides, const std::string& mode) {
  GemmQuery query;
  query.M = sizes[0];
  query.K = sizes[1];
  query.N = sizes[2];
  query.batch = batch;
  set_formats(query, formats);
  if (partial_sums) query.partial_sums = device::format_from_name(*partial_sums);
  query.rows = rows;
  query.columns = columns;
  if (tile) query.tile = compiler::Tile{(*tile)[0], (*tile)[1], (*tile)[2]};
  query.l2_depth = l2_depth;
  query.c_buffers = c_buffers;
  query.b_layout = layout_from_name("b_layout", b_layout);
  query.c_layout = layout_from_name("c_layout", c_layout);
  query.kernel = kernel;
  query.host_call = host_call;
  query.mode = sim::mode_from_name(mode);
  const Target target(device, stack, stack_overrides);
  return report::to_json(compiler::estimate_gemm(query, target.device, *target.stack));
}

double estimate_kernel(const std::string& kind, const TileShape& sizes, const Formats& formats,
                       const std::string& device, const std::string& stack, const std::string& op,
                       const std::string& kernel, bool accumulates, bool c_shares_a_bank) {
  KernelQuery query;
  query.kind = one_of<KernelQuery::Kind>("kind", kind,
                                         {{"matmul", KernelQuery::Kind::matmul},
                                          {"convolution", KernelQuery::Kind::convolution},
                                          {"element", KernelQuery::Kind::element}});
  query.m = sizes[0];
  query.k = sizes[1];
  query.n = sizes[2];
  set_formats(query, formats);
  query.op = op;
  query.kernel = kernel;
  query.accumulates = accumulates;
  query.c_shares_a_bank = c_shares_a_bank;
  const Target target(device, stack);
  return compiler::estimate_kernel(query, target.device, *target.stack);
}

std::string estimate_elements(const std::string& op, std::int64_t elements, std::int64_t row, const Formats& formats,
                              const std::string& device, const std::string& stack, Extent rows, Extent columns,
                              Extent tile, bool host_call, const std::string& mode) {
  compiler::ElementQuery query;
  query.op = op;
  query.elements = elements;
  query.row = row;
  set_formats(query, formats);
  query.rows = rows;
  query.columns = columns;
  query.tile = tile;
  query.host_call = host_call;
  query.mode = sim::mode_from_name(mode);
  const Target target(device, stack);
  return report::to_json(compiler::estimate_elements(query, target.device, *target.stack));
}

// One convolution; several are a depth-first pipeline.
using ConvStage = std::tuple<std::array<std::int64_t, 2>, std::array<std::int64_t, 2>, std::int64_t, std::int64_t, bool,
                             Extent, Extent, std::string>;

std::string estimate_conv(const std::vector<ConvStage>& stages, const Formats& formats, const std::string& device,
                          const std::string& stack, bool host_call, const std::string& mode) {
  std::vector<compiler::ConvQuery> queries;
  for (const auto& [output, channels, window, stride, depthwise, rows, columns, kernel] : stages) {
    compiler::ConvQuery query;
    query.height = output[0];
    query.width = output[1];
    query.in_channels = channels[0];
    query.out_channels = channels[1];
    query.window = window;
    query.stride = stride;
    query.depthwise = depthwise;
    set_formats(query, formats);
    query.rows = rows;
    query.columns = columns;
    query.kernel = kernel;
    query.host_call = host_call;
    query.mode = sim::mode_from_name(mode);
    queries.push_back(query);
  }
  const Target target(device, stack);
  if (queries.size() == 1)
    return report::to_json(compiler::estimate_conv(queries.front(), target.device, *target.stack));
  return report::to_json(compiler::estimate_pipeline(queries, target.device, *target.stack));
}

std::string estimate_attention(const TileShape& sizes, const std::array<std::int64_t, 2>& heads,
                               const std::string& format, const std::string& device, const std::string& stack,
                               Extent rows, Extent columns, bool host_call, const std::string& mode) {
  compiler::AttentionQuery query;
  query.queries = sizes[0];
  query.keys = sizes[1];
  query.head_dim = sizes[2];
  query.query_heads = heads[0];
  query.kv_heads = heads[1];
  query.format = device::format_from_name(format);
  query.rows = rows;
  query.columns = columns;
  query.host_call = host_call;
  query.mode = sim::mode_from_name(mode);
  const Target target(device, stack);
  return report::to_json(compiler::estimate_attention(query, target.device, *target.stack));
}

std::vector<std::string> element_op_names() {
  std::vector<std::string> names;
  for (const compiler::ElementOp& op : compiler::element_ops()) names.emplace_back(op.name);
  return names;
}

// The files as they are, with members that the simulator itself does not read.
std::map<std::string, std::string> description_files() {
  std::map<std::string, std::string> files;
  for (const embedded::File& file : embedded::files())
    if (file.name.find("/devices/") != std::string_view::npos || file.name.find("/stacks/") != std::string_view::npos)
      files.emplace(file.name, file.text);
  return files;
}

}  // namespace

void bind_estimates(py::module_& module) {
  using py::arg;
  const auto release_gil = py::call_guard<py::gil_scoped_release>();
  module.def("estimate_gemm", &estimate_gemm, arg("sizes"), arg("formats"), arg("device"), arg("stack"), arg("batch"),
             arg("partial_sums"), arg("rows"), arg("columns"), arg("tile"), arg("l2_depth"), arg("c_buffers"),
             arg("b_layout"), arg("c_layout"), arg("kernel"), arg("host_call"),
             arg("stack_overrides") = std::map<std::string, std::string>{}, arg("mode") = "steady", release_gil,
             "Timing as JSON. sizes: M, K, N; formats: of A, B and the result; device: a description as JSON.");
  module.def("estimate_kernel", &estimate_kernel, arg("kind"), arg("sizes"), arg("formats"), arg("device"),
             arg("stack"), arg("op"), arg("kernel"), arg("accumulates"), arg("c_shares_a_bank"), release_gil,
             "Cycles of one call on one core. sizes: m, k, n.");
  module.def("estimate_elements", &estimate_elements, arg("op"), arg("elements"), arg("row"), arg("formats"),
             arg("device"), arg("stack"), arg("rows"), arg("columns"), arg("tile"), arg("host_call"),
             arg("mode") = "steady", release_gil, "Timing as JSON of an operator of element_op_names().");
  module.def("estimate_conv", &estimate_conv, arg("stages"), arg("formats"), arg("device"), arg("stack"),
             arg("host_call"), arg("mode") = "steady", release_gil,
             "Timing as JSON. stages: ((height, width), (channels in, out), window, stride, depthwise, rows, columns, "
             "kernel); "
             "several are a depth-first pipeline.");
  module.def("estimate_attention", &estimate_attention, arg("sizes"), arg("heads"), arg("format"), arg("device"),
             arg("stack"), arg("rows"), arg("columns"), arg("host_call"), arg("mode") = "steady", release_gil,
             "Timing as JSON. sizes: queries, keys, head dimension; heads: of the queries, of keys and values.");
  module.def("element_op_names", &element_op_names, "Operators that estimate_elements() knows.");
  module.def("description_files", &description_files, "The device and stack files that come with VAIP, name to text.");
}

}  // namespace vaip::python
