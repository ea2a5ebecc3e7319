#include "partition/partition.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "frontend/bf16_rounding.h"
#include "partition/amd_thresholds.h"
#include "partition/clustering.h"
#include "partition/filter.h"

namespace vaip::partition {
namespace {

using frontend::OnnxGraph;
using frontend::Recognition;
using frontend::Unit;

std::vector<std::vector<std::size_t>> successors_of(const OnnxGraph& graph) {
  std::unordered_map<std::string_view, std::size_t> producer;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const std::string& output : graph.nodes[i].outputs) {
      if (!output.empty()) producer.emplace(output, i);
    }
  }
  std::vector<std::vector<std::size_t>> successors(graph.nodes.size());
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const auto connect = [&](const std::string& input) {
      const auto found = producer.find(input);
      if (found == producer.end()) return;
      if (found->second >= i) {
        fail(ErrorKind::invalid_model, "node '", frontend::display_name(graph.nodes[i]), "' reads '", input,
             "' before node '", frontend::display_name(graph.nodes[found->second]),
             "' computes it; the nodes of a graph must be in topological order");
      }
      successors[found->second].push_back(i);
    };
    for (const std::string& input : graph.nodes[i].inputs) connect(input);
    for (const std::string& input : graph.nodes[i].implicit_inputs) connect(input);
  }
  return successors;
}

// Layers on integers or booleans that stand for themselves, with no quantized tensor: masks, indices, sizes. The
// products of dynamic quantization, whose parameters are tensors of their own, are not meant. Floats beside them are
// scaled masks in a quantized model; where floats are converted, they are what the layer computes with.
bool is_plain(const Recognition& recognition, const ir::Layer& layer) {
  const ir::Graph& graph = recognition.graph;
  if (layer.as<ir::DynamicQuantizeAttrs>() || layer.as<ir::IntegerMatMulAttrs>() || layer.as<ir::IntegerConvAttrs>())
    return false;
  if (layer.as<ir::ShapeAttrs>()) return true;  // whatever it reads the shape of
  bool integers = false;
  for (const std::vector<ir::ValueId>* values : {&layer.inputs, &layer.outputs}) {
    for (const ir::ValueId id : *values) {
      if (id == ir::kNoValue) continue;
      const ir::Value& value = graph.value(id);
      if (value.quant) return false;
      if (value.constant) continue;
      const bool is_integer = ir::is_integer(value.dtype) || value.dtype == ir::DType::boolean;
      if (!is_integer && recognition.converts_floats) return false;
      integers = integers || is_integer;
    }
  }
  return integers;
}

// Compute layers are what an NPU is for; conversions and rearrangements come along where they lie between.
bool is_compute(const Recognition& recognition, const ir::Layer& layer) {
  return !is_plain(recognition, layer) && layer.as<ir::QuantizeAttrs>() == nullptr &&
         layer.as<ir::DequantizeAttrs>() == nullptr && layer.as<ir::CastAttrs>() == nullptr &&
         layer.as<ir::RequantizeAttrs>() == nullptr && layer.as<ir::DynamicQuantizeAttrs>() == nullptr &&
         !ir::is_data_movement(layer);
}

// nullopt where a shape is dynamic or unknown.
std::optional<std::int64_t> known_macs(const ir::Graph& graph, const ir::Layer& layer) {
  const auto known = [&](ir::ValueId id) { return id == ir::kNoValue || ir::is_static(graph.value(id).shape); };
  if (!std::all_of(layer.inputs.begin(), layer.inputs.end(), known)) return std::nullopt;
  if (!std::all_of(layer.outputs.begin(), layer.outputs.end(), known)) return std::nullopt;
  return ir::macs(graph, layer);
}

class Partitioner {
 public:
  Partitioner(const OnnxGraph& graph, const Recognition& recognition, const Config& config)
      : graph_(graph), recognition_(recognition), config_(config), reasons_(recognition.reasons) {
    reasons_.resize(graph.nodes.size());
    problem_.successors = successors_of(graph);
  }

