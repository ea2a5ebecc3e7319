#include "ep/provider.h"

#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

#include "base/error.h"
#include "ep/compiled_node.h"
#include "ep/ep_context.h"
#include "ep/factory.h"
#include "ep/options.h"
#include "ep/profiler.h"
#include "ep/session_files.h"
#include "frontend/ort_import.h"
#include "frontend/recognise.h"
#include "ort/status.h"
#include "partition/device_choice.h"
#include "partition/partition.h"
#include "report/unclaimed.h"

namespace vaip::ep {
namespace {

std::string model_path(const OrtGraph& graph) {
  const char* path = nullptr;
  ort::check(ort::api().Graph_GetModelPath(&graph, &path));
  return path != nullptr ? path : "";
}

// What importing, mapping and packing allocated and freed. The C library would keep it for later, while a simulation
// needs its arena and nothing else.
void give_memory_back() {
#if defined(__GLIBC__)
  ::malloc_trim(0);
#endif
}

std::string node_name(const OrtNode& node) {
  const char* name = nullptr;
  ort::check(ort::api().Node_GetName(&node, &name));
  return name != nullptr ? name : "";
}

void fuse(OrtEpGraphSupportInfo& claims, const std::vector<const OrtNode*>& nodes) {
  OrtNodeFusionOptions options{};
  options.ort_version_supported = ort::kStructVersion;
  options.drop_constant_initializers = true;  // Compile copies what it needs
  ort::check(ort::ep_api().EpGraphSupportInfo_AddNodesToFuse(&claims, nodes.data(), nodes.size(), &options));
}

// Whether what this provider claimed in an earlier call is fused in the graph by now.
bool claimed_before(const frontend::OrtImport& import) {
  return std::find(import.providers.begin(), import.providers.end(), kProviderName) != import.providers.end();
}

// A node that is fused already stands for nodes that the session's record has from an earlier call.
void drop_own_fused_nodes(const frontend::OrtImport& import, report::SessionReport& report) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < report.nodes.size(); ++i) {
    if (import.providers[i] == kProviderName) continue;
    if (kept != i) report.nodes[kept] = std::move(report.nodes[i]);
    ++kept;
  }
  report.nodes.resize(kept);
}

// A context stands for nodes that were claimed when it was made: each is a cluster of its own.
void claim_contexts(const frontend::OnnxGraph& graph, partition::Partition& partition) {
  const auto own = [&](const partition::Unclaimed& node) { return is_own_context(graph.nodes[node.node]); };
  for (const partition::Unclaimed& unclaimed : partition.unclaimed)
    if (own(unclaimed)) partition.clusters.push_back({{unclaimed.node}, 1, 0});
  partition.unclaimed.erase(std::remove_if(partition.unclaimed.begin(), partition.unclaimed.end(), own),
                            partition.unclaimed.end());
}

// A context of a cluster whose float layers had been converted says so: it was claimed as such.
constexpr const char* kConversion = "bf16_conversion";

struct ClusterContent {
  frontend::ContextBinary cluster;
  std::shared_ptr<const void> lender;  // owns constants that are onnxruntime's; null: there are none
};

// The nodes of a fused graph: what they are, or what a context says that they were.
ClusterContent cluster_content(const OrtGraph& graph, const partition::Config& config) {
  frontend::OrtImport import = frontend::import_graph(graph);
  if (import.graph.nodes.size() == 1 && is_own_context(import.graph.nodes[0]))
    return {read_context(import.graph.nodes[0], model_path(graph)), nullptr};
  ClusterContent content{{std::move(import.graph), {}}, std::move(import.lender)};
  if (partition::cluster_converts_floats(content.cluster.graph, config)) content.cluster.properties[kConversion] = "1";
  return content;
}

// One claimed node makes onnxruntime call Compile. Not one that may be a function's call: onnxruntime would not inline
// it.
void claim_any_node(const frontend::OrtImport& import, OrtEpGraphSupportInfo& claims) {
  for (std::size_t i = 0; i < import.nodes.size(); ++i) {
    const frontend::Node& node = import.graph.nodes[i];
    const bool standard = node.domain.empty() || node.domain == "com.microsoft";
    if (standard && import.providers[i].empty() && !node.has_subgraph) return fuse(claims, {import.nodes[i]});
  }
}

