// VAIP's C++ API: an ONNX model on a described NPU, executed exactly and timed, without onnxruntime.
//
//   vaip::Model model = vaip::Model::from_file("model.onnx", {{"device", "strix"}});
//   vaip::Program program = model.compile();             // static shapes; or compile({{1, 3, 224, 224}})
//   program.run(inputs, outputs);                         // row-major buffers
//   std::cout << program.latency_us() << "\n" << program.report_json();
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#if defined(__GNUC__)
#define VAIP_API __attribute__((visibility("default")))
#else
#define VAIP_API
#endif

namespace vaip {

struct VAIP_API TensorDesc {
  std::string name;
  std::string dtype;                // ONNX's name in lower case: "float", "uint8", "int64", ...
  std::vector<std::int64_t> shape;  // -1: dynamic
};

using Options =
    std::map<std::string, std::string>;  // the session options of the EP: device, config_file, num_threads, ...

// Thrown by all of these, and nothing else; what() names file, field, node or tensor.
class VAIP_API ApiError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A model compiled for a device and concrete input shapes. Copies share the program.
class VAIP_API Program {
 public:
  // One pointer per model input and output, in order, to row-major data of the dtypes and shapes that these report.
  // Thread-safe. Throws when some node of the model is not claimed by the IPU (the message lists them).
  void run(const std::vector<const void*>& inputs, const std::vector<void*>& outputs) const;
  std::vector<TensorDesc> inputs() const;
  std::vector<TensorDesc> outputs() const;
  double latency_us() const;        // predicted time on the device
  double cycles() const;            // the same in cycles of the array's clock
  std::string report_json() const;  // the JSON of `vaip run --json`, without host times
  struct Impl;
  explicit Program(std::shared_ptr<const Impl> impl);

 private:
  std::shared_ptr<const Impl> impl_;
};

class VAIP_API Model {
 public:
  static Model from_file(const std::string& path, const Options& options = {});
  static Model from_bytes(const void* data, std::size_t size, const Options& options = {});
  Model with_options(const Options& options) const;  // the same model, not read again
  std::vector<TensorDesc> inputs() const;
  std::vector<TensorDesc> outputs() const;
  std::string partition_json() const;  // {"nodes": {...}, "subgraphs": n, "unclaimed": [{name, op, reason}]}
  Program compile(const std::vector<std::vector<std::int64_t>>& input_shapes = {}) const;
  // Program::report_json() of what compile() would make, without making what runs the model: many times faster.
  std::string predict_json(const std::vector<std::vector<std::int64_t>>& input_shapes = {}) const;
  struct Impl;

 private:
  explicit Model(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

VAIP_API std::vector<std::string> device_names();
VAIP_API std::string device_json(const std::string& name_or_path);
VAIP_API const char* version();

}  // namespace vaip