  Partition run() {
    make_groups();
    apply_configuration();
    const std::string refusal = refused_as_a_whole();
    if (!refusal.empty()) reject_all(refusal);
    cluster_until_stable();
    const std::string too_many = above_dpu_subgraph_num(clusters_.size(), config_);
    if (!too_many.empty()) {
      reject_all(too_many);
      clusters_.clear();
    }
    return result();
  }

 private:
  struct Candidate {
    std::vector<std::size_t> units;
    std::size_t compute_layers = 0;
    std::int64_t macs = 0;
    bool dynamic = false;
  };

  // Units that share a node (a DequantizeLinear with several consumers) are claimed together or not at all.
  void make_groups() {
    const std::vector<Unit>& units = recognition_.units;
    std::vector<std::size_t> parent(units.size());
    std::iota(parent.begin(), parent.end(), std::size_t{0});
    const auto root = [&parent](std::size_t unit) {
      while (parent[unit] != unit) unit = parent[unit] = parent[parent[unit]];
      return unit;
    };
    std::vector<std::size_t> owner(graph_.nodes.size(), kNone);
    for (std::size_t u = 0; u < units.size(); ++u) {
      for (const std::size_t node : units[u].nodes) {
        if (owner[node] == kNone) owner[node] = u;
        parent[root(u)] = root(owner[node]);
      }
    }
    group_of_unit_.resize(units.size());
    std::unordered_map<std::size_t, std::size_t> number;
    for (std::size_t u = 0; u < units.size(); ++u) {
      group_of_unit_[u] = number.emplace(root(u), number.size()).first->second;
    }
    problem_.groups = number.size();
    problem_.group_of.assign(graph_.nodes.size(), kNone);
    for (std::size_t node = 0; node < graph_.nodes.size(); ++node) {
      if (owner[node] != kNone) problem_.group_of[node] = group_of_unit_[owner[node]];
    }
  }

  const std::string& unit_name(std::size_t unit) const { return recognition_.units[unit].layer.name; }

  // Takes a group's nodes out, each for the reason of its own unit; units that only share a node with a rejected one
  // say so.
  void reject_group(const std::vector<std::size_t>& units, const std::vector<std::string>& reasons) {
    std::size_t culprit = 0;
    while (reasons[culprit].empty()) ++culprit;
    for (std::size_t i = 0; i < units.size(); ++i) {
      const std::string reason = reasons[i].empty()
                                     ? detail::concat("shares nodes with layer '", unit_name(units[culprit]),
                                                      "', which is not claimed: ", reasons[culprit])
                                     : reasons[i];
      for (const std::size_t node : recognition_.units[units[i]].nodes) {
        problem_.group_of[node] = kNone;
        reasons_[node] = reason;
      }
    }
  }

  std::vector<std::vector<std::size_t>> units_by_group() const {
    std::vector<std::vector<std::size_t>> units(problem_.groups);
    for (std::size_t u = 0; u < group_of_unit_.size(); ++u) units[group_of_unit_[u]].push_back(u);
    return units;
  }

  // "" for a unit that may be claimed.
  std::string refusal(const Unit& unit, const std::vector<bool>& trailing) const {
    std::string reason = rejection(graph_, recognition_, unit, config_);
    if (!reason.empty() || !config_.trailing_reshapes_stay) return reason;
    const auto stays =
        std::find_if(unit.nodes.begin(), unit.nodes.end(), [&trailing](std::size_t node) { return trailing[node]; });
    return stays == unit.nodes.end() ? "" : trailing_reshape_reason(graph_.nodes[*stays].op_type);
  }

  void apply_configuration() {
    const std::vector<bool> trailing = trailing_reshapes(graph_);
    for (const std::vector<std::size_t>& units : units_by_group()) {
      std::vector<std::string> reasons;
      for (const std::size_t u : units) {
        reasons.push_back(refusal(recognition_.units[u], trailing));
      }
      const bool rejected = std::any_of(reasons.begin(), reasons.end(), [](const auto& r) { return !r.empty(); });
      if (rejected) reject_group(units, reasons);
    }
  }

