#include "ep/compiled_node.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <functional>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "ep/profiler.h"
#include "ir/binding.h"
#include "ir/constants.h"
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

// The elements of an integer tensor, as ir::integer_constant() takes them.
void append_elements(std::vector<std::int64_t>& key, const void* data, std::int64_t count, std::size_t size) {
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t element = 0;
    std::memcpy(&element, static_cast<const std::byte*>(data) + static_cast<std::size_t>(i) * size, size);
    key.push_back(element);
  }
}

// Programs for further shapes read the constants after their owner has gone.
void copy_what_is_lent(ir::Graph& graph, const std::shared_ptr<const void>& lender) {
  if (lender == nullptr) return;
  for (ir::Value& value : graph.values) {
    if (!value.constant) continue;
    const std::shared_ptr<const std::byte>& data = value.constant->data;
    if (!data.owner_before(lender) && !lender.owner_before(data))
      value.constant = ir::copy_constant(data.get(), value.constant->size_bytes);
  }
}

bool fits(Span<const std::int64_t> dims, const ir::Shape& declared) {
  return std::equal(dims.begin(), dims.end(), declared.begin(), declared.end(),
                    [](std::int64_t actual, std::int64_t dim) { return dim == ir::kDynamic || actual == dim; });
}

}  // namespace

CompiledNode::CompiledNode(std::string name, ir::Graph graph, const std::vector<std::string>& inputs,
                           const std::vector<std::string>& outputs, std::shared_ptr<const Target> target,
                           std::shared_ptr<SessionRecord> record, const std::shared_ptr<const void>& lender,
                           const MakeCache& make_cache)
    : OrtNodeComputeInfo{},
      name_(std::move(name)),
      inputs_(input_ports(graph, inputs, name_)),
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

  if (std::all_of(inputs_.begin(), inputs_.end(),
                  [](const Port& port) { return ir::is_static(port.shape) && !port.contents; })) {
    BoundInputs bound;
    for (const Port& port : inputs_) bound.shapes.push_back(port.shape);
    const std::optional<CompileCache> cache = make_cache ? make_cache() : std::nullopt;
    static_program_ = compile(bound, cache ? &*cache : nullptr);
    note_use(static_program_);
    graph_ = {};
  } else {
    copy_what_is_lent(graph_, lender);
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

std::vector<CompiledNode::Port> CompiledNode::input_ports(const ir::Graph& graph, const std::vector<std::string>& fused,
                                                          const std::string& node) {
  std::vector<Port> all = ports(graph, graph.inputs, fused, node);
  const std::vector<bool> contents = ir::content_inputs(graph);
  for (std::size_t i = 0; i < all.size(); ++i) all[i].contents = contents[i];
  return all;
}

// What read_input() put there.
BoundInputs CompiledNode::inputs_of_key(Span<const std::int64_t> key) const {
  BoundInputs bound;
  const std::int64_t* at = key.begin();
  for (const Port& port : inputs_) {
    const std::int64_t rank = *at++;
    bound.shapes.emplace_back(at, at + rank);
    at += rank;
    bound.contents.emplace_back();
    if (!port.contents) continue;
    const std::int64_t count = ir::element_count(bound.shapes.back());
    bound.contents.back() = ir::integer_constant(port.dtype, {at, at + count});
    at += count;
  }
  return bound;
}

std::shared_ptr<const ClusterProgram> CompiledNode::compile(const BoundInputs& inputs, const CompileCache* cache) {
  auto program = compile_cluster(graph_, inputs, *target_, cache);
  record_->count_program(cluster_);
  return program;
}

std::shared_ptr<const ClusterProgram> CompiledNode::program_for(Span<const std::int64_t> key) {
  if (static_program_ != nullptr) return static_program_;
  return programs_.find_or_compile(key, [this](Span<const std::int64_t> k) { return compile(inputs_of_key(k)); });
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
  if (port.contents) {
    append_elements(key, data, std::accumulate(dims, dims + rank, std::int64_t{1}, std::multiplies<>()),
                    ir::size_of(port.dtype));
  }
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
