// What holds of every partition: clusters convex, maximal, large enough, and the same in any order of the nodes.
#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "check.h"
#include "contraction.h"
#include "net.h"

using namespace vaip;
using partition::Config;
using partition::Partition;
using vaip::test::Net;

namespace {

// A random graph of layers that compute, layers that only move data, and nodes that are no layers.
struct Plan {
  vaip::test::Successors successors;
  std::vector<std::vector<std::size_t>> inputs;  // per node
  std::vector<char> kinds;                       // 'c'ompute, 'm'ove, 'o'ther
};

Plan random_plan(std::mt19937& random) {
  const std::size_t n = 2 + random() % 24;
  Plan plan{vaip::test::Successors(n), std::vector<std::vector<std::size_t>>(n), {}};
  const std::size_t others = random() % 5;
  for (std::size_t v = 0; v < n; ++v) {
    plan.kinds.push_back(random() % 10 < others ? 'o' : random() % 3 == 0 ? 'm' : 'c');
    for (std::size_t i = random() % 3; v > 0 && i > 0; --i) {
      const std::size_t from = v - 1 - random() % std::min<std::size_t>(v, 6);
      if (std::find(plan.inputs[v].begin(), plan.inputs[v].end(), from) != plan.inputs[v].end()) continue;
      plan.inputs[v].push_back(from);
      plan.successors[from].push_back(v);
    }
  }
  return plan;
}

// The cluster of every node of the plan, which the net has in another order: numbered from 0 in the plan's order; or
// -1.
std::vector<int> clusters_of(const Plan& plan, const std::vector<std::size_t>& order, const Config& config) {
  Net net;
  std::vector<std::string> value(order.size());
  for (const std::size_t v : order) {
    std::vector<std::string> inputs;
    for (const std::size_t from : plan.inputs[v]) inputs.push_back(value[from]);
    if (inputs.empty()) inputs.push_back("x" + std::to_string(v));
    value[v] = plan.kinds[v] == 'o'   ? net.other("Custom", inputs)
               : plan.kinds[v] == 'm' ? net.layer("Concat", inputs, ir::ConcatAttrs{})
                                      : net.layer("Sum", inputs, ir::ElementwiseAttrs{});
  }
  const Partition out = net.partition(config);
  std::vector<int> cluster(order.size(), -1);
  for (std::size_t c = 0; c < out.clusters.size(); ++c) {
    for (const std::size_t position : out.clusters[c].nodes) cluster[order[position]] = static_cast<int>(c);
  }
  for (const auto& unclaimed : out.unclaimed) {
    CHECK_EQ(cluster[order[unclaimed.node]], -1);
    CHECK(!unclaimed.reason.empty());
  }
  std::vector<int> number(out.clusters.size(), -1);
  int next = 0;
  for (int& c : cluster) {
    if (c < 0) continue;
    if (number[static_cast<std::size_t>(c)] < 0) number[static_cast<std::size_t>(c)] = next++;
    c = number[static_cast<std::size_t>(c)];
  }
  return cluster;
}

}  // namespace

TEST(random_graphs_are_partitioned_alike_in_any_order) {
  std::mt19937 random(6);
  std::size_t dropped = 0, kept = 0;
  for (int i = 0; i < 1500; ++i) {
    const Plan plan = random_plan(random);
    Config config;
    config.minimum_nodes = 1 + static_cast<std::int64_t>(random() % 4);
    std::vector<std::size_t> order(plan.kinds.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    const std::vector<int> cluster = clusters_of(plan, order, config);
    CHECK(cluster == clusters_of(plan, vaip::test::random_topological_order(plan.successors, random), config));

    const auto clusters = static_cast<std::size_t>(1 + *std::max_element(cluster.begin(), cluster.end()));
    std::size_t labels = clusters;
    std::vector<std::size_t> label;
    std::vector<std::int64_t> compute_layers(clusters, 0);
    for (std::size_t v = 0; v < cluster.size(); ++v) {
      const bool claimed = cluster[v] >= 0;
      CHECK(!(claimed && plan.kinds[v] == 'o'));
      label.push_back(claimed ? static_cast<std::size_t>(cluster[v]) : labels++);
      if (claimed && plan.kinds[v] == 'c') ++compute_layers[label.back()];
      if (!claimed && plan.kinds[v] == 'c') ++dropped;
      CHECK(claimed || plan.kinds[v] != 'c' ||
            config.minimum_nodes > 1);  // a layer that computes is worth it by itself
    }
    CHECK(vaip::test::acyclic_when_contracted(plan.successors, label, labels));
    CHECK(!vaip::test::mergeable(plan.successors, label, labels, clusters));
    for (const std::int64_t layers : compute_layers) CHECK(layers >= config.minimum_nodes);
    kept += clusters;
  }
  CHECK(dropped > 500);
  CHECK(kept > 1000);
}

VAIP_TEST_MAIN()
