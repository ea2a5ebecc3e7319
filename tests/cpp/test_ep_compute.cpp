// A fused node's Compute callback on a kernel context of our own making: what onnxruntime itself never passes (wrong
// types and shapes), and that repeated runs allocate nothing.
#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <numeric>
#include <string>
#include <vector>

#include "check.h"
#include "device/device.h"
#include "ep/compiled_node.h"
#include "ort/api.h"

namespace {
std::atomic<long> g_allocations{0};
}  // namespace

// The program's own allocation functions, to count. Not inlined: GCC would take malloc and free for a mismatched pair.
__attribute__((noinline)) void* operator new(std::size_t size) {
  ++g_allocations;
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
// std::stable_sort's way.
__attribute__((noinline)) void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++g_allocations;
  return std::malloc(size == 0 ? 1 : size);
}
__attribute__((noinline)) void operator delete(void* memory) noexcept { std::free(memory); }
__attribute__((noinline)) void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

struct OrtStatus {
  OrtErrorCode code;
  std::string message;
};

struct OrtValue {
  ONNXTensorElementDataType type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> data;
};

struct OrtKernelContext {
  std::vector<OrtValue*> inputs;
  std::vector<OrtValue> outputs;
};

namespace {

using vaip::ep::CompiledNode;
using vaip::ep::SessionRecord;
using vaip::ir::DType;

OrtApi make_api() {
  OrtApi api{};
  api.CreateStatus = [](OrtErrorCode code, const char* message) noexcept { return new OrtStatus{code, message}; };
  api.GetErrorCode = [](const OrtStatus* status) noexcept { return status->code; };
  api.GetErrorMessage = [](const OrtStatus* status) noexcept { return status->message.c_str(); };
  api.ReleaseStatus = [](OrtStatus* status) noexcept { delete status; };
  api.GetEpApi = []() noexcept { return static_cast<const OrtEpApi*>(nullptr); };
  api.KernelContext_GetInput = [](const OrtKernelContext* context, size_t index, const OrtValue** out) noexcept {
    *out = context->inputs[index];
    return static_cast<OrtStatus*>(nullptr);
  };
  api.KernelContext_GetOutput = [](OrtKernelContext* context, size_t index, const int64_t* dims, size_t rank,
                                   OrtValue** out) noexcept {
    OrtValue& value = context->outputs[index];
    value.shape.assign(dims, dims + rank);
    value.data.resize(static_cast<std::size_t>(
        std::accumulate(dims, dims + rank, std::int64_t{1}, [](std::int64_t a, std::int64_t b) { return a * b; })));
    *out = &value;
    return static_cast<OrtStatus*>(nullptr);
  };
  api.GetTensorElementTypeAndShapeDataReference = [](const OrtValue* value, ONNXTensorElementDataType* type,
                                                     const int64_t** dims, size_t* rank) noexcept {
    *type = value->type;
    *dims = value->shape.data();
    *rank = value->shape.size();
    return static_cast<OrtStatus*>(nullptr);
  };
  api.GetTensorData = [](const OrtValue* value, const void** out) noexcept {
    *out = value->data.data();
    return static_cast<OrtStatus*>(nullptr);
  };
  api.GetTensorMutableData = [](OrtValue* value, void** out) noexcept {
    *out = value->data.data();
    return static_cast<OrtStatus*>(nullptr);
  };
  return api;
}

void bind_fake_onnxruntime() {
  static const OrtApi api = make_api();
  OrtApiBase base{};
  base.GetApi = [](std::uint32_t) noexcept { return &api; };
  base.GetVersionString = []() noexcept { return "1.31.1"; };
  vaip::ort::bind(base);
}

// y = Q(DQ(x) + DQ(x)) with uint8 in and out and the same parameters: 2 x - zero_point, saturated.
vaip::ir::Graph doubling(const vaip::ir::Shape& shape) {
  vaip::ir::Graph graph;
  vaip::ir::Value x;
  x.name = "x";
  x.dtype = DType::u8;
  x.shape = shape;
  x.quant = vaip::ir::QuantParams{{0.5f}, {10}, 0};
  vaip::ir::Value y = x;
  y.name = "y";
  graph.inputs = {graph.add_value(x)};
  graph.outputs = {graph.add_value(y)};
  vaip::ir::Layer layer;
  layer.name = "double";
  layer.op = "Add";
  layer.onnx_nodes = {"double"};
  layer.attrs = vaip::ir::ArithmeticAttrs{};
  layer.inputs = {graph.inputs[0], graph.inputs[0]};
  layer.outputs = graph.outputs;
  graph.layers = {layer};
  return graph;
}

// The node's second input is x and its first output is y: onnxruntime's order need not be the cluster's.
class Node {
 public:
  explicit Node(const vaip::ir::Shape& shape) : record_(std::make_shared<SessionRecord>(1)) {
    bind_fake_onnxruntime();
    auto target = std::make_shared<vaip::ep::Target>();
    target->device = vaip::device::load("strix");
    target->stack = vaip::device::load_stack("vitisai");
    target->executor.num_threads = 1;
    node_ = std::make_unique<CompiledNode>("VitisAIEP_1_0", doubling(shape), std::vector<std::string>{"other", "x"},
                                           std::vector<std::string>{"y"}, target, record_);
  }