  std::string refused_as_a_whole() const {
    if (!config_.quantized_pass) {
      return detail::concat("no pass that offloads is enabled by ", config_.passes_in_use,
                            "; enable one there, such as vaip-pass_level1_dpu");
    }
    return below_minimum_num_of_conv(graph_, config_);
  }

  void reject_nodes_of(std::size_t unit, const std::string& reason) {
    for (const std::size_t node : recognition_.units[unit].nodes) {
      if (problem_.group_of[node] == kNone) continue;
      problem_.group_of[node] = kNone;
      reasons_[node] = reason;
    }
  }

  void reject_all(const std::string& reason) {
    for (std::size_t u = 0; u < recognition_.units.size(); ++u) reject_nodes_of(u, reason);
  }

  bool is_claimed(std::size_t unit) const { return problem_.group_of[recognition_.units[unit].nodes.front()] != kNone; }

  // Masks and indices come along with the layers that use or make them. Where none does, they are the host's business.
  void reject_lone_plain_layers() {
    const std::vector<Unit>& units = recognition_.units;
    const std::vector<std::vector<std::size_t>> neighbours = claimed_neighbours();
    std::vector<bool> reached(units.size(), false);
    std::vector<std::size_t> pending;
    const auto reach = [&](std::size_t unit) {
      if (!reached[unit]) pending.push_back(unit);
      reached[unit] = true;
    };
    for (std::size_t u = 0; u < units.size(); ++u) {
      if (is_claimed(u) && !is_plain(recognition_, units[u].layer)) reach(u);
    }
    while (!pending.empty()) {
      const std::size_t from = pending.back();
      pending.pop_back();
      for (const std::size_t u : neighbours[from]) reach(u);
    }
    for (std::size_t u = 0; u < units.size(); ++u) {
      if (is_claimed(u) && !reached[u])
        reject_nodes_of(u, "works on plain integers only, and no claimed layer makes its inputs or reads its outputs");
    }
  }

  // Per unit: the claimed ones that make its inputs or read its outputs.
  std::vector<std::vector<std::size_t>> claimed_neighbours() const {
    const std::vector<Unit>& units = recognition_.units;
    std::vector<std::vector<std::size_t>> neighbours(units.size());
    std::vector<std::size_t> maker(recognition_.graph.values.size(), kNone);
    for (std::size_t u = 0; u < units.size(); ++u) {
      if (!is_claimed(u)) continue;
      for (const ir::ValueId id : units[u].layer.inputs) {
        if (id == ir::kNoValue || maker[static_cast<std::size_t>(id)] == kNone) continue;
        neighbours[u].push_back(maker[static_cast<std::size_t>(id)]);
        neighbours[maker[static_cast<std::size_t>(id)]].push_back(u);
      }
      for (const ir::ValueId id : units[u].layer.outputs) {
        if (id != ir::kNoValue) maker[static_cast<std::size_t>(id)] = u;
      }
    }
    return neighbours;
  }

  // Without a dropped cluster others may have to be drawn differently: cluster again until none is dropped.
  void cluster_until_stable() {
    for (bool dropped = true; dropped;) {
      dropped = false;
      reject_lone_plain_layers();
      const Clustering clustering = cluster(problem_);
      for (std::size_t u = 0; u < group_of_unit_.size(); ++u) {
        const std::size_t group = group_of_unit_[u];
        if (!is_claimed(u) || clustering.cluster_of[group] != kNone) continue;
        const auto& obstacle = graph_.nodes[clustering.obstacle[group]];
        reject_nodes_of(u, detail::concat("its layer cannot be cut out of the graph: a path leaves it through '",
                                          frontend::display_name(obstacle), "' (", obstacle.op_type,
                                          ") and comes back; with that node claimed it could"));
      }
      clusters_ = candidates(clustering);
      for (const Candidate& candidate : clusters_) {
        const std::string reason = too_small(candidate);
        if (reason.empty()) continue;
        for (const std::size_t u : candidate.units) reject_nodes_of(u, reason);
        dropped = true;
      }
    }
  }

