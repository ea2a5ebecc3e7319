// One session's execution provider: which nodes it takes, what they are compiled to, and what the session says of it.
#pragma once

#include <atomic>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "ep/cluster_program.h"
#include "ep/compile_cache.h"
#include "ep/options.h"
#include "ep/session_registry.h"
#include "frontend/ort_import.h"
#include "ort/api.h"
#include "ort/logger.h"
#include "partition/config.h"

namespace vaip::ep {

// Errors that the user has to see are kept until onnxruntime asks something whose failure ends the session's creation:
//   CreateEp       failing makes Python's InferenceSession print a line and run the model on the CPU provider
//   GetCapability  failing is logged, and the model runs on the CPU provider
//   Compile, OnSessionInitializationEnd (onnxruntime >= 1.27), OnRunStart   failing reaches the caller
// With session.disable_cpu_ep_fallback onnxruntime ends the session before OnSessionInitializationEnd, with a message
// that names no node. Compile comes earlier, but is called only for a graph of which a node was claimed.
class Provider : public OrtEp {
 public:
  Provider(const OrtSessionOptions& session_options, const OrtLogger* logger);
  ~Provider();
  Provider(const Provider&) = delete;
  Provider& operator=(const Provider&) = delete;

 private:
  void configure(const OrtSessionOptions& session_options);
  void get_capability(const OrtGraph& graph, OrtEpGraphSupportInfo& claims);
  GraphKey key_of(const OrtGraph& graph, const frontend::OnnxGraph& content);
  bool converts_floats(const GraphKey& key, const frontend::OrtImport& import);
  bool claim_clusters(const GraphKey& key, const OrtGraph& graph, const frontend::OrtImport& import,
                      OrtEpGraphSupportInfo& claims);
  bool unfit() const;
  void throw_what_is_unfit(const char* who_wants_all_claimed) const;
  void compile(Span<const OrtGraph* const> graphs, Span<const OrtNode* const> fused, OrtNodeComputeInfo** compiled,
               OrtNode** contexts);
  std::optional<CompileCache> cache_of(const frontend::ContextBinary& cluster);
  void finish_initialization();
  void announce(const report::SessionReport& report) const;
  void write_files() const noexcept;

  const ort::Logger logger_;
  const std::shared_ptr<SessionRecord> record_;
  partition::Config config_;
  std::shared_ptr<const Target> target_;
  ContextOptions context_;
  std::filesystem::path directory_;  // of compiled clusters
  std::size_t cached_clusters_ = 0;
  std::exception_ptr configuration_error_;
  bool converts_floats_ = false;                            // of the model's own graph
  bool judges_before_onnxruntime_ = false;                  // see unfit
  bool ends_at_compile_ = false;                            // the session, for what GetCapability saw last
  std::map<std::string, std::exception_ptr> graph_errors_;  // by GraphKey::name: a later look at the graph replaces it
  std::map<std::string, int> twins_;                        // graphs of the same name so far in this walk, see key_of
  std::mutex finish_mutex_;
  std::atomic<bool> finished_{false};
};

}  // namespace vaip::ep
