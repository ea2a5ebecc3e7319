#include "frontend/protobuf_import.h"

#include <cstring>
#include <functional>
#include <optional>
#include <queue>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "frontend/constants.h"
#include "frontend/node_access.h"
#include "frontend/protobuf_reader.h"
#include "frontend/protobuf_tensor.h"

namespace vaip::frontend {
namespace {

// Deeper nesting of subgraphs than any model has; keeps malicious bytes from exhausting the stack.
constexpr int kDeepestSubgraph = 32;

std::string normalised_domain(std::string domain) { return domain == "ai.onnx" ? std::string() : domain; }

TensorInfo read_tensor_type(ProtobufReader reader) {  // TypeProto.Tensor
  TensorInfo info;
  while (reader.next()) {
    if (reader.field() == 1) info.dtype = ir::from_onnx(static_cast<int>(reader.integer()));
    if (reader.field() != 2) continue;
    info.has_shape = true;
    info.shape.clear();
    ProtobufReader shape = reader.message("TensorShapeProto");
    while (shape.next()) {
      if (shape.field() != 1) continue;
      std::int64_t size = ir::kDynamic;
      ProtobufReader dim = shape.message("TensorShapeProto.Dimension");
      while (dim.next()) {
        if (dim.field() == 1) size = dim.integer();
        if (dim.field() == 2) size = ir::kDynamic;
      }
      info.shape.push_back(size < 0 ? ir::kDynamic : size);
    }
  }
  return info;
}

std::pair<std::string, TensorInfo> read_value_info(ProtobufReader reader) {
  std::pair<std::string, TensorInfo> value;
  while (reader.next()) {
    if (reader.field() == 1) value.first = reader.string();
    if (reader.field() != 2) continue;
    value.second = {};
    value.second.dtype = ir::DType::other;  // sequences, maps and optionals
    ProtobufReader type = reader.message("TypeProto");
    while (type.next()) {
      if (type.field() == 1) value.second = read_tensor_type(type.message("TypeProto.Tensor"));
    }
  }
  return value;
}

TensorData scalar_list(ir::DType dtype, ir::Shape shape, const void* data, std::size_t size) {
  std::vector<std::byte> bytes(size);
  if (size != 0) std::memcpy(bytes.data(), data, size);
  return {dtype, std::move(shape), make_constant(std::move(bytes))};
}

// What a Constant node stands for: one of its value attributes.
std::optional<TensorData> constant_of(const Node& node) {
  if (node.attributes.size() != 1) return std::nullopt;
  const auto& [name, attribute] = *node.attributes.begin();
  if (name.compare(0, 5, "value") != 0) return std::nullopt;
  if (const auto* tensor = std::get_if<TensorData>(&attribute)) return *tensor;
  if (const auto* f = std::get_if<float>(&attribute)) return scalar_list(ir::DType::f32, {}, f, sizeof *f);
  if (const auto* i = std::get_if<std::int64_t>(&attribute)) return scalar_list(ir::DType::s64, {}, i, sizeof *i);
  if (const auto* fs = std::get_if<std::vector<float>>(&attribute)) {
    return scalar_list(ir::DType::f32, {static_cast<std::int64_t>(fs->size())}, fs->data(), fs->size() * sizeof(float));
  }
  if (const auto* is = std::get_if<std::vector<std::int64_t>>(&attribute)) {
    return scalar_list(ir::DType::s64, {static_cast<std::int64_t>(is->size())}, is->data(),
                       is->size() * sizeof(std::int64_t));
  }
  return TensorData{ir::DType::string, {}, {}};
}

class ModelImport {
 public:
  ModelImport(const std::string& source, const std::string& external_data_dir)
      : source_(source), external_data_dir_(external_data_dir) {}

  OnnxGraph read(Span<const std::byte> bytes) {
    if (bytes.empty()) reject("is empty");
    ProtobufReader model(bytes, source_, "ModelProto");
    std::optional<ProtobufReader> graph;
    while (model.next()) {
      if (model.field() == 7) {
        if (graph) reject("has two graphs");
        graph = model.message("GraphProto");
      }
      if (model.field() == 8) read_opset_import(model.message("OperatorSetIdProto"));
    }
    if (!graph) reject("has no graph; is it an ONNX model?");
    OnnxGraph result;
    read_graph(*graph, result);
    return result;
  }

 private:
  template <typename... Parts>
  [[noreturn]] void reject(Parts&&... parts) const {
    fail(ErrorKind::invalid_model, source_, ": ", std::forward<Parts>(parts)...);
  }

  void read_opset_import(ProtobufReader reader) {
    std::string domain;
    std::int64_t version = 0;
    while (reader.next()) {
      if (reader.field() == 1) domain = reader.string();
      if (reader.field() == 2) version = reader.integer();
    }
    if (version < 1 || version > 1'000'000)
      reject("imports version ", version, " of the operators of domain '", domain, "'");
    opsets_[normalised_domain(domain)] = static_cast<int>(version);
  }

