#include "compiler/estimate_elements.h"

#include "base/error.h"
#include "base/nearest.h"
#include "compiler/mapping/candidates.h"
#include "compiler/mapping/stream.h"
#include "compiler/query_stack.h"
#include "sim/simulate.h"

namespace vaip::compiler {

// Which kernel an operator runs as. Where the library has no row of its own for one, the nearest stands for it.
const std::vector<ElementOp>& element_ops() {
  using F = sim::Function;
  static const std::vector<ElementOp> ops = {
      {"add", F::add, 2},
      {"sub", F::add, 2},
      {"mul", F::multiply, 2},
      {"div", F::divide, 2},
      {"relu", F::relu},
      {"gelu", F::gelu},
      {"silu", F::silu},
      {"sigmoid", F::nonlinear},
      {"tanh", F::nonlinear},
      {"exp", F::nonlinear},
      {"silu_mul", F::silu_multiply, 2},
      {"gelu_mul", F::silu_multiply, 2},
      {"rope", F::rope, 2, true},  // the second stream: sines and cosines
      {"rmsnorm", F::rms_norm, 1, true},
      {"layernorm", F::layer_norm, 1, true},
      {"groupnorm", F::group_norm, 1, true},
      {"matvec", F::matvec, 1, true},  // elements are the matrix's; the vector stays in the core
      {"softmax", F::softmax, 1, true},
      {"cast", F::requantize},
      {"memcpy", F::add, 0},
  };
  return ops;
}

const ElementOp& find_element_op(const std::string& name) {
  std::vector<std::string> known;
  for (const ElementOp& op : element_ops()) {
    if (op.name == name) return op;
    known.emplace_back(op.name);
  }
  fail(ErrorKind::invalid_argument, "unknown element-wise operator '", name, "'", did_you_mean(name, known),
       "; known: ", join(known));
}

sim::Timing estimate_elements(const ElementQuery& query, const device::Device& device, const device::Stack& stack) {
  constexpr std::int64_t kMostElements = std::int64_t{1} << 40;
  check_range("estimate_elements", "elements", query.elements, 0, kMostElements);
  check_range("estimate_elements", "row", query.row, 0, kMostElements);
  if (query.tile) check_range("estimate_elements", "tile", *query.tile, 1, kLargestExtent);
  const ElementOp& op = find_element_op(query.op);
  QueryStack adjusted(device, stack);
  if (query.rows) adjusted.profile().dataflow.element_rows = *query.rows;
  if (!query.host_call) adjusted.leave_out_host_call();
  const sim::Target target(device, adjusted.get());
  const Region region = make_region(target, query.rows, query.columns);

  sim::LayerProgram layer;
  if (op.streams == 0) {
    Movement move;
    move.format = query.a;
    move.read_bytes = device::bytes(query.a, query.elements);
    move.written_bytes = device::bytes(query.out, query.elements);
    layer = map_movement(move, region, target);
  } else {
    ElementStream stream;
    stream.kernel.kind = sim::KernelKind::element;
    stream.kernel.function = op.function;
    stream.kernel.a = query.a;
    stream.kernel.b = query.b;
    stream.kernel.c = query.out;
    stream.elements = query.elements;
    if (op.row_wise) stream.row = query.row > 0 ? query.row : query.elements;
    stream.a_bytes = device::bytes(query.a, query.elements);
    stream.b_bytes = device::bytes(query.b, (op.streams - 1) * query.elements);
    const bool reduces = op.function == sim::Function::matvec;  // each row to one number
    stream.c_bytes = device::bytes(query.out, reduces ? ceil_div(query.elements, stream.row) : query.elements);
    stream.tile = query.tile.value_or(0);
    std::optional<sim::LayerProgram> mapped = map_elements(stream, region, target);
    if (!mapped)
      fail(ErrorKind::unsupported, "estimate_elements: ", query.op, " on ", query.elements,
           " elements: ", query.tile ? "the tile does not fit" : "no tile fits", " the memories of device '",
           device.name, "'");
    layer = *std::move(mapped);
  }
  layer.op = query.op;
  layer.name = detail::concat(query.op, " ", query.elements);
  return sim::simulate(std::vector<sim::LayerProgram>{std::move(layer)}, target, query.mode);
}

}  // namespace vaip::compiler
