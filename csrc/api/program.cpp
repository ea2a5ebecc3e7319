#include "compiler/program.h"

#include <chrono>
#include <utility>

#include "api/cluster_graph.h"
#include "api/guard.h"
#include "api/model.h"
#include "base/error.h"
#include "ir/binding.h"
#include "partition/device_choice.h"
#include "report/session_report.h"
#include "report/trace.h"
#include "runtime/evaluate.h"

namespace vaip {
namespace {

using Shapes = std::vector<ir::Shape>;

// The shapes to compile for: the given ones, or the model's own where they are static.
Shapes input_shapes_of(const Model::Impl& model, const Shapes& given) {
  const std::vector<std::string>& names = model.onnx.inputs;
  if (!given.empty() && given.size() != names.size()) {
    fail(ErrorKind::invalid_argument, "compile: the model has ", names.size(), " inputs, ", given.size(),
         " shapes were given");
  }
  if (!given.empty()) {
    for (std::size_t i = 0; i < given.size(); ++i) {
      if (!ir::is_static(given[i])) {
        fail(ErrorKind::invalid_argument, "compile: the shape ", ir::to_string(given[i]), " given for input '",
             names[i], "' has an unknown dimension");
      }
    }
    return given;
  }
  Shapes shapes;
  for (const std::string& name : names) {
    const auto info = model.onnx.values.find(name);
    if (info == model.onnx.values.end() || !info->second.has_shape || !ir::is_static(info->second.shape)) {
      const std::string shape =
          info != model.onnx.values.end() && info->second.has_shape ? ir::to_string(info->second.shape) : "unknown";
      fail(ErrorKind::invalid_argument, "compile: input '", name, "' has no static shape (", shape,
           "); give the shapes of all inputs");
    }
    shapes.push_back(info->second.shape);
  }
  return shapes;
}

// The shapes of a cluster's inputs in a model that is claimed in part: what runs between clusters is not known to us,
// so the model has to declare them.
Shapes cluster_shapes(const Model::Impl& model, const Shapes& model_shapes, const ir::Graph& cluster) {
  Shapes shapes;
  for (const ir::ValueId id : cluster.inputs) {
    const ir::Value& value = cluster.value(id);
    ir::Shape shape = value.shape;
    for (std::size_t i = 0; i < model.onnx.inputs.size(); ++i) {
      if (model.onnx.inputs[i] == value.name) shape = model_shapes[i];
    }
    if (!ir::is_static(shape)) {
      fail(ErrorKind::unsupported, "compile: the shape ", ir::to_string(shape), " of '", value.name,
           "' is not known before the model runs, because nodes outside the IPU compute it:", model.list_unclaimed());
    }
    shapes.push_back(std::move(shape));
  }
  return shapes;
}

std::vector<TensorDesc> model_inputs(const Model::Impl& model, const Shapes& shapes) {
  std::vector<TensorDesc> out = describe(model.onnx, model.onnx.inputs);
  for (std::size_t i = 0; i < out.size(); ++i) out[i].shape = shapes[i];
  return out;
}

// The outputs' shapes as they follow from the inputs'.
std::vector<TensorDesc> bound_outputs(const ir::Graph& graph) {
  std::vector<TensorDesc> out;
  for (const ir::ValueId id : graph.outputs) {
    const ir::Value& value = graph.value(id);
    out.push_back({value.name, std::string(ir::name(value.dtype)), value.shape});
  }
  return out;
}

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

// What a program is made for: running the model, or saying only what it would take.
enum class Purpose : std::uint8_t { run, predict };

std::shared_ptr<const Program::Impl> compile_model(std::shared_ptr<const Model::Impl> model, const Shapes& given,
                                                   Purpose purpose) {
  const partition::Config& config = model->config;
  const Shapes shapes = input_shapes_of(*model, given);
  const auto device = partition::device_of(config);
  const compiler::CompileOptions target = {device, partition::stack_of(config, *device), config.rows, config.columns,
                                           config.mode};
  auto impl = std::make_shared<Program::Impl>();
  impl->report = report::start_report(model->onnx, model->partition, config);
  impl->report.model = model->file->path;
  impl->inputs = model_inputs(*model, shapes);
  impl->outputs = describe(model->onnx, model->onnx.outputs);
  for (std::size_t i = 0; i < model->partition.clusters.size(); ++i) {
    const auto start = std::chrono::steady_clock::now();
    const bool whole = model->wholly_claimed();
    const ir::Graph graph = whole ? frontend::executable(*model->recognition)
                                  : frontend::lower(cut_out(model->onnx, model->partition.clusters[i]),
                                                    model->recognition->converts_floats);
    report::ClusterEntry entry;
    entry.name = detail::concat("vaip_", i);
    entry.input_shapes = whole ? shapes : cluster_shapes(*model, shapes, graph);
    compiler::Program program =
        compiler::compile(ir::bind_shapes(graph, entry.input_shapes, {}, runtime::evaluate), target);
    if (whole && purpose == Purpose::run) {
      impl->executor.emplace(
          program.graph, runtime::ExecutorOptions{config.num_threads, config.device_rounding(), config.host_profile});
      report::note_host(*impl->executor, entry);
      impl->outputs = bound_outputs(program.graph);
    }
    entry.timing = std::move(program.timing);
    entry.programs = 1;
    entry.compile_ms = milliseconds_since(start);
    impl->report.clusters.push_back(std::move(entry));
  }
  impl->model = std::move(model);
  return impl;
}

}  // namespace

Program Model::compile(const std::vector<std::vector<std::int64_t>>& input_shapes) const {
  return guarded([&] {
    Program program(compile_model(impl_, input_shapes, Purpose::run));
    const partition::Config& config = impl_->config;
    if (!config.report_file.empty()) report::write_file(config.report_file, program.report_json());
    if (!config.trace_file.empty()) {
      report::write_file(config.trace_file, report::to_trace_json(program.report_json()));
    }
    return program;
  });
}

std::string Model::predict_json(const std::vector<std::vector<std::int64_t>>& input_shapes) const {
  return guarded([&] { return report::to_json(compile_model(impl_, input_shapes, Purpose::predict)->report); });
}

Program::Program(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

void Program::run(const std::vector<const void*>& inputs, const std::vector<void*>& outputs) const {
  guarded([&] {
    if (!impl_->executor) {
      fail(ErrorKind::unsupported, "run: ", impl_->model->partition.unclaimed.size(),
           " nodes of the model are not claimed by the IPU; run it with onnxruntime and the provider VitisAIEP:",
           impl_->model->list_unclaimed());
    }
    const auto check = [](const char* what, const auto& pointers, const std::vector<TensorDesc>& tensors) {
      if (pointers.size() != tensors.size()) {
        fail(ErrorKind::invalid_argument, "run: the model has ", tensors.size(), " ", what, "s, ", pointers.size(),
             " pointers were given");
      }
      for (std::size_t i = 0; i < tensors.size(); ++i) {
        if (pointers[i] == nullptr && ir::element_count(tensors[i].shape) != 0) {
          fail(ErrorKind::invalid_argument, "run: the pointer for ", what, " '", tensors[i].name, "' is null");
        }
      }
    };
    check("input", inputs, impl_->inputs);
    check("output", outputs, impl_->outputs);
    impl_->executor->run(inputs, outputs);
  });
}

std::vector<TensorDesc> Program::inputs() const { return impl_->inputs; }
std::vector<TensorDesc> Program::outputs() const { return impl_->outputs; }

double Program::latency_us() const {
  double sum = 0;
  for (const report::ClusterEntry& cluster : impl_->report.clusters) sum += cluster.timing.latency_us();
  return sum;
}

double Program::cycles() const {
  double sum = 0;
  for (const report::ClusterEntry& cluster : impl_->report.clusters) sum += cluster.timing.cycles;
  return sum;
}

std::string Program::report_json() const {
  return guarded([&] {
    if (!impl_->executor || impl_->executor->profile() == nullptr) return report::to_json(impl_->report);
    report::SessionReport now = impl_->report;
    report::note_host(*impl_->executor, now.clusters.at(0));
    return report::to_json(now);
  });
}

}  // namespace vaip
