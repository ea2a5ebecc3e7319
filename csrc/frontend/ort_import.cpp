#include "frontend/ort_import.h"

#include <algorithm>
#include <cstring>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "ir/constants.h"
#include "ort/api.h"
#include "ort/handles.h"
#include "ort/status.h"

namespace vaip::frontend {
namespace {

using ort::api;
using ort::check;

// The many accessors of the form Get<Things>(owner, array, count), with Get<Num>(owner, &count) to go with them.
template <typename Element, typename Owner, typename Count, typename Get>
std::vector<const Element*> elements(const Owner& owner, Count count, Get get) {
  size_t size = 0;
  check((api().*count)(&owner, &size));
  std::vector<const Element*> all(size);
  if (size != 0) check((api().*get)(&owner, all.data(), size));
  return all;
}

template <typename Owner, typename Get>
std::string text(const Owner& owner, Get get) {
  const char* value = nullptr;
  check((api().*get)(&owner, &value));
  return value != nullptr ? value : "";
}

std::string name_of(const OrtValueInfo* info) { return info == nullptr ? "" : text(*info, &OrtApi::GetValueInfoName); }

std::vector<std::string> names_of(const std::vector<const OrtValueInfo*>& infos) {
  std::vector<std::string> names;
  names.reserve(infos.size());
  for (const OrtValueInfo* info : infos) names.push_back(name_of(info));
  return names;
}

TensorInfo tensor_info(const OrtValueInfo& value) {
  TensorInfo info;
  const OrtTypeInfo* type = nullptr;
  check(api().GetValueInfoTypeInfo(&value, &type));
  if (type == nullptr) return info;
  const OrtTensorTypeAndShapeInfo* tensor = nullptr;
  check(api().CastTypeInfoToTensorInfo(type, &tensor));
  if (tensor == nullptr) {  // a sequence, map or optional
    info.dtype = ir::DType::other;
    return info;
  }
  ONNXTensorElementDataType element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
  check(api().GetTensorElementType(tensor, &element));
  info.dtype = ir::from_onnx(static_cast<int>(element));
  info.has_shape = api().TensorTypeAndShape_HasShape(tensor);
  if (!info.has_shape) return info;
  size_t rank = 0;
  check(api().GetDimensionsCount(tensor, &rank));
  info.shape.resize(rank);
  if (rank != 0) check(api().GetDimensions(tensor, info.shape.data(), rank));
  // Quark's fine-tuning writes 0 for what it does not know. A tensor that is empty indeed says so when it comes.
  for (std::int64_t& dim : info.shape) dim = dim <= 0 ? ir::kDynamic : dim;
  return info;
}

// lender: of the value's memory; null: it is copied.
TensorData tensor_data(const OrtValue& value, const std::shared_ptr<const void>& lender) {
  ONNXTensorElementDataType element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
  const int64_t* dims = nullptr;
  size_t rank = 0;
  check(api().GetTensorElementTypeAndShapeDataReference(&value, &element, &dims, &rank));
  TensorData tensor;
  tensor.dtype = ir::from_onnx(static_cast<int>(element));
  tensor.shape.assign(dims, dims + rank);
  if (tensor.dtype == ir::DType::string) return tensor;  // no bytes to point at
  const void* data = nullptr;
  size_t bytes = 0;
  check(api().GetTensorData(&value, &data));
  check(api().GetTensorSizeInBytes(&value, &bytes));
  if (lender != nullptr)
    tensor.constant = {{lender, static_cast<const std::byte*>(data)}, bytes};
  else
    tensor.constant = ir::copy_constant(data, bytes);
  return tensor;
}

std::vector<char> attribute_bytes(const OrtOpAttr& attribute, OrtOpAttrType type) {
  size_t size = 0;  // in bytes; the call with no room fails, and tells it
  const ort::Status asked(api().ReadOpAttr(&attribute, type, nullptr, 0, &size));
  std::vector<char> bytes(size);
  if (size != 0) check(api().ReadOpAttr(&attribute, type, bytes.data(), size, &size));
  return bytes;
}

template <typename T>
std::vector<T> attribute_list(const OrtOpAttr& attribute, OrtOpAttrType type) {
  const std::vector<char> bytes = attribute_bytes(attribute, type);
  std::vector<T> list(bytes.size() / sizeof(T));
  if (!list.empty()) std::memcpy(list.data(), bytes.data(), list.size() * sizeof(T));
  return list;
}

std::vector<std::string> split_at_nul(const std::vector<char>& bytes) {
  std::vector<std::string> strings;
  for (auto at = bytes.begin(); at != bytes.end();) {
    const auto end = std::find(at, bytes.end(), '\0');
    strings.emplace_back(at, end);
    at = end == bytes.end() ? end : end + 1;
  }
  return strings;
}

// False for kinds that no operator of ours has (graphs, and what onnxruntime calls undefined).
bool read_attribute(const OrtOpAttr& attribute, Attribute& out) {
  OrtOpAttrType type = ORT_OP_ATTR_UNDEFINED;
  const ort::Status unknown_kind(api().OpAttr_GetType(&attribute, &type));
  if (unknown_kind != nullptr) return false;
  size_t size = 0;
  switch (type) {
    case ORT_OP_ATTR_INT: {
      std::int64_t value = 0;
      check(api().ReadOpAttr(&attribute, type, &value, sizeof value, &size));
      out = value;
      return true;
    }
    case ORT_OP_ATTR_FLOAT: {
      float value = 0;
      check(api().ReadOpAttr(&attribute, type, &value, sizeof value, &size));
      out = value;
      return true;
    }
    case ORT_OP_ATTR_STRING: {
      const std::vector<char> bytes = attribute_bytes(attribute, type);
      out = std::string(bytes.begin(), bytes.end());
      return true;
    }
    case ORT_OP_ATTR_INTS:
      out = attribute_list<std::int64_t>(attribute, type);
      return true;
    case ORT_OP_ATTR_FLOATS:
      out = attribute_list<float>(attribute, type);
      return true;
    case ORT_OP_ATTR_STRINGS:
      out = split_at_nul(attribute_bytes(attribute, type));
      return true;
    case ORT_OP_ATTR_TENSOR: {
      OrtValue* value = nullptr;
      check(api().OpAttr_GetTensorAttributeAsOrtValue(&attribute, &value));
      const ort::Value owner(value);
      out = tensor_data(*value, nullptr);  // the OrtValue is ours and goes now
      return true;
    }
    case ORT_OP_ATTR_UNDEFINED:
    case ORT_OP_ATTR_GRAPH:
      break;
  }
  return false;
}

class Importer {
 public:
  explicit Importer(const OrtGraph& graph) {
    for (const OrtNode* node : elements<OrtNode>(graph, &OrtApi::Graph_GetNumNodes, &OrtApi::Graph_GetNodes)) {
      add_node(*node);
    }
    for (const OrtValueInfo* info :
         elements<OrtValueInfo>(graph, &OrtApi::Graph_GetNumInputs, &OrtApi::Graph_GetInputs)) {
      add_value(info);
      add_input(name_of(info));
    }
    for (const OrtValueInfo* info :
         elements<OrtValueInfo>(graph, &OrtApi::Graph_GetNumOutputs, &OrtApi::Graph_GetOutputs)) {
      add_value(info);
      out_.graph.outputs.push_back(name_of(info));
    }
    // What is left to be read from nowhere comes from an outer graph.
    for (const Node& node : out_.graph.nodes) {
      for (const std::string& name : node.inputs) add_input(name);
      for (const std::string& name : node.implicit_inputs) add_input(name);
    }
  }

