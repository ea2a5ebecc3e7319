// A fused node of the session's graph: a cluster behind onnxruntime's compute callbacks.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ep/cluster_program.h"
#include "ep/compile_cache.h"
#include "ep/session_registry.h"
#include "ir/graph.h"
#include "ort/api.h"

namespace vaip::ep {

class CompiledNode : public OrtNodeComputeInfo {
 public:
  // Makes the cache of a cluster; asked once, where shapes are static.
  using MakeCache = std::function<std::optional<CompileCache>()>;

  // inputs, outputs: the fused node's value names, in the order in which onnxruntime passes them.
  // Compiles at once when the shapes are static, else when a shape is first met. The graph's constants that `lender`
  // owns are copied, as far as they are needed later; null: it owns none.
  CompiledNode(std::string name, ir::Graph graph, const std::vector<std::string>& inputs,
               const std::vector<std::string>& outputs, std::shared_ptr<const Target> target,
               std::shared_ptr<SessionRecord> record, const std::shared_ptr<const void>& lender = nullptr,
               const MakeCache& make_cache = {});

  // Thread-safe; allocates nothing of its own once the thread has run it and the shapes are known.
  void compute(OrtKernelContext& context);

 private:
  struct Port {
    std::string name;
    ir::DType dtype;
    ir::Shape shape;
    std::size_t index;      // among the fused node's inputs or outputs
    bool contents = false;  // shapes are computed from its elements
  };
  static std::vector<Port> ports(const ir::Graph& graph, const std::vector<ir::ValueId>& values,
                                 const std::vector<std::string>& fused, const std::string& node);

  static std::vector<Port> input_ports(const ir::Graph& graph, const std::vector<std::string>& fused,
                                       const std::string& node);

  std::shared_ptr<const ClusterProgram> compile(const BoundInputs& inputs, const CompileCache* cache = nullptr);
  BoundInputs inputs_of_key(Span<const std::int64_t> key) const;
  std::shared_ptr<const ClusterProgram> program_for(Span<const std::int64_t> key);
  void read_input(OrtKernelContext& context, const Port& port, std::vector<std::int64_t>& key,
                  std::vector<const void*>& pointers) const;
  void note_use(const std::shared_ptr<const ClusterProgram>& program) noexcept;

  const std::string name_;
  const std::vector<Port> inputs_, outputs_;
  const std::shared_ptr<const Target> target_;
  const std::shared_ptr<SessionRecord> record_;
  const std::size_t cluster_;
  ir::Graph graph_;  // empty once a static program is made of it: the executor has packed its constants
  std::shared_ptr<const ClusterProgram> static_program_;
  ProgramCache programs_;
  std::atomic<const ClusterProgram*> last_used_{nullptr};
};

}  // namespace vaip::ep
