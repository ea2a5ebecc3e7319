// Compiled clusters in files, for sessions of later processes: the option cache_dir.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/archive.h"
#include "ep/cluster_program.h"
#include "frontend/context_binary.h"

namespace vaip::ep {

// Of everything that compiling a cluster depends on: its nodes and constants, the target, VAIP, oneDNN and the CPU.
ArchiveKey compile_key(const frontend::ContextBinary& cluster, const Target& target);

// The file of one cluster. What is wrong with it is a warning, never an error: the cluster is compiled anew then, and
// the file replaced.
class CompileCache {
 public:
  using Warn = std::function<void(const std::string& message)>;
  CompileCache(std::string path, const ArchiveKey& key, Warn warn)
      : path_(std::move(path)), key_(key), warn_(std::move(warn)) {}

  // Timing and executor of a graph whose shapes are bound; false, and nothing is changed, where there are none.
  bool load(const ir::Graph& graph, const Target& target, ClusterProgram& program) const;
  // Timing, then what the executor has packed.
  void store(const ArchiveWriter& program) const;

 private:
  std::string path_;
  ArchiveKey key_;
  Warn warn_;
};

}  // namespace vaip::ep
