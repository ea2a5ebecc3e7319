#include "ep/compile_cache.h"

#include <algorithm>
#include <type_traits>
#include <unordered_set>
#include <variant>
#include <vector>

#include "base/build_id.h"
#include "base/checksum.h"
#include "base/error.h"
#include "sim/timing_archive.h"

namespace vaip::ep {
namespace {

Span<const std::byte> as_bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// All that a result depends on, written so that no two contents read the same; of tensors, checksums.
class Recipe {
 public:
  void add(const std::string& text) {
    add(static_cast<std::int64_t>(text.size()));
    text_ += text;
  }
  void add(std::int64_t number) { add_plain(number); }
  void add(float number) { add_plain(number); }
  void add(const frontend::TensorData& tensor) {
    add(static_cast<std::int64_t>(tensor.dtype));
    add(tensor.shape);
    add_plain(checksum({tensor.constant.data.get(), tensor.constant.size_bytes}));
  }
  void add(const frontend::TensorInfo& info) {
    add(static_cast<std::int64_t>(info.dtype));
    add(static_cast<std::int64_t>(info.has_shape));
    add(info.shape);
  }
  template <typename T>
  void add(const std::vector<T>& items) {
    add(static_cast<std::int64_t>(items.size()));
    for (const T& item : items) add(item);
  }

  ArchiveKey key() const { return {checksum(as_bytes(text_), 0), checksum(as_bytes(text_), 1)}; }

 private:
  template <typename T>
  void add_plain(T value) {
    static_assert(std::is_arithmetic_v<T>);
    text_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  std::string text_;
};

void add_node(const frontend::Node& node, Recipe& recipe) {
  for (const std::string* text : {&node.name, &node.op_type, &node.domain}) recipe.add(*text);
  recipe.add(std::int64_t{node.since_version});
  for (const auto* names : {&node.inputs, &node.outputs, &node.implicit_inputs}) recipe.add(*names);
  for (const auto& [name, attribute] : node.attributes) {
    recipe.add(name);
    recipe.add(static_cast<std::int64_t>(attribute.index()));
    std::visit([&](const auto& value) { recipe.add(value); }, attribute);
  }
  recipe.add(static_cast<std::int64_t>(node.attributes.size()));
}

void add_graph(const frontend::OnnxGraph& graph, Recipe& recipe) {
  recipe.add(graph.inputs);
  recipe.add(graph.outputs);
  std::unordered_set<std::string> known;
  const auto add_values = [&](const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      if (!known.insert(name).second) continue;
      if (const auto constant = graph.constants.find(name); constant != graph.constants.end())
        recipe.add(constant->second);
      if (const auto info = graph.values.find(name); info != graph.values.end()) recipe.add(info->second);
      recipe.add(name);
    }
  };
  add_values(graph.inputs);
  for (const frontend::Node& node : graph.nodes) {
    add_node(node, recipe);
    add_values(node.inputs);
    add_values(node.outputs);
  }
}

void add_target(const Target& target, Recipe& recipe) {
  recipe.add(device::to_json(*target.device));
  recipe.add(device::to_json(*target.stack));
  recipe.add(std::int64_t{target.rows.value_or(0)});
  recipe.add(std::int64_t{target.columns.value_or(0)});
  recipe.add(std::string(sim::name(target.mode)));
  recipe.add(runtime::packing_traits(target.executor));
}

}  // namespace

ArchiveKey compile_key(const frontend::ContextBinary& cluster, const Target& target) {
  Recipe recipe;
  recipe.add(std::string(VAIP_VERSION));
  recipe.add(build_id());
  add_target(target, recipe);
  for (const auto& [name, value] : cluster.properties) {
    recipe.add(name);
    recipe.add(value);
  }
  add_graph(cluster.graph, recipe);
  return recipe.key();
}

bool CompileCache::load(const ir::Graph& graph, const Target& target, ClusterProgram& program) const {
  try {
    runtime::ExecutorOptions options = target.executor;
    options.packed_from = ArchiveReader::open(path_, key_);
    if (options.packed_from == nullptr) return false;
    sim::Timing timing = sim::restore_timing(*options.packed_from);
    runtime::Executor executor(graph, options);
    options.packed_from->expect_end();
    program.timing = std::move(timing);
    program.executor.emplace(std::move(executor));
    return true;
  } catch (const Error& error) {
    warn_(detail::concat("the compiled cluster in cache_dir is not used, but made anew: ", error.what()));
    return false;
  }
}

void CompileCache::store(const ArchiveWriter& program) const {
  try {
    program.write(path_, key_);
  } catch (const Error& error) {
    warn_(detail::concat("the compiled cluster is not kept in cache_dir: ", error.what()));
  }
}

}  // namespace vaip::ep
