// Groups the vertices of a graph into few convex clusters: none can be left and entered again, and no two could be one.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace vaip::partition {

inline constexpr std::size_t kNone = static_cast<std::size_t>(-1);

struct ClusteringProblem {
  std::vector<std::vector<std::size_t>> successors;  // per node; acyclic
  std::vector<std::size_t> group_of;  // per node: the indivisible group that it belongs to, kNone when it is unclaimed
  std::size_t groups = 0;
};

struct Clustering {
  std::vector<std::size_t> cluster_of;  // per group; kNone when the group cannot be cut out of the graph
  std::size_t clusters = 0;             // numbered along the paths: no path runs from a cluster to one before it
  std::vector<std::size_t> obstacle;    // per group that cannot: an unclaimed node on a path from the group to itself
};

// Deterministic; linear in nodes and edges, as long as no group has to be given up.
//
// The level of a group is the largest number of times that a path to it goes from claimed to unclaimed nodes. Groups of
// one level form one cluster: along a path levels never fall, and they rise where it leaves the claimed nodes, so no
// path leaves a cluster and comes back. No better clustering exists: a path that attains level n passes through a group
// of each level below, and no two of these can be in one cluster. Where a group may go to a later level, it goes there
// if it feeds it directly and nothing in its own cluster: fewer tensors cross between clusters then.
Clustering cluster(const ClusteringProblem& problem);

}  // namespace vaip::partition