constexpr std::size_t kLinesOfAnError = 40, kLinesOfASummary = 3;  // then nodes of one reason share a line
constexpr const char* kFallbackIsError = "\"fallback\" is \"error\"";
constexpr const char* kCpuFallbackDisabled = "the session option session.disable_cpu_ep_fallback is 1";

Target make_target(const partition::Config& config) {
  Target target;
  target.device = partition::device_of(config);
  target.stack = partition::stack_of(config, *target.device);
  target.rows = config.rows;
  target.columns = config.columns;
  target.mode = config.mode;
  target.executor.num_threads = config.num_threads;
  target.executor.profile = config.host_profile;
  target.executor.device_rounding = config.device_rounding();
  target.executor.weights = runtime::make_weight_store();
  target.executor.copies_constants = true;
  return target;
}

}  // namespace

Provider::Provider(const OrtSessionOptions& session_options, const OrtLogger* logger)
    : OrtEp{}, logger_(logger), record_(SessionRegistry::instance().open()) {
  ort_version_supported = ort::kStructVersion;
  GetName = [](const OrtEp*) noexcept { return kProviderName; };
  GetCapability = [](OrtEp* self, const OrtGraph* graph, OrtEpGraphSupportInfo* claims) noexcept {
    return ort::guard([&] { static_cast<Provider*>(self)->get_capability(*graph, *claims); });
  };
  Compile = [](OrtEp* self, const OrtGraph** graphs, const OrtNode** fused, size_t count, OrtNodeComputeInfo** compiled,
               OrtNode** contexts) noexcept {
    return ort::guard(
        [&] { static_cast<Provider*>(self)->compile({graphs, count}, {fused, count}, compiled, contexts); });
  };
  ReleaseNodeComputeInfos = [](OrtEp*, OrtNodeComputeInfo** compiled, size_t count) noexcept {
    for (size_t i = 0; i < count; ++i) delete static_cast<CompiledNode*>(compiled[i]);
  };
  OnRunStart = [](OrtEp* self, const OrtRunOptions*) noexcept -> OrtStatus* {
    auto& provider = *static_cast<Provider*>(self);
    if (provider.finished_.load(std::memory_order_acquire)) return nullptr;
    return ort::guard([&] { provider.finish_initialization(); });  // before 1.27: see OnSessionInitializationEnd
  };
  OnSessionInitializationEnd = [](OrtEp* self) noexcept {
    return ort::guard([&] { static_cast<Provider*>(self)->finish_initialization(); });
  };
  CreateProfiler = [](OrtEp*, OrtEpProfilerImpl** profiler) noexcept {
    return ort::guard([&] { *profiler = std::make_unique<Profiler>().release(); });
  };
  try {
    configure(session_options);
  } catch (...) {
    configuration_error_ = std::current_exception();
  }
}

Provider::~Provider() {
  // Dynamic clusters have met their shapes since the reports were first written.
  if (finished_ && configuration_error_ == nullptr) write_files();
  SessionRegistry::instance().close(record_->id());
}

void Provider::configure(const OrtSessionOptions& session_options) {
  const ProviderOptions options = read_options(session_options);
  if (!options.session_tag.empty()) SessionRegistry::instance().tag(record_->id(), options.session_tag);
  config_ = partition::resolve_config(options.entries);
  if (config_.num_threads == 0) config_.num_threads = options.intra_op_threads;
  for (const std::string& warning : config_.warnings) logger_.warning("VitisAIEP: " + warning);
  judges_before_onnxruntime_ =
      options.cpu_fallback_disabled && !options.functions_inlined_late && config_.fallback != partition::Fallback::warn;
  target_ = std::make_shared<const Target>(make_target(config_));
  context_ = options.context;
  if (context_.make && !config_.encryption_key.empty()) {
    fail(ErrorKind::unsupported,
         "VitisAIEP does not encrypt EPContext models: unset encryption_key or the session option ep.context_enable");
  }
}

