#include "api/model.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <utility>

#include "api/guard.h"
#include "api/unique_dequantize.h"
#include "base/error.h"
#include "base/json.h"
#include "frontend/constant_folding.h"
#include "frontend/protobuf_import.h"
#include "report/unclaimed.h"

namespace vaip {
namespace {

std::shared_ptr<const Model::Impl> load(Span<const std::byte> bytes, const std::string& path,
                                        const std::string& directory, const Options& options) {
  partition::Config config = partition::resolve_config(options);
  auto file = std::make_shared<ModelFile>();
  file->path = path;
  file->onnx = frontend::import_model(bytes, path.empty() ? "the model" : path, directory);
  frontend::fold_constants(file->onnx);
  give_each_reader_its_dequantize(file->onnx);
  return std::make_shared<const Model::Impl>(std::move(file), std::move(config));
}

std::shared_ptr<const frontend::Recognition> recognised(const frontend::OnnxGraph& onnx,
                                                        const partition::Config& config, const Model::Impl* earlier) {
  const bool converts = partition::converts_floats(onnx, config);
  if (earlier != nullptr && earlier->recognition->converts_floats == converts) return earlier->recognition;
  return std::make_shared<const frontend::Recognition>(
      frontend::recognise(onnx, {frontend::Malformed::error, converts}));
}

}  // namespace

std::vector<TensorDesc> describe(const frontend::OnnxGraph& graph, const std::vector<std::string>& values) {
  std::vector<TensorDesc> out;
  for (const std::string& name : values) {
    const auto found = graph.values.find(name);
    const frontend::TensorInfo info = found == graph.values.end() ? frontend::TensorInfo{} : found->second;
    out.push_back({name, std::string(ir::name(info.dtype)), info.shape});
  }
  return out;
}

Model::Impl::Impl(std::shared_ptr<const ModelFile> read, partition::Config chosen, const Impl* earlier)
    : file(std::move(read)),
      onnx(file->onnx),
      config(std::move(chosen)),
      recognition(recognised(onnx, config, earlier)),
      partition(partition::partition(onnx, *recognition, config)) {
  if (config.fallback == partition::Fallback::error && !partition.unclaimed.empty()) {
    fail(ErrorKind::unsupported, partition.unclaimed.size(),
         " nodes are not claimed by the IPU and fallback is \"error\":", list_unclaimed());
  }
}

std::string Model::Impl::list_unclaimed() const {
  constexpr std::size_t kLines = 20;
  return report::list_unclaimed(report::start_report(onnx, partition, config), kLines);
}

Model::Model(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

Model Model::from_file(const std::string& path, const Options& options) {
  return guarded([&] {
    const std::string text = json::read_text_file(path);
    const Span<const std::byte> bytes(reinterpret_cast<const std::byte*>(text.data()), text.size());
    return Model(load(bytes, path, std::filesystem::path(path).parent_path().string(), options));
  });
}

Model Model::from_bytes(const void* data, std::size_t size, const Options& options) {
  return guarded([&] {
    if (data == nullptr && size != 0) fail(ErrorKind::invalid_argument, "from_bytes: data is null");
    return Model(load({static_cast<const std::byte*>(data), size}, "", "", options));
  });
}

Model Model::with_options(const Options& options) const {
  return guarded([&] {
    return Model(std::make_shared<const Impl>(impl_->file, partition::resolve_config(options), impl_.get()));
  });
}

std::vector<TensorDesc> Model::inputs() const { return describe(impl_->onnx, impl_->onnx.inputs); }
std::vector<TensorDesc> Model::outputs() const { return describe(impl_->onnx, impl_->onnx.outputs); }

std::string Model::partition_json() const {
  return guarded([&] {
    const std::size_t total = impl_->onnx.nodes.size(), cpu = impl_->partition.unclaimed.size();
    nlohmann::ordered_json out = {{"nodes", {{"total", total}, {"ipu", total - cpu}, {"cpu", cpu}}},
                                  {"subgraphs", impl_->partition.clusters.size()},
                                  {"unclaimed", nlohmann::ordered_json::array()}};
    for (const partition::Unclaimed& unclaimed : impl_->partition.unclaimed) {
      const frontend::Node& node = impl_->onnx.nodes[unclaimed.node];
      out["unclaimed"].push_back(
          {{"name", frontend::display_name(node)}, {"op", node.op_type}, {"reason", unclaimed.reason}});
    }
    return out.dump(-1, ' ', false, json::Value::error_handler_t::replace);
  });
}

}  // namespace vaip
