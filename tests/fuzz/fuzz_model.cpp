// The bytes of a model file on their way to a prediction: protobuf reader, import, recognition, partition, mapping,
// timing.
#include <algorithm>

#include "api/cluster_graph.h"
#include "api/unique_dequantize.h"
#include "compiler/program.h"
#include "frontend/protobuf_import.h"
#include "frontend/recognise.h"
#include "fuzz.h"
#include "ir/binding.h"
#include "partition/device_choice.h"
#include "partition/partition.h"

namespace {

using vaip::ir::Shape;

// Larger tensors are no finding by themselves, only slow.
constexpr std::int64_t kLargestTensor = std::int64_t{1} << 24;

bool is_static_and_small(const vaip::ir::Graph& graph) {
  return std::all_of(graph.values.begin(), graph.values.end(), [](const vaip::ir::Value& value) {
    return vaip::ir::is_static(value.shape) && vaip::ir::element_count(value.shape) <= kLargestTensor;
  });
}

void compile_cluster(const vaip::frontend::OnnxGraph& graph, const vaip::partition::Cluster& cluster,
                     const vaip::compiler::CompileOptions& options) {
  const vaip::ir::Graph layers = vaip::frontend::lower(vaip::cut_out(graph, cluster));
  if (!is_static_and_small(layers)) return;
  std::vector<Shape> shapes;
  for (const vaip::ir::ValueId id : layers.inputs) shapes.push_back(layers.value(id).shape);
  (void)vaip::compiler::compile(vaip::ir::bind_shapes(layers, shapes), options);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const vaip::partition::Config config = vaip::partition::resolve_config({});
  static const auto device = vaip::partition::device_of(config);
  static const vaip::compiler::CompileOptions options = {
      device, vaip::partition::stack_of(config, *device), {}, {}, {}};
  vaip::fuzz::expect_error_or_success([&] {
    const vaip::Span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
    vaip::frontend::OnnxGraph graph = vaip::frontend::import_model(bytes, "the model", "");
    vaip::give_each_reader_its_dequantize(graph);
    const auto recognition = vaip::frontend::recognise(graph, {vaip::frontend::Malformed::reason});
    const auto partition = vaip::partition::partition(graph, recognition, config);
    for (const vaip::partition::Cluster& cluster : partition.clusters) {
      vaip::fuzz::expect_error_or_success([&] { compile_cluster(graph, cluster, options); });
    }
  });
  return 0;
}
