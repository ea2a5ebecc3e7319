// vaip::Model with numpy arrays: an ONNX model on the simulated device without onnxruntime.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "python/bindings.h"
#include "vaip/vaip.h"

namespace py = pybind11;

namespace vaip::python {
namespace {

using Shape = std::vector<std::int64_t>;

py::dtype numpy_dtype(const TensorDesc& tensor) {
  static const std::map<std::string_view, const char*> names = {
      {"float", "float32"}, {"double", "float64"}, {"float16", "float16"}, {"int8", "int8"},
      {"uint8", "uint8"},   {"int16", "int16"},    {"uint16", "uint16"},   {"int32", "int32"},
      {"uint32", "uint32"}, {"int64", "int64"},    {"uint64", "uint64"},   {"bool", "bool"}};
  const auto found = names.find(tensor.dtype);
  if (found == names.end())
    fail(ErrorKind::unsupported, "tensor '", tensor.name, "': numpy has no element type for ", tensor.dtype);
  return py::dtype(found->second);
}

py::array checked_input(const TensorDesc& tensor, const py::handle& given) {
  py::array array = py::array::ensure(given, py::array::c_style);
  if (!array) fail(ErrorKind::invalid_argument, "input '", tensor.name, "' is not an array");
  const py::dtype wanted = numpy_dtype(tensor);
  if (!array.dtype().equal(wanted))
    fail(ErrorKind::invalid_argument, "input '", tensor.name, "' must be ", py::str(wanted).cast<std::string>(),
         ", the given array is ", py::str(array.dtype()).cast<std::string>());
  return array;
}

// A model with the programs that it was compiled to, one per set of input shapes.
class CompiledModel {
 public:
  explicit CompiledModel(Model model) : model_(std::move(model)) {}

  const Model& model() const { return model_; }

  // Programs share their state, so a copy is cheap. Compiles without the GIL.
  Program program(const std::vector<Shape>& shapes) {
    const py::gil_scoped_release release;
    const std::lock_guard<std::mutex> lock(mutex_);
    auto found = programs_.find(shapes);
    if (found == programs_.end()) found = programs_.emplace(shapes, model_.compile(shapes)).first;
    return found->second;
  }

  std::vector<py::array> run(const std::vector<py::object>& given) {
    const std::vector<TensorDesc> declared = model_.inputs();
    if (given.size() != declared.size())
      fail(ErrorKind::invalid_argument, "the model has ", declared.size(), " inputs, ", given.size(), " were given");
    std::vector<py::array> inputs, outputs;
    std::vector<Shape> shapes;
    std::vector<const void*> input_data;
    for (std::size_t i = 0; i < given.size(); ++i) {
      inputs.push_back(checked_input(declared[i], given[i]));
      shapes.emplace_back(inputs.back().shape(), inputs.back().shape() + inputs.back().ndim());
      input_data.push_back(inputs.back().data());
    }
    const Program compiled = program(shapes);
    std::vector<void*> output_data;
    for (const TensorDesc& tensor : compiled.outputs()) {
      outputs.emplace_back(numpy_dtype(tensor), tensor.shape);
      output_data.push_back(outputs.back().mutable_data());
    }
    const py::gil_scoped_release release;
    compiled.run(input_data, output_data);
    return outputs;
  }

 private:
  Model model_;
  std::mutex mutex_;
  std::map<std::vector<Shape>, Program> programs_;
};

std::vector<py::tuple> described(const std::vector<TensorDesc>& tensors) {
  std::vector<py::tuple> result;
  for (const TensorDesc& tensor : tensors) result.push_back(py::make_tuple(tensor.name, tensor.dtype, tensor.shape));
  return result;
}

std::unique_ptr<CompiledModel> from_file(const std::string& path, const Options& options) {
  const py::gil_scoped_release release;
  return std::make_unique<CompiledModel>(Model::from_file(path, options));
}

std::unique_ptr<CompiledModel> from_bytes(const py::bytes& bytes, const Options& options) {
  const std::string_view data = bytes;
  const py::gil_scoped_release release;
  return std::make_unique<CompiledModel>(Model::from_bytes(data.data(), data.size(), options));
}

}  // namespace

void bind_model(py::module_& module) {
  py::class_<CompiledModel>(module, "Model",
                            "An ONNX model on a described NPU, executed and timed without onnxruntime.")
      .def_static("from_file", &from_file, py::arg("path"), py::arg("options") = Options{})
      .def_static("from_bytes", &from_bytes, py::arg("data"), py::arg("options") = Options{})
      .def_property_readonly(
          "inputs", [](const CompiledModel& self) { return described(self.model().inputs()); },
          "(name, element type, shape) of each input; -1 is a dynamic dimension.")
      .def_property_readonly("outputs", [](const CompiledModel& self) { return described(self.model().outputs()); })
      .def("partition_json", [](const CompiledModel& self) { return self.model().partition_json(); })
      .def("run", &CompiledModel::run, py::arg("inputs"), "Outputs for one array per input, in the model's order.")
      .def(
          "with_options",
          [](const CompiledModel& self, const Options& options) {
            const py::gil_scoped_release release;
            return std::make_unique<CompiledModel>(self.model().with_options(options));
          },
          py::arg("options"), "The same model, not read again, with other options.")
      .def(
          "predict_json",
          [](const CompiledModel& self, const std::vector<Shape>& shapes) {
            const py::gil_scoped_release release;
            return self.model().predict_json(shapes);
          },
          py::arg("input_shapes") = std::vector<Shape>{}, "As report_json, without preparing to run the model.")
      .def(
          "latency_us",
          [](CompiledModel& self, const std::vector<Shape>& shapes) { return self.program(shapes).latency_us(); },
          py::arg("input_shapes") = std::vector<Shape>{}, "Predicted time on the device.")
      .def(
          "report_json",
          [](CompiledModel& self, const std::vector<Shape>& shapes) { return self.program(shapes).report_json(); },
          py::arg("input_shapes") = std::vector<Shape>{}, "The JSON of `vaip run --json`, without host times.");
}

}  // namespace vaip::python