  int opset(const Node& node) const {
    const auto found = opsets_.find(node.domain);
    if (found != opsets_.end()) return found->second;
    if (node.domain.empty()) reject(label(node), ": the model imports no version of the ai.onnx operators");
    return 1;
  }

  // ---- subgraphs: only what they read from outside matters ----

  void read_subgraph(ProtobufReader reader, std::vector<std::string>& outer, int depth) const {
    if (depth > kDeepestSubgraph) reject("subgraphs are nested more than ", kDeepestSubgraph, " deep");
    std::unordered_set<std::string> own;
    std::vector<std::string> reads;
    while (reader.next()) {
      switch (reader.field()) {
        case 1:
          read_subgraph_node(reader.message("NodeProto"), own, reads, depth);
          break;
        case 5:
          own.insert(name_in(reader.message("TensorProto"), 8));
          break;
        case 11:
          own.insert(name_in(reader.message("ValueInfoProto"), 1));
          break;
        case 12:
          reads.push_back(name_in(reader.message("ValueInfoProto"), 1));
          break;
        default:
          break;
      }
    }
    for (std::string& name : reads) {
      if (!name.empty() && own.count(name) == 0) outer.push_back(std::move(name));
    }
  }

  static std::string name_in(ProtobufReader reader, int field) {
    std::string name;
    while (reader.next()) {
      if (reader.field() == field) name = reader.string();
    }
    return name;
  }

  void read_subgraph_node(ProtobufReader reader, std::unordered_set<std::string>& own, std::vector<std::string>& reads,
                          int depth) const {
    while (reader.next()) {
      if (reader.field() == 1) reads.push_back(reader.string());
      if (reader.field() == 2) own.insert(reader.string());
      if (reader.field() != 5) continue;
      ProtobufReader attribute = reader.message("AttributeProto");
      while (attribute.next()) {
        if (attribute.field() == 6 || attribute.field() == 11)
          read_subgraph(attribute.message("GraphProto"), reads, depth + 1);
      }
    }
  }

  // ---- nodes ----

  void read_attribute(ProtobufReader reader, Node& node) const {
    std::string name, s;
    float f = 0;
    std::int64_t i = 0, type = 0;
    std::optional<ProtobufReader> tensor;
    std::vector<float> floats;
    std::vector<std::int64_t> ints;
    std::vector<std::string> strings;
    while (reader.next()) {
      std::int64_t implied = 0;  // files older than IR version 2 do not say the type
      switch (reader.field()) {  // onnx.proto, AttributeProto
        case 1:
          name = reader.string();
          break;
        case 2:
          f = reader.float32(), implied = 1;
          break;
        case 3:
          i = reader.integer(), implied = 2;
          break;
        case 4:
          s = reader.string(), implied = 3;
          break;
        case 5:
          tensor = reader.message("TensorProto"), implied = 4;
          break;
        case 6:
        case 11:
          node.has_subgraph = true;
          read_subgraph(reader.message("GraphProto"), node.implicit_inputs, 1);
          break;
        case 7:
          reader.append_to(floats), implied = 6;
          break;
        case 8:
          reader.append_to(ints), implied = 7;
          break;
        case 9:
          strings.push_back(reader.string()), implied = 8;
          break;
        case 20:
          type = reader.integer();
          break;
        default:
          break;
      }
      if (type == 0) type = implied;
    }
    switch (
        type) {  // AttributeProto.AttributeType; graphs, types, and lists of tensors belong to no operator that we read
      case 1:
        node.attributes[name] = f;
        break;
      case 2:
        node.attributes[name] = i;
        break;
      case 3:
        node.attributes[name] = std::move(s);
        break;
      case 4:
        if (!tensor) reject("attribute ", name, " has no tensor");
        node.attributes[name] = read_tensor(*tensor, source_, external_data_dir_).data;
        break;
      case 6:
        node.attributes[name] = std::move(floats);
        break;
      case 7:
        node.attributes[name] = std::move(ints);
        break;
      case 8:
        node.attributes[name] = std::move(strings);
        break;
      default:
        break;
    }
  }

  Node read_node(ProtobufReader reader, std::size_t id) const {
    Node node;
    node.id = id;
    while (reader.next()) {
      switch (reader.field()) {  // onnx.proto, NodeProto
        case 1:
          node.inputs.push_back(reader.string());
          break;
        case 2:
          node.outputs.push_back(reader.string());
          break;
        case 3:
          node.name = reader.string();
          break;
        case 4:
          node.op_type = reader.string();
          break;
        case 5:
          read_attribute(reader.message("AttributeProto"), node);
          break;
        case 7:
          node.domain = normalised_domain(reader.string());
          break;
        default:
          break;
      }
    }
    node.since_version = opset(node);
    return node;
  }

  // ---- the graph ----