  OrtImport take() { return std::move(out_); }

 private:
  void add_node(const OrtNode& source) {
    Node node;
    check(api().Node_GetId(&source, &node.id));
    node.name = text(source, &OrtApi::Node_GetName);
    node.op_type = text(source, &OrtApi::Node_GetOperatorType);
    node.domain = text(source, &OrtApi::Node_GetDomain);
    if (node.domain == "ai.onnx") node.domain.clear();
    check(api().Node_GetSinceVersion(&source, &node.since_version));
    node.inputs = add_values(elements<OrtValueInfo>(source, &OrtApi::Node_GetNumInputs, &OrtApi::Node_GetInputs));
    node.outputs = add_values(elements<OrtValueInfo>(source, &OrtApi::Node_GetNumOutputs, &OrtApi::Node_GetOutputs));
    node.implicit_inputs =
        add_values(elements<OrtValueInfo>(source, &OrtApi::Node_GetNumImplicitInputs, &OrtApi::Node_GetImplicitInputs));
    produced_.insert(node.outputs.begin(), node.outputs.end());
    for (const OrtOpAttr* attribute :
         elements<OrtOpAttr>(source, &OrtApi::Node_GetNumAttributes, &OrtApi::Node_GetAttributes)) {
      Attribute value;
      if (read_attribute(*attribute, value)) {
        node.attributes.emplace(text(*attribute, &OrtApi::OpAttr_GetName), std::move(value));
      }
    }
    size_t subgraphs = 0;
    check(api().Node_GetNumSubgraphs(&source, &subgraphs));
    node.has_subgraph = subgraphs != 0;
    const std::string provider = text(source, &OrtApi::Node_GetEpName);
    if (!provider.empty()) node.domain = provider + ":" + node.domain;
    out_.graph.nodes.push_back(std::move(node));
    out_.nodes.push_back(&source);
    out_.providers.push_back(provider);
  }

  std::vector<std::string> add_values(const std::vector<const OrtValueInfo*>& infos) {
    for (const OrtValueInfo* info : infos) add_value(info);
    return names_of(infos);
  }

  void add_value(const OrtValueInfo* info) {
    if (info == nullptr) return;
    const std::string name = name_of(info);
    if (name.empty() || !out_.graph.values.emplace(name, tensor_info(*info)).second) return;
    bool constant = false;  // false for an initializer that the caller may override with an input
    check(api().ValueInfo_IsConstantInitializer(info, &constant));
    if (!constant) return;
    const OrtValue* value = nullptr;
    check(api().ValueInfo_GetInitializerValue(info, &value));
    if (value == nullptr) fail(ErrorKind::internal, "initializer '", name, "': onnxruntime has no value for it");
    out_.graph.constants.emplace(name, tensor_data(*value, out_.lender));
  }

  void add_input(const std::string& name) {
    if (name.empty() || produced_.count(name) != 0 || out_.graph.constants.count(name) != 0) return;
    if (inputs_.insert(name).second) out_.graph.inputs.push_back(name);
  }

  OrtImport out_;
  std::unordered_set<std::string> produced_, inputs_;
};

}  // namespace

OrtImport import_graph(const OrtGraph& graph) { return Importer(graph).take(); }

std::vector<std::string> input_names(const OrtNode& node) {
  return names_of(elements<OrtValueInfo>(node, &OrtApi::Node_GetNumInputs, &OrtApi::Node_GetInputs));
}

std::vector<std::string> output_names(const OrtNode& node) {
  return names_of(elements<OrtValueInfo>(node, &OrtApi::Node_GetNumOutputs, &OrtApi::Node_GetOutputs));
}

}  // namespace vaip::frontend
