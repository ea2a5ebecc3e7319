// What a clustering of a graph must be, checked the slow and obvious way.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

namespace vaip::test {

using Successors = std::vector<std::vector<std::size_t>>;  // per node

// Whether the graph has no cycle once the nodes of one label are one vertex. Then each label is convex, and no two of
// them need one another's results. Labels are below `labels`.
inline bool acyclic_when_contracted(const Successors& successors, const std::vector<std::size_t>& label,
                                    std::size_t labels) {
  Successors contracted(labels);
  std::vector<std::size_t> waiting_for(labels, 0), ready;
  for (std::size_t v = 0; v < successors.size(); ++v) {
    for (const std::size_t w : successors[v]) {
      if (label[v] == label[w]) continue;
      contracted[label[v]].push_back(label[w]);
      ++waiting_for[label[w]];
    }
  }
  for (std::size_t l = 0; l < labels; ++l) {
    if (waiting_for[l] == 0) ready.push_back(l);
  }
  std::size_t done = 0;
  for (; !ready.empty(); ++done) {
    const std::size_t l = ready.back();
    ready.pop_back();
    for (const std::size_t next : contracted[l]) {
      if (--waiting_for[next] == 0) ready.push_back(next);
    }
  }
  return done == labels;
}

// Whether some two of the labels below `clusters` could be one.
inline bool mergeable(const Successors& successors, const std::vector<std::size_t>& label, std::size_t labels,
                      std::size_t clusters) {
  for (std::size_t a = 0; a < clusters; ++a) {
    for (std::size_t b = a + 1; b < clusters; ++b) {
      std::vector<std::size_t> merged = label;
      std::replace(merged.begin(), merged.end(), b, a);
      if (acyclic_when_contracted(successors, merged, labels)) return true;
    }
  }
  return false;
}

// A random order of the nodes in which edges go forward: order[i] is the node at position i.
inline std::vector<std::size_t> random_topological_order(const Successors& successors, std::mt19937& random) {
  std::vector<std::size_t> waiting_for(successors.size(), 0), ready, order;
  for (const auto& next : successors) {
    for (const std::size_t w : next) ++waiting_for[w];
  }
  for (std::size_t v = 0; v < successors.size(); ++v) {
    if (waiting_for[v] == 0) ready.push_back(v);
  }
  while (!ready.empty()) {
    std::swap(ready[random() % ready.size()], ready.back());
    order.push_back(ready.back());
    ready.pop_back();
    for (const std::size_t w : successors[order.back()]) {
      if (--waiting_for[w] == 0) ready.push_back(w);
    }
  }
  return order;
}

}  // namespace vaip::test
