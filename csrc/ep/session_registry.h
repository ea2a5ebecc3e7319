// The sessions alive in this process and what they report: what VaipGetApi hands out.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "ep/cluster_program.h"
#include "report/session_report.h"

namespace vaip::ep {

// One of a model's graphs, across calls.
struct GraphKey {
  std::string name;
  bool nested = false;  // the body of an If, Loop or Scan
};

// One session's state for reports. Thread-safe.
class SessionRecord {
 public:
  explicit SessionRecord(std::uint64_t id) : id_(id) {}
  std::uint64_t id() const noexcept { return id_; }

  // onnxruntime may offer a graph again, with functions inlined or with what we claimed before already fused: the
  // latest partition counts, and `claimed_before` keeps the claimed nodes that the graph no longer shows.
  void set_partition(const GraphKey& graph, report::SessionReport partition, bool claimed_before);

  std::size_t add_cluster(std::string name);
  // The program that the cluster compiled or ran last. Allocates nothing.
  void set_program(std::size_t cluster, const std::shared_ptr<const ClusterProgram>& program) noexcept;
  void count_program(std::size_t cluster) noexcept;

  report::SessionReport snapshot() const;

 private:
  struct Cluster {
    std::string name;
    std::shared_ptr<const ClusterProgram> program;
    int programs = 0;
  };
  const std::uint64_t id_;
  mutable std::mutex mutex_;
  std::vector<std::pair<GraphKey, report::SessionReport>> partitions_;
  std::vector<Cluster> clusters_;
};

class SessionRegistry {
 public:
  // Never destroyed: sessions may end after the static objects of this library would.
  static SessionRegistry& instance();

  std::shared_ptr<SessionRecord> open();
  void close(std::uint64_t id) noexcept;
  std::vector<std::uint64_t> ids() const;  // oldest first
  std::shared_ptr<SessionRecord> find(std::uint64_t id) const;

  // A name that the session's creator chose, to find it by.
  void tag(std::uint64_t id, const std::string& tag);
  std::uint64_t find_tagged(const std::string& tag) const;  // 0: no such session is alive

 private:
  mutable std::mutex mutex_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, std::shared_ptr<SessionRecord>> sessions_;
  std::map<std::uint64_t, std::string> tags_;  // of the sessions that have one
};

}  // namespace vaip::ep
