#include "ep/compiled_node.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/error.h"
#include "ep/profiler.h"
#include "ort/status.h"

namespace vaip::ep {
namespace {

// Of one thread, reused by all nodes that it runs: after a few runs nothing grows any more.
struct Scratch {
  std::vector<std::int64_t> key;
  std::vector<const void*> inputs;
  std::vector<void*> outputs;
};

Scratch& cleared_scratch() {
  thread_local Scratch scratch;
  scratch.key.clear();
  scratch.inputs.clear();
  scratch.outputs.clear();
  return scratch;
}

std::vector<ir::Shape> shapes_of_key(Span<const std::int64_t> key) {
  std::vector<ir::Shape> shapes;
  for (std::size_t i = 0; i < key.size();) {
    const auto rank = static_cast<std::size_t>(key[i]);
    shapes.emplace_back(key.begin() + i + 1, key.begin() + i + 1 + rank);
    i += 1 + rank;
  }
  return shapes;
}

bool fits(Span<const std::int64_t> dims, const ir::Shape& declared) {
  return std::equal(dims.begin(), dims.end(), declared.begin(), declared.end(),
                    [](std::int64_t actual, std::int64_t dim) { return dim == ir::kDynamic || actual == dim; });
}

}  // namespace

CompiledNode::CompiledNode(std::string name, ir::Graph graph, const std::vector<std::string>& inputs,
                           const std::vector<std::string>& outputs, std::shared_ptr<const Target> target,
                           std::shared_ptr<SessionRecord> record)
    : OrtNodeComputeInfo{},
      name_(std::move(name)),
      inputs_(ports(graph, graph.inputs, inputs, name_)),
      outputs_(ports(graph, graph.outputs, outputs, name_)),
      target_(std::move(target)),
      record_(std::move(record)),
      cluster_(record_->add_cluster(name_)),
      graph_(std::move(graph)) {
  ort_version_supported = ort::kStructVersion;
  CreateState = [](OrtNodeComputeInfo*, OrtNodeComputeContext*, void** state) noexcept -> OrtStatus* {
    *state = nullptr;  // all state is the node's own
    return nullptr;
  };
  Compute = [](OrtNodeComputeInfo* self, void*, OrtKernelContext* context) noexcept {
    return ort::guard([&] { static_cast<CompiledNode*>(self)->compute(*context); });
  };
  ReleaseState = [](OrtNodeComputeInfo*, void*) noexcept {};

  if (std::all_of(inputs_.begin(), inputs_.end(), [](const Port& port) { return ir::is_static(port.shape); })) {
    std::vector<ir::Shape> shapes;
    for (const Port& port : inputs_) shapes.push_back(port.shape);
    static_program_ = compile(shapes);
    note_use(static_program_);
    graph_ = {};
  }
}

std::vector<CompiledNode::Port> CompiledNode::ports(const ir::Graph& graph, const std::vector<ir::ValueId>& values,
                                                    const std::vector<std::string>& fused, const std::string& node) {
  std::vector<Port> all;
  all.reserve(values.size());
  for (const ir::ValueId id : values) {
    const ir::Value& value = graph.value(id);
    const auto at = std::find(fused.begin(), fused.end(), value.name);
    if (at == fused.end()) fail(ErrorKind::internal, node, ": value '", value.name, "' is not one of the fused node's");
    all.push_back({value.name, value.dtype, value.shape, static_cast<std::size_t>(at - fused.begin())});
  }
  return all;
}

std::shared_ptr<const ClusterProgram> CompiledNode::compile(const std::vector<ir::Shape>& input_shapes) {
  auto program = compile_cluster(graph_, input_shapes, *target_);
  record_->count_program(cluster_);
  return program;
}

std::shared_ptr<const ClusterProgram> CompiledNode::program_for(Span<const std::int64_t> key) {
  if (static_program_ != nullptr) return static_program_;
  return programs_.find_or_compile(key, [this](Span<const std::int64_t> k) { return compile(shapes_of_key(k)); });
}

void CompiledNode::note_use(const std::shared_ptr<const ClusterProgram>& program) noexcept {
  if (last_used_.exchange(program.get(), std::memory_order_relaxed) != program.get()) {
    record_->set_program(cluster_, program);
  }
}

void CompiledNode::read_input(OrtKernelContext& context, const Port& port, std::vector<std::int64_t>& key,
                              std::vector<const void*>& pointers) const {
  const OrtValue* value = nullptr;
  ort::check(ort::api().KernelContext_GetInput(&context, port.index, &value));
  if (value == nullptr) fail(ErrorKind::invalid_argument, name_, ": input '", port.name, "' is missing");
  ONNXTensorElementDataType element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
  const std::int64_t* dims = nullptr;
  std::size_t rank = 0;
  ort::check(ort::api().GetTensorElementTypeAndShapeDataReference(value, &element, &dims, &rank));
  const ir::DType dtype = ir::from_onnx(static_cast<int>(element));
  if (dtype != port.dtype) {
    fail(ErrorKind::invalid_argument, name_, ": input '", port.name, "' is ", ir::name(dtype), ", expected ",
         ir::name(port.dtype));
  }
  if (!fits({dims, rank}, port.shape)) {
    fail(ErrorKind::invalid_argument, name_, ": input '", port.name, "' has shape ",
         ir::to_string(ir::Shape(dims, dims + rank)), ", expected ", ir::to_string(port.shape));
  }
  const void* data = nullptr;
  ort::check(ort::api().GetTensorData(value, &data));
  pointers.push_back(data);
  key.push_back(static_cast<std::int64_t>(rank));
  key.insert(key.end(), dims, dims + rank);
}

void CompiledNode::compute(OrtKernelContext& context) {
  Scratch& scratch = cleared_scratch();
  for (const Port& port : inputs_) read_input(context, port, scratch.key, scratch.inputs);

  const std::shared_ptr<const ClusterProgram> program = program_for(scratch.key);
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const ir::Shape& shape = program->output_shapes[i];
    OrtValue* value = nullptr;
    ort::check(ort::api().KernelContext_GetOutput(&context, outputs_[i].index, shape.data(), shape.size(), &value));
    void* data = nullptr;
    ort::check(ort::api().GetTensorMutableData(value, &data));
    scratch.outputs.push_back(data);
  }

  note_use(program);
  const auto start = std::chrono::steady_clock::now();
  if (program->executor) program->executor->run(scratch.inputs, scratch.outputs);
  Profiler::note_run(name_, program, start);
}

}  // namespace vaip::ep