// onnxruntime walks all graphs of a model, nested ones first, and may do so more than once; the OrtGraph objects differ
// each time. A graph is known by what its node and itself yield; branches that yield the same, by their order in the
// walk.
GraphKey Provider::key_of(const OrtGraph& graph, const frontend::OnnxGraph& content) {
  GraphKey key;
  const OrtNode* parent = nullptr;
  ort::check(ort::api().Graph_GetParentNode(&graph, &parent));
  if (parent != nullptr) {
    key.nested = true;
    for (const std::string& output : frontend::output_names(*parent)) key.name += output + "<";
  }
  for (const std::string& output : content.outputs) key.name += output + ">";
  key.name += std::to_string(twins_[key.name]++);
  if (!key.nested) twins_.clear();  // the walk ends with the model's own graph
  return key;
}

void Provider::get_capability(const OrtGraph& graph, OrtEpGraphSupportInfo& claims) {
  const frontend::OrtImport import = frontend::import_graph(graph);
  ends_at_compile_ = configuration_error_ != nullptr;
  if (ends_at_compile_) return claim_any_node(import, claims);
  const GraphKey key = key_of(graph, import.graph);
  graph_errors_.erase(key.name);
  bool claimed = false;
  try {
    claimed = claim_clusters(key, graph, import, claims);
  } catch (const std::exception& error) {
    graph_errors_[key.name] = std::current_exception();
    logger_.error(std::string("VitisAIEP: ") + error.what());
  }
  ends_at_compile_ = judges_before_onnxruntime_ && !key.nested && unfit();
  if (ends_at_compile_ && !claimed) claim_any_node(import, claims);
}

// Unless the options say, the model as it was offered first decides: what is quantized may be claimed and out of sight
// by the next time, and the body of a control-flow node shows a part only.
bool Provider::converts_floats(const GraphKey& key, const frontend::OrtImport& import) {
  if (key.nested) return config_.enable_f32_to_bf16_conversion.value_or(false);
  if (!claimed_before(import)) converts_floats_ = partition::converts_floats(import.graph, config_);
  return converts_floats_;
}

// Whether any cluster was.
bool Provider::claim_clusters(const GraphKey& key, const OrtGraph& graph, const frontend::OrtImport& import,
                              OrtEpGraphSupportInfo& claims) {
  const frontend::Recognition recognition =
      frontend::recognise(import.graph, {frontend::Malformed::reason, converts_floats(key, import)});
  partition::Partition partition = partition::partition(import.graph, recognition, config_);
  claim_contexts(import.graph, partition);
  report::SessionReport report = report::start_report(import.graph, partition, config_);
  report.model = model_path(graph);
  drop_own_fused_nodes(import, report);
  record_->set_partition(key, std::move(report), claimed_before(import));
  for (const partition::Cluster& cluster : partition.clusters) {
    std::vector<const OrtNode*> nodes;
    nodes.reserve(cluster.nodes.size());
    for (const std::size_t index : cluster.nodes) nodes.push_back(import.nodes[index]);
    fuse(claims, nodes);
  }
  return !partition.clusters.empty();
}

// Whether a session that must not leave a node to another provider has to end. With session.disable_cpu_ep_fallback
// onnxruntime would end it too, but tell no reasons; "fallback": "warn" leaves the judgement to it, which further
// providers need: only onnxruntime knows what they take.
bool Provider::unfit() const { return !graph_errors_.empty() || report::count_unclaimed(record_->snapshot()) > 0; }

void Provider::throw_what_is_unfit(const char* who_wants_all_claimed) const {
  if (configuration_error_ != nullptr) std::rethrow_exception(configuration_error_);
  if (!graph_errors_.empty()) std::rethrow_exception(graph_errors_.begin()->second);
  if (config_.fallback == partition::Fallback::error) who_wants_all_claimed = kFallbackIsError;
  if (who_wants_all_claimed == nullptr) return;
  const report::SessionReport report = record_->snapshot();
  const std::size_t unclaimed = report::count_unclaimed(report);
  if (unclaimed == 0) return;
  write_files();
  const bool shortened = unclaimed > kLinesOfAnError && config_.report_file.empty();
  fail(ErrorKind::unsupported, "VitisAIEP does not claim ", unclaimed, " of ", report.nodes.size(), " nodes, and ",
       who_wants_all_claimed, ":", report::list_unclaimed(report, kLinesOfAnError),
       shortened ? "\n(the option \"report_file\" names a file for the whole list)" : "");
}

