// The provider's state that outlives a call: programs by shape, sessions by id, reports of graphs that come more than
// once.
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "ep/cluster_program.h"
#include "ep/session_files.h"
#include "ep/session_registry.h"

namespace {

using vaip::Span;
using vaip::ep::ClusterProgram;
using vaip::ep::ProgramCache;
using vaip::ep::SessionRecord;
using vaip::ep::SessionRegistry;
using vaip::report::NodeEntry;
using vaip::report::SessionReport;

std::shared_ptr<const ClusterProgram> program_of(Span<const std::int64_t> key) {
  auto program = std::make_shared<ClusterProgram>();
  program->compile_ms = static_cast<double>(key[1]);
  return program;
}

SessionReport report_of(const std::vector<std::pair<std::string, bool>>& nodes) {
  SessionReport report;
  report.model = "m.onnx";
  for (const auto& [name, claimed] : nodes) {
    NodeEntry node;
    node.name = name;
    node.claimed = claimed;
    report.nodes.push_back(node);
  }
  return report;
}

std::string node_names(const SessionReport& report) {
  std::string names;
  for (const NodeEntry& node : report.nodes) names += node.name + (node.claimed ? "+ " : "- ");
  return names;
}

}  // namespace

TEST(a_shape_is_compiled_once) {
  ProgramCache cache;
  int compiled = 0;
  const auto compile = [&](Span<const std::int64_t> key) {
    ++compiled;
    return program_of(key);
  };
  const std::vector<std::int64_t> two{1, 2}, three{1, 3};
  const auto first = cache.find_or_compile(two, compile);
  CHECK(cache.find_or_compile(two, compile) == first);
  CHECK(cache.find_or_compile(three, compile) != first);
  CHECK_EQ(compiled, 2);
}

TEST(ranks_tell_keys_apart) {
  ProgramCache cache;
  int compiled = 0;
  const auto compile = [&](Span<const std::int64_t> key) {
    ++compiled;
    return program_of(key);
  };
  const std::vector<std::int64_t> one_value{2, 1, 1}, two_values{1, 1, 1, 1};
  cache.find_or_compile(one_value, compile);
  cache.find_or_compile(two_values, compile);
  CHECK_EQ(compiled, 2);
}

TEST(the_program_unused_for_longest_goes) {
  ProgramCache cache;
  std::vector<std::int64_t> compiled;
  const auto get = [&](std::int64_t batch) {
    const std::vector<std::int64_t> key{1, batch};
    return cache.find_or_compile(key, [&](Span<const std::int64_t> k) {
      compiled.push_back(k[1]);
      return program_of(k);
    });
  };
  const auto capacity = static_cast<std::int64_t>(ProgramCache::kCapacity);
  for (std::int64_t batch = 0; batch < capacity; ++batch) get(batch);
  get(0);         // 1 is now the oldest
  get(capacity);  // takes its place
  compiled.clear();
  for (std::int64_t batch = 0; batch <= capacity; ++batch) {
    if (batch != 1) CHECK_EQ(get(batch)->compile_ms, static_cast<double>(batch));
  }
  CHECK_EQ(compiled.size(), 0u);
  get(1);
  CHECK_EQ(compiled.size(), 1u);
}

// Two programs of one product: what each packs is the same.
TEST(shared_weights_count_once) {
  auto store = vaip::runtime::make_weight_store();
  const vaip::ir::ValueId x = 0, w = 1, y = 2;
  vaip::ir::Graph graph;
  const std::vector<float> weights(64 * 48, 0.5F);
  auto owned = std::make_shared<std::vector<float>>(weights);
  const auto* bytes = reinterpret_cast<const std::byte*>(owned->data());
  graph.add_value({"x", vaip::ir::DType::u8, {1, 64}, vaip::ir::QuantParams{{1.0F}, {0}, 0}, std::nullopt});
  graph.add_value({"w",
                   vaip::ir::DType::s8,
                   {64, 48},
                   vaip::ir::QuantParams{{1.0F}, {0}, 0},
                   vaip::ir::Constant{{owned, bytes}, 64 * 48}});
  graph.add_value({"y", vaip::ir::DType::u8, {1, 48}, vaip::ir::QuantParams{{1.0F}, {0}, 0}, std::nullopt});
  vaip::ir::Layer matmul;
  matmul.op = matmul.name = "MatMul";
  matmul.attrs = vaip::ir::MatMulAttrs{};
  matmul.inputs = {x, w};
  matmul.outputs = {y};
  graph.layers = {matmul};
  graph.inputs = {x};
  graph.outputs = {y};
  const auto bytes_of = [&](const std::shared_ptr<vaip::kernels::WeightStore>& shared) {
    ProgramCache cache;
    const auto compile = [&](Span<const std::int64_t> key) {
      auto program = std::make_shared<ClusterProgram>();
      vaip::ir::Graph bound = graph;
      bound.value(x).shape[0] = bound.value(y).shape[0] = key[1];
      vaip::runtime::ExecutorOptions options;
      options.weights = shared;
      program->executor.emplace(bound, options);
      return program;
    };
    std::size_t arenas = 0;
    for (const std::int64_t rows : {8, 16})
      arenas += cache.find_or_compile(std::vector<std::int64_t>{1, rows}, compile)->executor->arena_bytes();
    return cache.bytes() - arenas;
  };
  const std::size_t apart = bytes_of(nullptr), together = bytes_of(store);
  CHECK(together >= 64 * 48);
  CHECK_EQ(2 * together, apart);
}

