#include "ep/session_registry.h"

#include <algorithm>
#include <iterator>

namespace vaip::ep {

void SessionRecord::set_partition(const GraphKey& graph, report::SessionReport partition, bool claimed_before) {
  const std::lock_guard lock(mutex_);
  partition.session_id = id_;
  const auto known = std::find_if(partitions_.begin(), partitions_.end(),
                                  [&](const auto& entry) { return entry.first.name == graph.name; });
  if (known == partitions_.end()) {
    partitions_.emplace_back(graph, std::move(partition));
    return;
  }
  if (claimed_before) {
    std::vector<report::NodeEntry>& before = known->second.nodes;
    std::copy_if(std::make_move_iterator(before.begin()), std::make_move_iterator(before.end()),
                 std::back_inserter(partition.nodes), [](const report::NodeEntry& node) { return node.claimed; });
  }
  known->second = std::move(partition);
}

std::size_t SessionRecord::add_cluster(std::string name) {
  const std::lock_guard lock(mutex_);
  clusters_.push_back({std::move(name), nullptr, 0});
  return clusters_.size() - 1;
}

void SessionRecord::set_program(std::size_t cluster, const std::shared_ptr<const ClusterProgram>& program) noexcept {
  const std::lock_guard lock(mutex_);
  clusters_[cluster].program = program;
}

void SessionRecord::count_program(std::size_t cluster) noexcept {
  const std::lock_guard lock(mutex_);
  ++clusters_[cluster].programs;
}

report::SessionReport SessionRecord::snapshot() const {
  const std::lock_guard lock(mutex_);
  report::SessionReport all;
  for (const auto& [graph, partition] : partitions_) {
    if (!graph.nested) all = partition;
  }
  for (const auto& [graph, partition] : partitions_) {
    if (!graph.nested) continue;
    all.nodes.insert(all.nodes.end(), partition.nodes.begin(), partition.nodes.end());
    all.shapes.insert(all.shapes.end(), partition.shapes.begin(), partition.shapes.end());
  }
  all.session_id = id_;
  all.clusters.clear();
  for (const Cluster& cluster : clusters_) {
    report::ClusterEntry entry;
    entry.name = cluster.name;
    entry.programs = cluster.programs;
    if (cluster.program != nullptr) {
      const ClusterProgram& program = *cluster.program;
      entry.input_shapes = program.input_shapes;
      entry.timing = program.timing;
      entry.compile_ms = program.compile_ms;
      entry.cache = program.cache;
      if (program.executor) report::note_host(*program.executor, entry);
    }
    all.clusters.push_back(std::move(entry));
  }
  return all;
}

SessionRegistry& SessionRegistry::instance() {
  static auto& registry = *new SessionRegistry;
  return registry;
}

std::shared_ptr<SessionRecord> SessionRegistry::open() {
  const std::lock_guard lock(mutex_);
  auto record = std::make_shared<SessionRecord>(++last_id_);
  sessions_.emplace(record->id(), record);
  return record;
}

void SessionRegistry::close(std::uint64_t id) noexcept {
  const std::lock_guard lock(mutex_);
  sessions_.erase(id);
  tags_.erase(id);
}

std::vector<std::uint64_t> SessionRegistry::ids() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::uint64_t> all;
  all.reserve(sessions_.size());
  for (const auto& [id, record] : sessions_) all.push_back(id);
  return all;
}

std::shared_ptr<SessionRecord> SessionRegistry::find(std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  const auto it = sessions_.find(id);
  return it == sessions_.end() ? nullptr : it->second;
}

void SessionRegistry::tag(std::uint64_t id, const std::string& tag) {
  const std::lock_guard lock(mutex_);
  tags_[id] = tag;
}

std::uint64_t SessionRegistry::find_tagged(const std::string& tag) const {
  const std::lock_guard lock(mutex_);
  const auto it = std::find_if(tags_.begin(), tags_.end(), [&](const auto& entry) { return entry.second == tag; });
  return it == tags_.end() ? 0 : it->first;
}

}  // namespace vaip::ep