  std::vector<Candidate> candidates(const Clustering& clustering) const {
    std::vector<Candidate> out(clustering.clusters);
    for (std::size_t u = 0; u < group_of_unit_.size(); ++u) {
      if (!is_claimed(u)) continue;
      const ir::Layer& layer = recognition_.units[u].layer;
      Candidate& candidate = out[clustering.cluster_of[group_of_unit_[u]]];
      candidate.units.push_back(u);
      candidate.compute_layers += is_compute(recognition_, layer) ? 1 : 0;
      const auto macs = known_macs(recognition_.graph, layer);
      candidate.macs += macs.value_or(0);
      candidate.dynamic = candidate.dynamic || !macs;
    }
    return out;
  }

  // Why a cluster is not worth a trip to the device, "" when it is.
  std::string too_small(const Candidate& cluster) const {
    const auto layers = static_cast<std::int64_t>(cluster.compute_layers);
    if (layers == 0)
      return "only conversions and data movement here, no compute layer that would be worth the transfer";
    const auto smaller = [this](const char* what, std::int64_t size, const char* key, std::int64_t minimum) {
      return detail::concat("its cluster is smaller (", what, ": ", size, ") than ", config_.source, ": /vaip/", key,
                            " = ", minimum);
    };
    if (layers < config_.minimum_nodes)
      return smaller("compute layers", layers, "minimum_nodes", config_.minimum_nodes);
    if (!cluster.dynamic && cluster.macs < config_.minimum_macs) {
      return smaller("multiply-accumulates", cluster.macs, "minimum_macs", config_.minimum_macs);
    }
    return "";
  }

  Partition result() const {
    Partition out;
    out.converts_floats = recognition_.converts_floats;
    for (const Candidate& candidate : clusters_) {
      Cluster cluster;
      cluster.units = candidate.units.size();
      cluster.macs = candidate.dynamic ? 0 : candidate.macs;
      for (const std::size_t u : candidate.units) {
        const std::vector<std::size_t>& nodes = recognition_.units[u].nodes;
        cluster.nodes.insert(cluster.nodes.end(), nodes.begin(), nodes.end());
      }
      std::sort(cluster.nodes.begin(), cluster.nodes.end());
      cluster.nodes.erase(std::unique(cluster.nodes.begin(), cluster.nodes.end()), cluster.nodes.end());
      out.clusters.push_back(std::move(cluster));
    }
    std::sort(out.clusters.begin(), out.clusters.end(),
              [](const Cluster& a, const Cluster& b) { return a.nodes.front() < b.nodes.front(); });
    for (std::size_t node = 0; node < graph_.nodes.size(); ++node) {
      if (problem_.group_of[node] != kNone) continue;
      out.unclaimed.push_back({node, reasons_[node].empty() ? "not recognised" : reasons_[node]});
    }
    return out;
  }

  const OnnxGraph& graph_;
  const Recognition& recognition_;
  const Config& config_;
  std::vector<std::string> reasons_;  // per node
  ClusteringProblem problem_;
  std::vector<std::size_t> group_of_unit_;
  std::vector<Candidate> clusters_;
};

}  // namespace

bool converts_floats(const OnnxGraph& graph, const Config& config) {
  return config.enable_f32_to_bf16_conversion.value_or(!frontend::is_quantized(graph) &&
                                                       frontend::has_float_weights(graph));
}

bool cluster_converts_floats(const OnnxGraph& cluster, const Config& config) {
  return config.enable_f32_to_bf16_conversion.value_or(!frontend::is_quantized(cluster));
}

Partition partition(const OnnxGraph& graph, const Recognition& recognition, const Config& config) {
  return Partitioner(graph, recognition, config).run();
}

}  // namespace vaip::partition