  // The message of the failure, "" on success.
  std::string run(OrtValue& x) {
    context_.inputs = {nullptr, &x};
    context_.outputs.resize(1);
    const std::unique_ptr<OrtStatus> status(node_->Compute(node_.get(), nullptr, &context_));
    return status == nullptr ? "" : std::to_string(status->code) + ": " + status->message;
  }

  const OrtValue& output() const { return context_.outputs[0]; }
  CompiledNode& node() { return *node_; }
  const SessionRecord& record() const { return *record_; }

 private:
  std::shared_ptr<SessionRecord> record_;
  std::unique_ptr<CompiledNode> node_;
  OrtKernelContext context_;
};

OrtValue bytes(const std::vector<std::int64_t>& shape, std::vector<int> values,
               ONNXTensorElementDataType type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8) {
  OrtValue value{type, shape, {}};
  for (const int byte : values) value.data.push_back(static_cast<std::byte>(byte));
  return value;
}

}  // namespace

TEST(static_shapes_are_compiled_at_once_and_run) {
  Node node({2, 2});
  CHECK_EQ(node.record().snapshot().clusters.at(0).programs, 1);
  CHECK(node.record().snapshot().clusters.at(0).timing.cycles > 0);
  OrtValue x = bytes({2, 2}, {10, 12, 200, 3});
  CHECK_EQ(node.run(x), "");
  CHECK(node.output().shape == (std::vector<std::int64_t>{2, 2}));
  CHECK(node.output().data == bytes({}, {10, 14, 255, 0}).data);
}

TEST(wrong_inputs_are_errors_that_name_them) {
  Node node({2, 2});
  OrtValue wrong_type = bytes({2, 2}, {1, 2, 3, 4}, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8);
  CHECK_EQ(node.run(wrong_type), "2: VitisAIEP_1_0: input 'x' is int8, expected uint8");
  OrtValue wrong_shape = bytes({4}, {1, 2, 3, 4});
  CHECK_EQ(node.run(wrong_shape), "2: VitisAIEP_1_0: input 'x' has shape 4, expected 2x2");
  OrtValue right = bytes({2, 2}, {10, 10, 10, 11});
  CHECK_EQ(node.run(right), "");
  CHECK(node.output().data == bytes({}, {10, 10, 10, 12}).data);
  OrtKernelContext missing;
  missing.inputs = {nullptr, nullptr};
  const std::unique_ptr<OrtStatus> status(node.node().Compute(&node.node(), nullptr, &missing));
  CHECK_EQ(status->message, "VitisAIEP_1_0: input 'x' is missing");
}

TEST(dynamic_shapes_are_compiled_when_they_come) {
  Node node({vaip::ir::kDynamic, 2});
  CHECK_EQ(node.record().snapshot().clusters.at(0).programs, 0);
  OrtValue one = bytes({1, 2}, {11, 12}), three = bytes({3, 2}, {10, 11, 12, 13, 14, 15}), none = bytes({0, 2}, {});
  CHECK_EQ(node.run(three), "");
  CHECK(node.output().data == bytes({}, {10, 12, 14, 16, 18, 20}).data);
  CHECK_EQ(node.run(one), "");
  CHECK(node.output().data == bytes({}, {12, 14}).data);
  CHECK_EQ(node.run(none), "");
  CHECK(node.output().shape == (std::vector<std::int64_t>{0, 2}));
  CHECK_EQ(node.run(three), "");
  const vaip::report::ClusterEntry entry = node.record().snapshot().clusters.at(0);
  CHECK_EQ(entry.programs, 3);
  CHECK(entry.input_shapes == (std::vector<vaip::ir::Shape>{{3, 2}}));
  OrtValue wrong = bytes({2, 3}, {1, 2, 3, 4, 5, 6});
  CHECK_EQ(node.run(wrong), "2: VitisAIEP_1_0: input 'x' has shape 2x3, expected ?x2");
}

TEST(repeated_runs_allocate_nothing) {
  for (const vaip::ir::Shape& shape : {vaip::ir::Shape{4, 2}, vaip::ir::Shape{vaip::ir::kDynamic, 2}}) {
    Node node(shape);
    OrtValue x = bytes({4, 2}, {10, 11, 12, 13, 14, 15, 16, 17});
    for (int warm_up = 0; warm_up < 3; ++warm_up) CHECK_EQ(node.run(x), "");
    const long before = g_allocations;
    for (int run = 0; run < 20; ++run) {
      if (!node.run(x).empty()) std::abort();
    }
    CHECK_EQ(g_allocations - before, 0);
  }
}

VAIP_TEST_MAIN()
