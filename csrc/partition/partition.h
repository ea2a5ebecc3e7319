// Which nodes run on the IPU: units filtered by configuration and device capability, grouped into maximal convex
// clusters.
#pragma once

#include <string>
#include <vector>

#include "frontend/onnx_graph.h"
#include "frontend/recognise.h"
#include "partition/config.h"

namespace vaip::partition {

struct Cluster {
  std::vector<std::size_t> nodes;  // indices into OnnxGraph::nodes, ascending
  std::size_t units = 0;
  std::int64_t macs = 0;  // 0 where shapes are dynamic
};

struct Unclaimed {
  std::size_t node = 0;
  std::string reason;
};

struct Partition {
  std::vector<Cluster> clusters;     // in the order of their first node
  std::vector<Unclaimed> unclaimed;  // every other node, ascending
  bool converts_floats = false;      // as the graph was recognised
};

// Whether the float layers of this graph are to be claimed, too: as the configuration says, else where the graph has
// float weights and nothing in it is quantized.
bool converts_floats(const frontend::OnnxGraph& graph, const Config& config);

// The same for a cluster of such a graph, whose weights may be in another one.
bool cluster_converts_floats(const frontend::OnnxGraph& cluster, const Config& config);

// Deterministic. Clusters are convex and free of cycles between them: no path leaves one and comes back.
Partition partition(const frontend::OnnxGraph& graph, const frontend::Recognition& recognition, const Config& config);

}  // namespace vaip::partition
