#include "partition/clustering.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"

namespace vaip::partition {
namespace {

using Adjacency = std::vector<std::vector<std::size_t>>;

// Strongly connected components (Tarjan, without recursion: a chain of 100,000 nodes must not exhaust the stack).
// Components are numbered in reverse topological order: edges go to smaller numbers.
struct Components {
  std::vector<std::size_t> of;
  std::size_t count = 0;
};

Components strongly_connected(const Adjacency& successors) {
  const std::size_t n = successors.size();
  Components out{std::vector<std::size_t>(n, kNone), 0};
  std::vector<std::size_t> index(n, kNone), low(n, 0), stack;
  std::vector<std::pair<std::size_t, std::size_t>> path;  // vertex, next successor to visit
  std::size_t visited = 0;
  const auto enter = [&](std::size_t v) {
    index[v] = low[v] = visited++;
    stack.push_back(v);
    path.emplace_back(v, 0);
  };
  for (std::size_t root = 0; root < n; ++root) {
    if (index[root] != kNone) continue;
    enter(root);
    while (!path.empty()) {
      const std::size_t v = path.back().first;
      if (path.back().second < successors[v].size()) {
        const std::size_t w = successors[v][path.back().second++];
        if (index[w] == kNone) {
          enter(w);
        } else if (out.of[w] == kNone) {  // still on the stack
          low[v] = std::min(low[v], index[w]);
        }
        continue;
      }
      path.pop_back();
      if (!path.empty()) low[path.back().first] = std::min(low[path.back().first], low[v]);
      if (low[v] != index[v]) continue;
      for (std::size_t w = kNone; w != v;) {
        w = stack.back();
        stack.pop_back();
        out.of[w] = out.count;
      }
      ++out.count;
    }
  }
  return out;
}

// The problem's graph with every group contracted to one vertex. Vertices [0, groups) are the groups that are left.
struct Contraction {
  Adjacency successors;
  std::size_t groups = 0;
  std::vector<std::size_t> vertex_of;  // per node
  std::vector<std::size_t> node_of;    // per vertex: a node of it
};

Contraction contract(const ClusteringProblem& problem, const std::vector<std::size_t>& group_of, std::size_t groups) {
  const std::size_t n = problem.successors.size();
  Contraction out;
  out.groups = groups;
  out.vertex_of.resize(n);
  out.node_of.resize(groups, kNone);
  for (std::size_t v = 0; v < n; ++v) {
    if (group_of[v] == kNone) {
      out.vertex_of[v] = out.node_of.size();
      out.node_of.push_back(v);
    } else {
      out.vertex_of[v] = group_of[v];
      if (out.node_of[group_of[v]] == kNone) out.node_of[group_of[v]] = v;
    }
  }
  out.successors.resize(out.node_of.size());
  for (std::size_t v = 0; v < n; ++v) {
    for (const std::size_t w : problem.successors[v]) {
      if (out.vertex_of[v] != out.vertex_of[w]) out.successors[out.vertex_of[v]].push_back(out.vertex_of[w]);
    }
  }
  return out;
}

// The vertices of an acyclic contraction such that edges go forward.
std::vector<std::size_t> topological_order(const Components& components) {
  std::vector<std::size_t> order(components.count);
  for (std::size_t v = 0; v < components.of.size(); ++v) order[components.count - 1 - components.of[v]] = v;
  return order;
}

std::vector<std::size_t> earliest_levels(const Contraction& graph, const std::vector<std::size_t>& order) {
  std::vector<std::size_t> level(graph.successors.size(), 0);
  for (const std::size_t v : order) {
    for (const std::size_t w : graph.successors[v]) {
      const bool leaves = v < graph.groups && w >= graph.groups;
      level[w] = std::max(level[w], level[v] + (leaves ? 1 : 0));
    }
  }
  return level;
}

constexpr std::size_t kUnbounded = std::numeric_limits<std::size_t>::max();

// Per unclaimed vertex: the latest level of a group that feeds it.
std::vector<std::size_t> latest_feeders(const Contraction& graph, const std::vector<std::size_t>& order,
                                        const std::vector<std::size_t>& level) {
  std::vector<std::size_t> latest(graph.successors.size(), kUnbounded);
  for (auto v = order.rbegin(); v != order.rend(); ++v) {
    if (*v < graph.groups) continue;
    for (const std::size_t w : graph.successors[*v]) {
      const std::size_t limit = w >= graph.groups ? latest[w] : level[w] == 0 ? kUnbounded : level[w] - 1;
      latest[*v] = std::min(latest[*v], limit);
    }
  }
  return latest;
}

std::size_t find_root(std::vector<std::size_t>& parent, std::size_t v) {
  while (parent[v] != v) {
    parent[v] = parent[parent[v]];
    v = parent[v];
  }
  return v;
}

// Moves the connected parts of each level, last level first, to the later level that they feed directly, where they
// may.
void move_to_consumers(const Contraction& graph, const std::vector<std::size_t>& latest, std::size_t levels,
                       std::vector<std::size_t>& level) {
  std::vector<std::vector<std::size_t>> members(levels);
  for (std::size_t g = 0; g < graph.groups; ++g) {
    if (graph.node_of[g] != kNone) members[level[g]].push_back(g);
  }
  std::vector<std::size_t> parent(graph.groups), bound(graph.groups, kUnbounded), direct(graph.groups, kUnbounded);
  for (std::size_t g = 0; g < graph.groups; ++g) parent[g] = g;
  for (std::size_t at = levels; at-- > 0;) {
    for (const std::size_t g : members[at]) {
      for (const std::size_t w : graph.successors[g]) {
        if (w < graph.groups && level[w] == at) parent[find_root(parent, w)] = find_root(parent, g);
      }
    }
    for (const std::size_t g : members[at]) {
      const std::size_t root = find_root(parent, g);
      for (const std::size_t w : graph.successors[g]) {
        if (w >= graph.groups) {
          bound[root] = std::min(bound[root], latest[w]);
        } else if (level[w] != at) {
          direct[root] = std::min(direct[root], level[w]);
        }
      }
    }
    for (const std::size_t g : members[at]) {
      const std::size_t root = find_root(parent, g);
      if (direct[root] != kUnbounded && direct[root] <= bound[root]) level[g] = direct[root];
    }
  }
}

// Contracted cycles. One of groups alone becomes a single group: all of it is claimed, so nothing is in between. One
// with an unclaimed node costs a group, the one with the fewest nodes, the last of equals.
struct Repair {
  bool changed = false;
  std::vector<std::pair<std::size_t, std::size_t>> given_up;  // group, obstacle (a node)
};

Repair resolve_cycles(const Contraction& graph, const Components& components, std::vector<std::size_t>& group_of,
                      std::size_t& groups) {
  std::vector<std::vector<std::size_t>> members(components.count);
  for (std::size_t v = 0; v < components.of.size(); ++v) members[components.of[v]].push_back(v);
  std::vector<std::size_t> size(graph.groups, 0);
  for (const std::size_t group : group_of) {
    if (group != kNone) ++size[group];
  }
  Repair out;
  std::vector<std::size_t> becomes(graph.groups);
  for (std::size_t g = 0; g < graph.groups; ++g) becomes[g] = g;
  for (const std::vector<std::size_t>& component : members) {  // ascending vertices: groups first
    if (component.size() < 2) continue;
    out.changed = true;
    if (component.front() >= graph.groups) {
      fail(ErrorKind::internal, "clustering: the graph has a cycle through node ", graph.node_of[component.front()]);
    }
    if (component.back() < graph.groups) {
      for (const std::size_t g : component) becomes[g] = component.front();
      continue;
    }
    std::size_t smallest = component.front();
    for (const std::size_t v : component) {
      if (v < graph.groups && size[v] <= size[smallest]) smallest = v;
    }
    becomes[smallest] = kNone;
    out.given_up.emplace_back(smallest, graph.node_of[component.back()]);
  }
  std::vector<std::size_t> renumbered(graph.groups, kNone);
  groups = 0;
  for (std::size_t g = 0; g < graph.groups; ++g) {
    if (becomes[g] == g) renumbered[g] = groups++;
  }
  for (std::size_t& group : group_of) {
    if (group != kNone) group = becomes[group] == kNone ? kNone : renumbered[becomes[group]];
  }
  return out;
}

}  // namespace

Clustering cluster(const ClusteringProblem& problem) {
  std::vector<std::size_t> group_of = problem.group_of;
  std::size_t groups = problem.groups;
  Contraction graph = contract(problem, group_of, groups);
  Components components = strongly_connected(graph.successors);
  Clustering out;
  out.cluster_of.assign(problem.groups, kNone);
  out.obstacle.assign(problem.groups, kNone);
  while (components.count < graph.successors.size()) {
    const std::vector<std::size_t> before = group_of;
    const Repair repair = resolve_cycles(graph, components, group_of, groups);
    for (const auto& [group, obstacle] : repair.given_up) {
      for (std::size_t v = 0; v < before.size(); ++v) {
        if (before[v] == group) out.obstacle[problem.group_of[v]] = obstacle;
      }
    }
    graph = contract(problem, group_of, groups);
    components = strongly_connected(graph.successors);
  }

  const std::vector<std::size_t> order = topological_order(components);
  std::vector<std::size_t> level = earliest_levels(graph, order);
  std::size_t levels = 0;
  for (std::size_t g = 0; g < graph.groups; ++g) {
    if (graph.node_of[g] != kNone) levels = std::max(levels, level[g] + 1);  // a group may have no node (any more)
  }
  move_to_consumers(graph, latest_feeders(graph, order, level), levels, level);
  for (std::size_t v = 0; v < group_of.size(); ++v) {
    if (group_of[v] != kNone) out.cluster_of[problem.group_of[v]] = level[group_of[v]];
  }
  out.clusters = levels;
  return out;
}

}  // namespace vaip::partition