  void read_graph(ProtobufReader reader, OnnxGraph& graph) const {
    std::vector<Node> nodes;
    std::vector<std::string> inputs;
    while (reader.next()) {
      switch (reader.field()) {  // onnx.proto, GraphProto
        case 1:
          nodes.push_back(read_node(reader.message("NodeProto"), nodes.size()));
          break;
        case 5: {
          NamedTensor tensor = read_tensor(reader.message("TensorProto"), source_, external_data_dir_);
          if (tensor.name.empty()) reject("an initializer has no name");
          graph.constants[tensor.name] = std::move(tensor.data);
          break;
        }
        case 11:
        case 12:
        case 13: {
          auto [name, info] = read_value_info(reader.message("ValueInfoProto"));
          if (reader.field() == 11) inputs.push_back(name);
          if (reader.field() == 12) graph.outputs.push_back(name);
          if (reader.field() == 13)  // Quark's fine-tuning writes 0 for what it does not know
            std::replace(info.shape.begin(), info.shape.end(), std::int64_t{0}, ir::kDynamic);
          graph.values[name] = std::move(info);
          break;
        }
        case 15:
          fail(ErrorKind::unsupported, source_, ": sparse initializers are not supported; make them dense");
        default:
          break;
      }
    }
    // Before IR version 4 initializers are listed among the inputs, too; since then that makes them defaults.
    for (std::string& name : inputs) {
      if (graph.constants.count(name) == 0) graph.inputs.push_back(std::move(name));
    }
    for (Node& node : in_order(std::move(nodes), graph)) {
      std::optional<TensorData> constant = value_of(node, graph);
      if (!constant) {
        graph.nodes.push_back(std::move(node));
      } else {
        graph.constants.emplace(node.outputs[0], std::move(*constant));
      }
    }
  }

  // What a node without computed inputs stands for: a Constant, or the Identity of one. nullopt for all others.
  std::optional<TensorData> value_of(const Node& node, const OnnxGraph& graph) const {
    if (!node.domain.empty()) return std::nullopt;
    if (node.op_type == "Identity" && node.inputs.size() == 1 && node.outputs.size() == 1) {
      const auto source = graph.constants.find(node.inputs[0]);
      return source == graph.constants.end() ? std::nullopt : std::optional<TensorData>(source->second);
    }
    if (node.op_type != "Constant") return std::nullopt;
    std::optional<TensorData> constant = constant_of(node);
    if (!constant || node.outputs.size() != 1) {
      fail(ErrorKind::unsupported, source_, ": ", label(node), ": needs exactly one dense value and one output");
    }
    return constant;
  }

  // The nodes such that each reads what earlier ones compute, as the specification wants them and Quark does not always
  // write them; else in the order in which they are listed.
  std::vector<Node> in_order(std::vector<Node> nodes, const OnnxGraph& graph) const {
    constexpr std::size_t kGiven = static_cast<std::size_t>(-1);
    std::unordered_map<std::string_view, std::size_t> maker;  // of each value
    for (const std::string& input : graph.inputs) maker.emplace(input, kGiven);
    for (const auto& [name, constant] : graph.constants) maker.emplace(name, kGiven);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      for (const std::string& output : nodes[i].outputs)
        if (!output.empty() && !maker.emplace(output, i).second)
          reject(label(nodes[i]), ": value `", output, "` is defined twice");
    }
    std::vector<std::vector<std::size_t>> readers(nodes.size());
    std::vector<std::size_t> waits_for(nodes.size(), 0);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const auto require = [&](const std::string& value) {
        if (value.empty()) return;
        const auto found = maker.find(value);
        if (found == maker.end()) reject(label(nodes[i]), ": input `", value, "` is produced by no node");
        if (found->second == kGiven) return;
        readers[found->second].push_back(i);
        ++waits_for[i];
      };
      for (const std::string& input : nodes[i].inputs) require(input);
      for (const std::string& input : nodes[i].implicit_inputs) require(input);
    }
    for (const std::string& output : graph.outputs)
      if (maker.count(output) == 0) reject("output `", output, "` is produced by no node");
    std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;  // the one listed first
    for (std::size_t i = 0; i < nodes.size(); ++i)
      if (waits_for[i] == 0) ready.push(i);
    std::vector<std::size_t> order;
    order.reserve(nodes.size());
    while (!ready.empty()) {
      order.push_back(ready.top());
      ready.pop();
      for (const std::size_t reader : readers[order.back()])
        if (--waits_for[reader] == 0) ready.push(reader);
    }
    for (std::size_t i = 0; order.size() < nodes.size() && i < nodes.size(); ++i)
      if (waits_for[i] != 0) reject(label(nodes[i]), ": reads what is computed from its own result");
    std::vector<Node> sorted;
    sorted.reserve(nodes.size());
    for (const std::size_t i : order) sorted.push_back(std::move(nodes[i]));
    return sorted;
  }

  const std::string& source_;
  const std::string& external_data_dir_;
  std::unordered_map<std::string, int> opsets_;
};

}  // namespace

OnnxGraph import_model(Span<const std::byte> model_bytes, const std::string& source_name,
                       const std::string& external_data_dir) {
  return ModelImport(source_name, external_data_dir).read(model_bytes);
}

}  // namespace vaip::frontend
