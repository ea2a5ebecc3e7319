#include "ep/ep_context.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "ep/factory.h"
#include "frontend/node_access.h"
#include "ort/status.h"
#include "report/session_report.h"

namespace vaip::ep {
namespace {

namespace fs = std::filesystem;

// The attributes are onnxruntime's (contrib operator EPContext).
constexpr const char* kContext = "ep_cache_context";
constexpr const char* kEmbedded = "embed_mode";
constexpr const char* kSource = "source";

Span<const std::byte> as_bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

std::string read_context_file(const frontend::Node& node, const std::string& name, const std::string& model_path) {
  const fs::path path(name);
  const bool leaves = std::find(path.begin(), path.end(), "..") != path.end();
  if (path.empty() || path.has_root_path() || leaves)
    reject(node, kContext, " '", name, "' must be a path in the model's directory");
  if (model_path.empty()) {
    fail(ErrorKind::io, frontend::label(node), ": the model was given as bytes; load it from its file to find '", name,
         "' beside it, or make the context model with ep.context_embed_mode set to 1");
  }
  return json::read_text_file((fs::path(model_path).parent_path() / path).string());
}

// Gives the values at the cluster's border the names that they have around the node.
void rename_ports(frontend::OnnxGraph& graph, const frontend::Node& node) {
  if (node.inputs.size() != graph.inputs.size() || node.outputs.size() != graph.outputs.size()) {
    reject(node, "has ", node.inputs.size(), " inputs and ", node.outputs.size(), " outputs, its context ",
           graph.inputs.size(), " and ", graph.outputs.size());
  }
  std::unordered_map<std::string, std::string> names;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) names[graph.inputs[i]] = node.inputs[i];
  for (std::size_t i = 0; i < node.outputs.size(); ++i) names[graph.outputs[i]] = node.outputs[i];
  const auto rename = [&](std::string& name) {
    if (const auto found = names.find(name); found != names.end()) name = found->second;
  };
  std::unordered_map<std::string, frontend::TensorInfo> values;
  for (auto& [name, info] : graph.values) {
    std::string renamed = name;
    rename(renamed);
    values.emplace(std::move(renamed), std::move(info));
  }
  graph.values = std::move(values);
  for (frontend::Node& inner : graph.nodes)
    for (auto* list : {&inner.inputs, &inner.outputs}) std::for_each(list->begin(), list->end(), rename);
  graph.inputs = node.inputs;
  graph.outputs = node.outputs;
}

ort::OpAttr string_attribute(const char* name, const std::string& value) {
  OrtOpAttr* attribute = nullptr;
  ort::check(
      ort::api().CreateOpAttr(name, value.data(), static_cast<int>(value.size()), ORT_OP_ATTR_STRING, &attribute));
  return ort::OpAttr(attribute);
}

ort::OpAttr integer_attribute(const char* name, std::int64_t value) {
  OrtOpAttr* attribute = nullptr;
  ort::check(ort::api().CreateOpAttr(name, &value, 1, ORT_OP_ATTR_INT, &attribute));
  return ort::OpAttr(attribute);
}

std::vector<const char*> pointers(const std::vector<std::string>& names) {
  std::vector<const char*> all;
  for (const std::string& name : names) all.push_back(name.c_str());
  return all;
}

// "<the EPContext model's stem>_<node>.bin" in its directory, which onnxruntime names in the same way.
fs::path context_file(const std::string& name, const ContextOptions& options, const std::string& model_path) {
  fs::path model(options.model_path);
  if (model.empty()) {
    if (model_path.empty()) {
      fail(ErrorKind::invalid_config,
           "the model has no path, so that its contexts have no place: set the session option ep.context_file_path, or "
           "ep.context_embed_mode to 1");
    }
    model = fs::path(model_path).replace_extension("");
    model += "_ctx.onnx";
  }
  return model.parent_path() / (model.stem().string() + "_" + name + ".bin");
}

}  // namespace

bool is_own_context(const frontend::Node& node) {
  if (node.op_type != "EPContext" || node.domain != "com.microsoft") return false;
  const auto source = node.attributes.find(kSource);
  if (source == node.attributes.end()) return false;
  const auto* name = std::get_if<std::string>(&source->second);
  return name != nullptr && *name == kProviderName;
}

frontend::ContextBinary read_context(const frontend::Node& node, const std::string& model_path) {
  std::string context = frontend::attribute(node, kContext, "");
  std::string source = frontend::label(node);
  if (frontend::attribute(node, kEmbedded, std::int64_t{1}) == 0) {
    source += " ('" + context + "')";
    context = read_context_file(node, context, model_path);
  }
  frontend::ContextBinary binary = frontend::unpack_context(as_bytes(context), source);
  rename_ports(binary.graph, node);
  return binary;
}

ort::Node make_context_node(const std::string& name, const std::vector<std::string>& inputs,
                            const std::vector<std::string>& outputs, frontend::ContextBinary cluster,
                            const ContextOptions& options, const std::string& model_path) {
  cluster.graph.inputs = inputs;
  cluster.graph.outputs = outputs;
  std::string context = frontend::pack_context(cluster);
  if (!options.embed) {
    const fs::path file = context_file(name, options, model_path);
    report::write_file(file.string(), context);
    context = file.filename().string();
  }
  std::array<ort::OpAttr, 7> attributes = {
      string_attribute(kContext, context),
      integer_attribute(kEmbedded, options.embed ? 1 : 0),
      integer_attribute("main_context", 1),
      string_attribute(kSource, kProviderName),
      string_attribute("partition_name", name),
      string_attribute("ep_sdk_version", VAIP_VERSION),
      string_attribute("onnx_model_filename", fs::path(model_path).filename().string()),
  };
  std::array<OrtOpAttr*, 7> raw{};
  std::transform(attributes.begin(), attributes.end(), raw.begin(), [](const ort::OpAttr& a) { return a.get(); });
  const std::vector<const char*> input_names = pointers(inputs), output_names = pointers(outputs);
  OrtNode* node = nullptr;
  // onnxruntime finds the node that replaces a fused one by its name.
  OrtStatus* status = ort::api().GetModelEditorApi()->CreateNode(
      "EPContext", "com.microsoft", name.c_str(), input_names.data(), input_names.size(), output_names.data(),
      output_names.size(), raw.data(), raw.size(), &node);
  // onnxruntime takes the attributes, one by one, and clears their pointers as it does.
  for (std::size_t i = 0; i < raw.size(); ++i)
    if (raw[i] == nullptr) (void)attributes[i].release();
  ort::check(status);
  return ort::Node(node);
}

}  // namespace vaip::ep