void Provider::compile(Span<const OrtGraph* const> graphs, Span<const OrtNode* const> fused,
                       OrtNodeComputeInfo** compiled, OrtNode** contexts) {
  if (ends_at_compile_) throw_what_is_unfit(kCpuFallbackDisabled);
  std::vector<std::unique_ptr<CompiledNode>> nodes;
  std::vector<ort::Node> context_nodes;
  for (std::size_t i = 0; i < graphs.size(); ++i) {
    auto [cluster, lender] = cluster_content(*graphs[i], config_);
    const std::string name = node_name(*fused[i]);
    const std::vector<std::string> inputs = frontend::input_names(*fused[i]);
    const std::vector<std::string> outputs = frontend::output_names(*fused[i]);
    ir::Graph graph = frontend::lower(cluster.graph, cluster.properties.count(kConversion) != 0);
    const auto make_cache = [this, &content = cluster] { return cache_of(content); };
    nodes.push_back(
        std::make_unique<CompiledNode>(name, std::move(graph), inputs, outputs, target_, record_, lender, make_cache));
    if (context_.make) {
      context_nodes.push_back(
          make_context_node(name, inputs, outputs, std::move(cluster), context_, model_path(*graphs[i])));
    }
  }
  for (std::size_t i = 0; i < nodes.size(); ++i) compiled[i] = nodes[i].release();
  for (std::size_t i = 0; i < context_nodes.size(); ++i) contexts[i] = context_nodes[i].release();
}

// By its place among the clusters: a session that compiles something else in the same directory replaces the file.
std::optional<CompileCache> Provider::cache_of(const frontend::ContextBinary& cluster) {
  if (config_.cache_dir.empty() || !config_.encryption_key.empty()) return std::nullopt;
  if (cached_clusters_ == 0) directory_ = session_directory(config_, record_->snapshot());
  const std::string name = detail::concat("compiled_cluster_", cached_clusters_++, ".vaip");
  return CompileCache((directory_ / name).string(), compile_key(cluster, *target_),
                      [this](const std::string& message) { logger_.warning("VitisAIEP: " + message); });
}

void Provider::finish_initialization() {
  const std::lock_guard lock(finish_mutex_);
  if (finished_) return;
  throw_what_is_unfit(nullptr);
  const report::SessionReport report = record_->snapshot();
  announce(report);
  write_session_files(config_, report, logger_);
  give_memory_back();
  finished_.store(true, std::memory_order_release);
}

void Provider::announce(const report::SessionReport& report) const {
  const std::string lines = report::console_lines(report);
  if (config_.log_level == "info" || config_.log_level == "debug") {
    std::fputs(lines.c_str(), stdout);  // where AMD's provider prints them
    std::fflush(stdout);
  } else {
    logger_.info(lines.substr(0, lines.find_last_not_of('\n') + 1));
  }
  const std::size_t unclaimed = report::count_unclaimed(report);
  if (unclaimed == 0) return;
  const std::string model = report.model.empty() ? "the model" : report.model;
  const std::string claimed =
      unclaimed == report.nodes.size()
          ? "VitisAIEP claims no node of " + model + ": other execution providers run all of it. Why:"
          : detail::concat("VitisAIEP leaves ", unclaimed, " of the ", report.nodes.size(), " nodes of ", model,
                           " to other execution providers. Why:");
  const bool all = config_.fallback == partition::Fallback::warn;
  logger_.warning(claimed + report::list_unclaimed(report, all ? kLinesOfAnError : kLinesOfASummary));
}

void Provider::write_files() const noexcept {
  try {
    write_session_files(config_, record_->snapshot(), logger_);
  } catch (const std::exception& error) {
    logger_.error(std::string("VitisAIEP: the session's reports were not updated: ") + error.what());
  }
}

}  // namespace vaip::ep
