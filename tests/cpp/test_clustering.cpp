// Clustering against brute force: convex, acyclic, maximal, whatever the order of the nodes, on thousands of random
// graphs.
#include <algorithm>
#include <chrono>
#include <numeric>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "check.h"
#include "contraction.h"
#include "partition/clustering.h"

using namespace vaip;
using partition::Clustering;
using partition::ClusteringProblem;
using partition::kNone;

namespace {

using Matrix = std::vector<std::vector<bool>>;

Matrix reachability(const std::vector<std::vector<std::size_t>>& successors) {
  const std::size_t n = successors.size();
  Matrix reach(n, std::vector<bool>(n, false));
  for (std::size_t v = n; v-- > 0;) {
    for (const std::size_t w : successors[v]) {
      reach[v][w] = true;
      for (std::size_t x = 0; x < n; ++x) {
        if (reach[w][x]) reach[v][x] = true;
      }
    }
  }
  return reach;
}

// Labels: the clusters, then one per node outside.
std::vector<std::size_t> labels_of(const ClusteringProblem& problem, const Clustering& clustering,
                                   std::size_t& labels) {
  std::vector<std::size_t> label;
  labels = clustering.clusters;
  for (const std::size_t group : problem.group_of) {
    const std::size_t cluster = group == kNone ? kNone : clustering.cluster_of[group];
    label.push_back(cluster == kNone ? labels++ : cluster);
  }
  return label;
}

std::size_t pick(std::mt19937& random, std::size_t n) { return random() % n; }

// Nodes without edges, some of them unclaimed, the others in groups of one or more nodes.
ClusteringProblem random_nodes(std::mt19937& random, std::size_t n, bool multi_node_groups) {
  const std::size_t unclaimed_percent = pick(random, 70);
  ClusteringProblem problem;
  problem.successors.resize(n);
  for (std::size_t v = 0; v < n; ++v) {
    if (pick(random, 100) < unclaimed_percent) {
      problem.group_of.push_back(kNone);
    } else if (multi_node_groups && problem.groups > 0 && pick(random, 3) == 0) {
      problem.group_of.push_back(pick(random, problem.groups));  // also nodes that are far apart
    } else {
      problem.group_of.push_back(problem.groups++);
    }
  }
  return problem;
}

// Few nodes, any edges.
ClusteringProblem random_problem(std::mt19937& random, bool multi_node_groups) {
  ClusteringProblem problem = random_nodes(random, 1 + pick(random, 16), multi_node_groups);
  const std::size_t density = 1 + pick(random, 6), n = problem.successors.size();
  for (std::size_t v = 0; v < n; ++v) {
    for (std::size_t w = v + 1; w < n; ++w) {
      if (pick(random, 10) < density && pick(random, w - v) < 2) problem.successors[v].push_back(w);
    }
  }
  return problem;
}

// Towers side by side with edges between them, as networks with branches have them.
ClusteringProblem random_towers(std::mt19937& random) {
  ClusteringProblem problem = random_nodes(random, 20 + pick(random, 60), false);
  const std::size_t towers = 1 + pick(random, 5), n = problem.successors.size();
  for (std::size_t v = 0; v < n; ++v) {
    if (v + towers < n) problem.successors[v].push_back(v + towers);
    const std::size_t w = v + 1 + pick(random, 3 * towers);
    if (w < n && w != v + towers && pick(random, 4) == 0) problem.successors[v].push_back(w);
  }
  return problem;
}

// The same problem with its nodes and groups in another order.
struct Renumbered {
  ClusteringProblem problem;
  std::vector<std::size_t> group;  // per group of the original
};

Renumbered renumbered(const ClusteringProblem& problem, std::mt19937& random) {
  const std::vector<std::size_t> order = vaip::test::random_topological_order(problem.successors, random);
  std::vector<std::size_t> position(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) position[order[i]] = i;
  Renumbered out;
  out.group.resize(problem.groups);
  std::iota(out.group.begin(), out.group.end(), std::size_t{0});
  std::shuffle(out.group.begin(), out.group.end(), random);
  out.problem.groups = problem.groups;
  for (const std::size_t v : order) {
    out.problem.group_of.push_back(problem.group_of[v] == kNone ? kNone : out.group[problem.group_of[v]]);
    std::vector<std::size_t> next;
    for (const std::size_t w : problem.successors[v]) next.push_back(position[w]);
    std::shuffle(next.begin(), next.end(), random);
    out.problem.successors.push_back(std::move(next));
  }
  return out;
}

void check_clustering(const ClusteringProblem& problem, const Clustering& clustering) {
  std::size_t labels = 0;
  const std::vector<std::size_t> label = labels_of(problem, clustering, labels);
  const std::size_t n = label.size();
  // Convex: no path from a node of a cluster over a node outside to a node of it.
  const Matrix reach = reachability(problem.successors);
  for (std::size_t a = 0; a < n; ++a) {
    for (std::size_t b = 0; b < n; ++b) {
      for (std::size_t x = 0; x < n; ++x) {
        const bool leaves = label[a] == label[b] && label[x] != label[a];
        CHECK(!(leaves && reach[a][x] && reach[x][b]));
      }
    }
  }
  CHECK(vaip::test::acyclic_when_contracted(problem.successors, label, labels));
  // Numbered along the paths, and none of them empty.
  std::set<std::size_t> used;
  for (std::size_t a = 0; a < n; ++a) {
    if (label[a] < clustering.clusters) used.insert(label[a]);
    for (std::size_t b = 0; b < n; ++b) {
      CHECK(!(reach[a][b] && label[a] < clustering.clusters && label[b] < clustering.clusters && label[a] > label[b]));
    }
  }
  CHECK_EQ(used.size(), clustering.clusters);
  // Maximal: no two clusters could be one.
  CHECK(!vaip::test::mergeable(problem.successors, label, labels, clustering.clusters));
  for (std::size_t group = 0; group < problem.groups; ++group) {
    const bool given_up = clustering.cluster_of[group] == kNone;
    CHECK_EQ(given_up, clustering.obstacle[group] != kNone);
    if (given_up) CHECK(clustering.obstacle[group] < n);
  }
}

double seconds_to_cluster(const ClusteringProblem& problem) {
  const auto start = std::chrono::steady_clock::now();
  (void)partition::cluster(problem);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

TEST(random_graphs_of_single_nodes) {
  std::mt19937 random(1);
  std::size_t several = 0;
  for (int i = 0; i < 3000; ++i) {
    const ClusteringProblem problem = random_problem(random, false);
    const Clustering clustering = partition::cluster(problem);
    check_clustering(problem, clustering);
    several += clustering.clusters > 1 ? 1 : 0;
    for (const std::size_t cluster : clustering.cluster_of) CHECK(cluster != kNone);
    const Clustering again = partition::cluster(problem);
    CHECK(again.cluster_of == clustering.cluster_of);
  }
  CHECK(several > 300);
}

TEST(random_graphs_of_groups) {
  std::mt19937 random(2);
  std::size_t given_up = 0, kept = 0;
  for (int i = 0; i < 3000; ++i) {
    const ClusteringProblem problem = random_problem(random, true);
    const Clustering clustering = partition::cluster(problem);
    check_clustering(problem, clustering);
    for (const std::size_t cluster : clustering.cluster_of) ++(cluster == kNone ? given_up : kept);
  }
  CHECK(given_up > 100);
  CHECK(kept > given_up);
}

TEST(random_towers_of_single_nodes) {
  std::mt19937 random(4);
  for (int i = 0; i < 300; ++i) {
    const ClusteringProblem problem = random_towers(random);
    check_clustering(problem, partition::cluster(problem));
  }
}

// A cycle of groups costs one of them, and among equals the order decides; everything else is the graph's alone.
TEST(the_order_of_nodes_and_groups_does_not_matter) {
  std::mt19937 random(5);
  std::size_t compared = 0;
  for (int i = 0; i < 4000; ++i) {
    const ClusteringProblem problem = i % 4 == 0 ? random_towers(random) : random_problem(random, i % 2 == 0);
    const Clustering clustering = partition::cluster(problem);
    const std::vector<std::size_t>& clusters = clustering.cluster_of;
    if (std::find(clusters.begin(), clusters.end(), kNone) != clusters.end()) continue;
    ++compared;
    const Renumbered other = renumbered(problem, random);
    const Clustering again = partition::cluster(other.problem);
    CHECK_EQ(again.clusters, clustering.clusters);
    for (std::size_t g = 0; g < problem.groups; ++g) CHECK_EQ(again.cluster_of[other.group[g]], clusters[g]);
  }
  CHECK(compared > 3000);
}

TEST(large_graphs_take_well_under_a_second) {
  constexpr std::size_t kNodes = 20000;
  ClusteringProblem chain, alternating, dense, towers;
  for (ClusteringProblem* problem : {&chain, &alternating, &dense, &towers}) {
    problem->successors.resize(kNodes);
    problem->group_of.resize(kNodes);
  }
  std::mt19937 random(3);
  for (std::size_t v = 0; v < kNodes; ++v) {
    chain.group_of[v] = chain.groups++;
    alternating.group_of[v] = v % 2 == 0 ? kNone : alternating.groups++;
    dense.group_of[v] = random() % 10 == 0 ? kNone : dense.groups++;
    towers.group_of[v] = towers.groups++;
    if (v + 1 < kNodes) {
      chain.successors[v].push_back(v + 1);
      alternating.successors[v].push_back(v + 1);
    }
    for (std::size_t w = v + 1; w < std::min(v + 30, kNodes); ++w) dense.successors[v].push_back(w);
    if (v + 100 < kNodes) towers.successors[v].push_back(v + 100);
  }
  for (const ClusteringProblem* problem : {&chain, &alternating, &dense, &towers}) {
    CHECK(seconds_to_cluster(*problem) < 1.0);
  }
  CHECK_EQ(partition::cluster(chain).clusters, std::size_t{1});
  CHECK_EQ(partition::cluster(towers).clusters, std::size_t{1});
  CHECK_EQ(partition::cluster(alternating).clusters, kNodes / 2);
}

VAIP_TEST_MAIN()