TEST(a_failed_compilation_leaves_nothing_behind) {
  ProgramCache cache;
  const std::vector<std::int64_t> key{1, 5};
  CHECK_THROWS(cache.find_or_compile(key,
                                     [](Span<const std::int64_t>) -> std::shared_ptr<const ClusterProgram> {
                                       throw std::runtime_error("no tiling");
                                     }),
               "no tiling");
  CHECK_EQ(cache.find_or_compile(key, program_of)->compile_ms, 5.0);
}

TEST(threads_share_programs_while_others_are_evicted) {
  ProgramCache cache;
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&cache, &wrong, t] {
      for (std::int64_t i = 0; i < 2000; ++i) {
        const std::vector<std::int64_t> key{1, (i * 7 + t) % 96};
        if (cache.find_or_compile(key, program_of)->compile_ms != static_cast<double>(key[1])) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(wrong.load(), 0);
}

TEST(sessions_are_listed_from_open_to_close) {
  SessionRegistry& registry = SessionRegistry::instance();
  const auto first = registry.open(), second = registry.open();
  CHECK(registry.ids() == (std::vector<std::uint64_t>{first->id(), second->id()}));
  registry.tag(second->id(), "mine");
  registry.tag(first->id(), "yours");
  CHECK_EQ(registry.find_tagged("mine"), second->id());
  CHECK_EQ(registry.find_tagged("nobody's"), 0u);
  registry.close(first->id());
  CHECK_EQ(registry.find_tagged("yours"), 0u);
  CHECK(registry.find(first->id()) == nullptr);
  CHECK(registry.find(second->id()) == second);
  registry.close(second->id());
  CHECK(registry.ids().empty());
  CHECK(registry.open()->id() > second->id());  // ids are not used again
  registry.close(registry.ids().front());
}

TEST(the_latest_partition_of_a_graph_counts) {
  SessionRecord record(1);
  record.set_partition({"main", false}, report_of({{"a", true}, {"function", false}}), false);
  record.set_partition({"main", false}, report_of({{"a", true}, {"inlined", true}}), false);
  CHECK_EQ(node_names(record.snapshot()), "a+ inlined+ ");
}

TEST(claimed_nodes_stay_when_the_graph_shows_them_fused) {
  SessionRecord record(1);
  record.set_partition({"main", false}, report_of({{"a", true}, {"function", false}}), false);
  record.set_partition({"main", false}, report_of({{"inlined", false}}), true);
  CHECK_EQ(node_names(record.snapshot()), "inlined- a+ ");
}

TEST(nested_graphs_come_behind_the_models_own) {
  SessionRecord record(7);
  record.set_partition({"then", true}, report_of({{"t", true}}), false);
  record.set_partition({"main", false}, report_of({{"if", false}}), false);
  const SessionReport all = record.snapshot();
  CHECK_EQ(node_names(all), "if- t+ ");
  CHECK_EQ(all.session_id, 7u);
  CHECK_EQ(all.model, "m.onnx");
}

TEST(clusters_report_the_program_they_used_last) {
  SessionRecord record(1);
  const std::size_t cluster = record.add_cluster("VitisAIEP_1_0");
  CHECK(record.snapshot().clusters.at(0).input_shapes.empty());
  auto program = std::make_shared<ClusterProgram>();
  program->input_shapes = {{2, 4}};
  program->timing.cycles = 100;
  record.count_program(cluster);
  record.set_program(cluster, program);
  const vaip::report::ClusterEntry entry = record.snapshot().clusters.at(0);
  CHECK_EQ(entry.name, "VitisAIEP_1_0");
  CHECK(entry.input_shapes == program->input_shapes);
  CHECK_EQ(entry.timing.cycles, 100.0);
  CHECK_EQ(entry.programs, 1);
}

TEST(cache_keys_tell_graphs_apart) {
  const std::string key = vaip::ep::default_cache_key(report_of({{"a", true}, {"b", true}}));
  CHECK_EQ(key.size(), 16u);
  CHECK_EQ(key,
           vaip::ep::default_cache_key(report_of({{"a", false}, {"b", true}})));  // of the graph, not of its partition
  CHECK(key != vaip::ep::default_cache_key(report_of({{"ab", true}})));
  CHECK(key != vaip::ep::default_cache_key(report_of({{"b", true}, {"a", true}})));
}

VAIP_TEST_MAIN()
