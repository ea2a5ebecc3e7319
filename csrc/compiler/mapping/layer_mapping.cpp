#include "compiler/mapping/layer_mapping.h"

#include <optional>
#include <utility>

#include "base/error.h"
#include "compiler/mapping/candidates.h"
#include "compiler/mapping/problem.h"

namespace vaip::compiler {
namespace {

using Key = MappingKey;

template <typename... Parts>
Key key(Parts... parts) {
  return {static_cast<std::int64_t>(parts)...};
}

void append(Key& to, const WindowAxis& axis) {
  to.insert(to.end(), {axis.input, axis.output, axis.stride, axis.extent});
}

// Maps a problem; its key holds everything that the mapping depends on.
struct Solver {
  const Region& region;
  const sim::Target& target;

  std::optional<sim::LayerProgram> operator()(const Nothing&) const { return sim::LayerProgram{}; }
  std::optional<sim::LayerProgram> operator()(const HostWork& work) const {
    sim::LayerProgram layer;
    layer.kernel.kind = sim::KernelKind::host;
    layer.host_elements = work.elements;
    return layer;
  }
  std::optional<sim::LayerProgram> operator()(const Contraction& p) const { return map_contraction(p, region, target); }
  std::optional<sim::LayerProgram> operator()(const SlidingWindow& p) const { return map_window(p, region, target); }
  std::optional<sim::LayerProgram> operator()(const ElementStream& p) const { return map_elements(p, region, target); }
  std::optional<sim::LayerProgram> operator()(const Movement& p) const { return map_movement(p, region, target); }
};

struct Keys {
  Key operator()(const Nothing&) const { return {}; }
  Key operator()(const HostWork& p) const { return {p.elements}; }
  Key operator()(const Contraction& p) const {
    Key result = key(p.kind, p.a, p.b, p.c, p.batch, p.images, p.window, p.channels, p.n, p.a_bytes, p.b_bytes,
                     p.c_bytes, p.a_in_l2, p.b_in_l2, p.c_in_l2, p.b_row_major, p.c_column_major, p.nonlinear_epilogue);
    append(result, p.vertical);
    append(result, p.horizontal);
    return result;
  }
  Key operator()(const SlidingWindow& p) const {
    Key result = kernel(p.kernel);
    const Key sizes = key(p.batch, p.channels, p.taps, p.a_bytes, p.b_bytes, p.c_bytes, p.a_in_l2, p.c_in_l2);
    result.insert(result.end(), sizes.begin(), sizes.end());
    append(result, p.vertical);
    append(result, p.horizontal);
    return result;
  }
  Key operator()(const ElementStream& p) const {
    Key result = kernel(p.kernel);
    const Key sizes = key(p.elements, p.row, p.a_bytes, p.b_bytes, p.c_bytes, p.a_from_l2, p.b_from_l2, p.c_in_l2);
    result.insert(result.end(), sizes.begin(), sizes.end());
    return result;
  }
  Key operator()(const Movement& p) const {
    return key(p.format, p.read_bytes, p.written_bytes, p.read_from_l2, p.read_run_bytes, p.written_run_bytes,
               p.written_to_l2);
  }

  static Key kernel(const sim::Kernel& k) {
    return key(k.kind, k.function, k.a, k.b, k.c, k.work_per_element, k.nonlinear_epilogue);
  }
};

std::string describe(const ir::Graph& graph, const ir::Layer& layer) {
  std::string text = layer.op + " `" + layer.name + "` (";
  for (std::size_t i = 0; i < layer.inputs.size(); ++i) {
    if (i > 0) text += ", ";
    if (layer.inputs[i] == ir::kNoValue) continue;
    const ir::Value& value = graph.value(layer.inputs[i]);
    text.append(ir::name(value.dtype)).append(" ").append(ir::to_string(value.shape));
  }
  return text + ")";
}

}  // namespace

sim::LayerProgram LayerMapper::map(std::size_t index) {
  const ir::Layer& layer = graph_.layers[index];
  Region region = region_;
  region.l2_bytes -= plan_.resident_bytes[index];
  try {
    const Problem problem = make_problem(graph_, layer, plan_);
    Key problem_key = std::visit(Keys{}, problem);
    problem_key.push_back(static_cast<std::int64_t>(problem.index()));
    problem_key.push_back(region.l2_bytes);
    std::optional<sim::LayerProgram> mapped = cache_.find(problem_key);
    if (!mapped) {
      mapped = std::visit(Solver{region, target_}, problem);
      if (!mapped)
        fail(ErrorKind::unsupported, "no tiling fits ", region.core_bytes, " bytes of a core's and ", region.l2_bytes,
             " bytes of the memory tiles' memory; exclude the node or use a device with more memory");
      cache_.insert(problem_key, *mapped);
    }
    sim::LayerProgram program = *std::move(mapped);
    program.name = layer.name;
    program.op = layer.op;
    program.dtype = ir::name(graph_.value(layer.outputs[0]).dtype);
    program.nodes = layer.onnx_nodes;
    program.l2_bytes += ceil_div(plan_.resident_bytes[index], region.columns);
    return program;
  } catch (const Error& error) {
    fail(error.kind(), describe(graph_, layer), " cannot be mapped on device '", target_.device.name,
         "': ", error.what());
  }
}

}  // namespace vaip::compiler
