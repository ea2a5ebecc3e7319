#include "ep/cluster_program.h"

#include <algorithm>
#include <chrono>
#include <unordered_set>
#include <utility>

#include "compiler/program.h"
#include "ep/compile_cache.h"
#include "ir/binding.h"
#include "runtime/evaluate.h"
#include "sim/timing_archive.h"

namespace vaip::ep {
namespace {

std::vector<ir::Shape> shapes_of(const ir::Graph& graph, const std::vector<ir::ValueId>& values) {
  std::vector<ir::Shape> shapes;
  shapes.reserve(values.size());
  for (const ir::ValueId id : values) shapes.push_back(graph.value(id).shape);
  return shapes;
}

bool all_empty(const std::vector<ir::Shape>& shapes) {
  return std::all_of(shapes.begin(), shapes.end(), [](const ir::Shape& s) { return ir::element_count(s) == 0; });
}

void compile(ir::Graph bound, const Target& target, const CompileCache* cache, ClusterProgram& result) {
  compiler::Program program =
      compiler::compile(std::move(bound), {target.device, target.stack, target.rows, target.columns, target.mode});
  ArchiveWriter archive;
  runtime::ExecutorOptions options = target.executor;
  if (cache != nullptr) {
    sim::store(program.timing, archive);
    options.packed_to = &archive;
  }
  result.executor.emplace(program.graph, options);
  result.timing = std::move(program.timing);
  if (cache == nullptr) return;
  cache->store(archive);
  result.cache = report::CacheUse::miss;
}

}  // namespace

std::shared_ptr<const ClusterProgram> compile_cluster(const ir::Graph& graph, const BoundInputs& inputs,
                                                      const Target& target, const CompileCache* cache) {
  const auto start = std::chrono::steady_clock::now();
  ir::Graph bound = ir::bind_shapes(graph, inputs.shapes, inputs.contents, runtime::evaluate);
  auto result = std::make_shared<ClusterProgram>();
  result->input_shapes = inputs.shapes;
  result->output_shapes = shapes_of(bound, bound.outputs);
  if (!all_empty(result->output_shapes)) {
    if (cache != nullptr && cache->load(bound, target, *result))
      result->cache = report::CacheUse::hit;
    else
      compile(std::move(bound), target, cache, *result);
  }
  result->compile_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  return result;
}

std::shared_ptr<const ClusterProgram> ProgramCache::find(Span<const std::int64_t> key) const {
  const std::shared_lock lock(mutex_);
  for (const auto& entry : entries_) {
    if (std::equal(key.begin(), key.end(), entry->key.begin(), entry->key.end())) {
      entry->last_use.store(++uses_, std::memory_order_relaxed);
      return entry->program;
    }
  }
  return nullptr;
}

std::shared_ptr<const ClusterProgram> ProgramCache::find_or_compile(Span<const std::int64_t> key,
                                                                    const Compile& compile) {
  if (auto program = find(key)) return program;
  const std::lock_guard compiling(compile_mutex_);
  if (auto program = find(key)) return program;  // another thread compiled it while we waited

  auto entry = std::make_unique<Entry>();
  entry->key.assign(key.begin(), key.end());
  entry->program = compile(key);
  entry->last_use = ++uses_;
  const std::shared_ptr<const ClusterProgram> program = entry->program;
  const std::unique_lock lock(mutex_);
  entries_.push_back(std::move(entry));
  while (entries_.size() > kCapacity || (entries_.size() > 1 && held_bytes() > kCapacityBytes)) {
    entries_.erase(std::min_element(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
      return a->last_use.load(std::memory_order_relaxed) < b->last_use.load(std::memory_order_relaxed);
    }));
  }
  return program;
}

std::size_t ProgramCache::bytes() const {
  const std::shared_lock lock(mutex_);
  return held_bytes();
}

std::size_t ProgramCache::held_bytes() const {
  std::size_t bytes = 0;
  std::unordered_set<const kernels::PackedWeights*> counted;
  for (const auto& entry : entries_) {
    const std::optional<runtime::Executor>& executor = entry->program->executor;
    if (!executor) continue;
    bytes += executor->packed_weight_bytes() + executor->arena_bytes();
    for (const auto& shared : executor->shared_weights())
      if (!counted.insert(shared.weights.get()).second) bytes -= shared.bytes;
  }
  return bytes;
}

}  // namespace vaip::ep
