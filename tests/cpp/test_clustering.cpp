// Clustering against brute force: convex, acyclic, maximal, on thousands of random graphs.
#include <algorithm>
#include <chrono>
#include <random>
#include <set>

#include "check.h"
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

// Whether the graph has a cycle once the nodes with one label are one vertex.
bool cyclic_when_contracted(const std::vector<std::vector<std::size_t>>& successors,
                            const std::vector<std::size_t>& label, std::size_t labels) {
  Matrix edge(labels, std::vector<bool>(labels, false));
  for (std::size_t v = 0; v < successors.size(); ++v) {
    for (const std::size_t w : successors[v]) {
      if (label[v] != label[w]) edge[label[v]][label[w]] = true;
    }
  }
  for (std::size_t k = 0; k < labels; ++k) {
    for (std::size_t i = 0; i < labels; ++i) {
      for (std::size_t j = 0; j < labels; ++j) {
        if (edge[i][k] && edge[k][j]) edge[i][j] = true;
      }
    }
  }
  for (std::size_t i = 0; i < labels; ++i) {
    if (edge[i][i]) return true;
  }
  return false;
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

ClusteringProblem random_problem(std::mt19937& random, bool multi_node_groups) {
  const auto pick = [&random](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  ClusteringProblem problem;
  const std::size_t n = 1 + pick(16);
  const std::size_t density = 1 + pick(6), unclaimed_percent = pick(70);
  problem.successors.resize(n);
  for (std::size_t v = 0; v < n; ++v) {
    for (std::size_t w = v + 1; w < n; ++w) {
      if (pick(10) < density && pick(w - v) < 2) problem.successors[v].push_back(w);
    }
  }
  for (std::size_t v = 0; v < n; ++v) {
    if (pick(100) < unclaimed_percent) {
      problem.group_of.push_back(kNone);
    } else if (multi_node_groups && problem.groups > 0 && pick(3) == 0) {
      problem.group_of.push_back(pick(problem.groups));  // also nodes that are far apart
    } else {
      problem.group_of.push_back(problem.groups++);
    }
  }
  return problem;
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
  CHECK(!cyclic_when_contracted(problem.successors, label, labels));
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
  for (std::size_t c = 0; c < clustering.clusters; ++c) {
    for (std::size_t d = c + 1; d < clustering.clusters; ++d) {
      std::vector<std::size_t> merged = label;
      std::replace(merged.begin(), merged.end(), d, c);
      CHECK(cyclic_when_contracted(problem.successors, merged, labels));
    }
  }
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
