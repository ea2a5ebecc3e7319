#include "runtime/executor.h"

#include "base/error.h"
#include "kernels/onednn.h"
#include "kernels/team_scope.h"
#include "kernels/weight_store.h"
#include "runtime/arena.h"
#include "runtime/execution_plan.h"
#include "runtime/layer_fusion.h"
#include "runtime/threads.h"

namespace vaip::runtime {

struct Executor::Impl {
  Impl(const ir::Graph& graph, int team, const ExecutorOptions& options)
      : threads(team),
        packed_from(options.packed_from),
        weights(options.weights ? options.weights : make_weight_store()),
        plan(fuse_layers(graph), kernel_options(options), options.copies_constants),
        arenas(plan) {
    weights.free_room();
    for (const ir::ValueId id : graph.inputs) inputs.emplace_back(graph.value(id));
    for (const ir::ValueId id : graph.outputs) outputs.emplace_back(graph.value(id));
    if (!options.profile) return;
    std::vector<StepProfile> steps;
    for (const Step& step : plan.steps())
      steps.push_back({step.name, step.op, step.kernel->implementation(), step.kernel->macs()});
    profile.emplace(std::move(steps));
  }

  kernels::KernelOptions kernel_options(const ExecutorOptions& options) {
    kernels::KernelOptions result;
    result.device_rounding = options.device_rounding;
    result.weights = &weights;
    result.packed_from = packed_from.get();
    result.packed_to = options.packed_to;
    return result;
  }

  // What run() is given a pointer to.
  struct Port {
    explicit Port(const ir::Value& value) : name(value.name), empty(ir::element_count(value.shape) == 0) {}
    std::string name;
    bool empty;
  };
  int threads;
  std::shared_ptr<ArchiveReader> packed_from;  // keeps in memory what kernels read
  kernels::ProgramWeights weights;
  ExecutionPlan plan;
  ArenaPool arenas;
  std::vector<Port> inputs, outputs;
  mutable std::optional<HostProfile> profile;
};

namespace {

// oneDNN blocks its primitives for the team that it finds, so they are made and run with the same one.
template <typename Make>
auto with_team(int threads, const Make& make) {
  const kernels::TeamScope team(threads);
  return make();
}

int team_size(const ExecutorOptions& options) {
  if (options.num_threads < 0)
    fail(ErrorKind::invalid_argument, "num_threads is ", options.num_threads, "; 0 means all physical cores");
  return options.num_threads == 0 ? physical_cores() : options.num_threads;
}

template <typename Pointers, typename Ports>
void check(const char* what, const Pointers& pointers, const Ports& ports) {
  if (pointers.size() != ports.size())
    fail(ErrorKind::invalid_argument, pointers.size(), " ", what, "s were given to a program that has ", ports.size());
  for (std::size_t i = 0; i < ports.size(); ++i)
    if (pointers[i] == nullptr && !ports[i].empty)
      fail(ErrorKind::invalid_argument, "no memory was given for ", what, " '", ports[i].name, "'");
}

}  // namespace

std::shared_ptr<kernels::WeightStore> make_weight_store() { return std::make_shared<kernels::WeightStore>(); }

std::string packing_traits(const ExecutorOptions& options) {
  const auto rounding = options.device_rounding ? kernels::name(*options.device_rounding) : std::string_view("onnx");
  const kernels::CpuTraits cpu = kernels::host_cpu();
  return detail::concat(kernels::onednn_traits(), ", dot products ", cpu.int8_dot_product, cpu.int16_dot_product,
                        cpu.bf16_dot_product, ", threads ", team_size(options), ", rounding ", rounding);
}

Executor::Executor(const ir::Graph& graph, const ExecutorOptions& options) {
  const int threads = team_size(options);
  impl_ = with_team(threads, [&] { return std::make_unique<Impl>(graph, threads, options); });
}

Executor::~Executor() = default;
Executor::Executor(Executor&&) noexcept = default;
Executor& Executor::operator=(Executor&&) noexcept = default;

void Executor::run(Span<const void* const> inputs, Span<void* const> outputs) const {
  check("input", inputs, impl_->inputs);
  check("output", outputs, impl_->outputs);
  const kernels::TeamScope team(impl_->threads);
  const ArenaPool::Lease arena = impl_->arenas.take();
  arena->bind(inputs, outputs);
  if (impl_->profile)
    arena->execute(*impl_->profile);
  else
    arena->execute();
}

const HostProfile* Executor::profile() const { return impl_->profile ? &*impl_->profile : nullptr; }

std::size_t Executor::arena_bytes() const { return impl_->plan.arena_bytes(); }
std::size_t Executor::packed_weight_bytes() const { return impl_->plan.packed_bytes() + impl_->weights.bytes(); }
std::vector<Executor::SharedWeights> Executor::shared_weights() const {
  std::vector<SharedWeights> all;
  for (const auto& weights : impl_->weights.all()) all.push_back({weights, weights->bytes()});
  return all;
}

}  // namespace vaip::runtime
