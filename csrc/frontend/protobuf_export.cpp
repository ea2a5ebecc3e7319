#include "frontend/protobuf_export.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "base/error.h"
#include "frontend/node_access.h"
#include "frontend/protobuf_writer.h"

namespace vaip::frontend {
namespace {

constexpr std::int64_t kIrVersion = 10;  // of onnx.proto: the first with the 4-bit types, and read since onnx 1.16

// TensorProto.DataType; 0, its UNDEFINED, for types that are none of ours.
int to_onnx(ir::DType dtype) {
  constexpr int kLast = 22;  // TensorProto.INT4
  for (int type = 1; type <= kLast; ++type)
    if (ir::from_onnx(type) == dtype && dtype != ir::DType::other) return type;
  return 0;
}

ProtobufWriter tensor_message(const std::string& name, const TensorData& tensor) {
  ProtobufWriter message;  // TensorProto
  for (const std::int64_t dim : tensor.shape) message.integer(1, dim);
  message.integer(2, to_onnx(tensor.dtype));
  message.bytes(8, name);
  message.bytes(9, {tensor.constant.as<char>(), tensor.constant.size_bytes});
  return message;
}

ProtobufWriter value_message(const std::string& name, const TensorInfo& info) {
  ProtobufWriter message;  // ValueInfoProto
  message.bytes(1, name);
  const int type = to_onnx(info.dtype);
  if (type == 0) return message;
  ProtobufWriter tensor;  // TypeProto.Tensor
  tensor.integer(1, type);
  if (info.has_shape) {
    ProtobufWriter shape;
    for (const std::int64_t size : info.shape) {
      ProtobufWriter dim;
      if (size != ir::kDynamic) dim.integer(1, size);
      shape.message(1, dim);
    }
    tensor.message(2, shape);
  }
  ProtobufWriter type_message;
  type_message.message(1, tensor);
  message.message(2, type_message);
  return message;
}

// The fields of an AttributeProto behind its name: one overload per alternative of Attribute.
struct AttributeFields {
  ProtobufWriter& message;

  void type(std::int64_t attribute_type) const { message.integer(20, attribute_type); }
  void operator()(float value) const {
    message.float32(2, value);
    type(1);
  }
  void operator()(std::int64_t value) const {
    message.integer(3, value);
    type(2);
  }
  void operator()(const std::string& value) const {
    message.bytes(4, value);
    type(3);
  }
  void operator()(const TensorData& value) const {
    message.message(5, tensor_message("", value));
    type(4);
  }
  void operator()(const std::vector<float>& values) const {
    for (const float value : values) message.float32(7, value);
    type(6);
  }
  void operator()(const std::vector<std::int64_t>& values) const {
    for (const std::int64_t value : values) message.integer(8, value);
    type(7);
  }
  void operator()(const std::vector<std::string>& values) const {
    for (const std::string& value : values) message.bytes(9, value);
    type(8);
  }
};

ProtobufWriter node_message(const Node& node) {
  if (node.has_subgraph) fail(ErrorKind::unsupported, label(node), ": a node with subgraphs cannot be written");
  ProtobufWriter message;  // NodeProto
  for (const std::string& input : node.inputs) message.bytes(1, input);
  for (const std::string& output : node.outputs) message.bytes(2, output);
  message.bytes(3, node.name);
  message.bytes(4, node.op_type);
  for (const auto& [name, value] : node.attributes) {
    ProtobufWriter attribute;
    attribute.bytes(1, name);
    std::visit(AttributeFields{attribute}, value);
    message.message(5, attribute);
  }
  message.bytes(7, node.domain);
  return message;
}

// In the order of their names: the same graph gives the same bytes.
template <typename Value>
std::map<std::string, const Value*> sorted(const std::unordered_map<std::string, Value>& values) {
  std::map<std::string, const Value*> all;
  for (const auto& [name, value] : values) all.emplace(name, &value);
  return all;
}

ProtobufWriter graph_message(const OnnxGraph& graph) {
  ProtobufWriter message;  // GraphProto
  for (const Node& node : graph.nodes) message.message(1, node_message(node));
  message.bytes(2, "cluster");
  for (const auto& [name, tensor] : sorted(graph.constants)) message.message(5, tensor_message(name, *tensor));
  std::set<std::string_view> written;
  const auto add = [&](int field, const std::string& name) {
    const auto info = graph.values.find(name);
    message.message(field, value_message(name, info == graph.values.end() ? TensorInfo{} : info->second));
    written.insert(name);
  };
  for (const std::string& input : graph.inputs) add(11, input);
  for (const std::string& output : graph.outputs) add(12, output);
  for (const auto& [name, info] : sorted(graph.values))
    if (written.count(name) == 0 && graph.constants.count(name) == 0) message.message(13, value_message(name, *info));
  return message;
}

// Per domain the newest version that a node has: each node's operator is the same in it, as they are of one model.
std::map<std::string, int> opsets(const OnnxGraph& graph) {
  std::map<std::string, int> versions;
  for (const Node& node : graph.nodes) {
    int& version = versions[node.domain];
    version = std::max({version, node.since_version, 1});
  }
  return versions;
}

}  // namespace

std::string export_model(const OnnxGraph& graph, const std::map<std::string, std::string>& properties) {
  ProtobufWriter model;  // ModelProto
  model.integer(1, kIrVersion);
  model.bytes(2, "VAIP");
  model.bytes(3, VAIP_VERSION);
  model.message(7, graph_message(graph));
  for (const auto& [domain, version] : opsets(graph)) {
    ProtobufWriter opset;
    opset.bytes(1, domain);
    opset.integer(2, version);
    model.message(8, opset);
  }
  for (const auto& [key, value] : properties) {
    ProtobufWriter entry;
    entry.bytes(1, key);
    entry.bytes(2, value);
    model.message(14, entry);
  }
  return model.encoded();
}

}  // namespace vaip::frontend
