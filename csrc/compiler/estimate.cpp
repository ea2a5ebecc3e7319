#include "compiler/estimate.h"

#include <vector>

#include "base/error.h"
#include "compiler/estimate_elements.h"
#include "compiler/mapping/stream.h"
#include "compiler/query_stack.h"
#include "sim/simulate.h"

namespace vaip::compiler {
namespace {

void check(const GemmQuery& query) {
  const auto range = [](const char* field, std::int64_t value, std::int64_t lowest, std::int64_t highest) {
    check_range("estimate_gemm", field, value, lowest, highest);
  };
  range("M", query.M, 0, kLargestExtent);
  range("K", query.K, 0, kLargestExtent);
  range("N", query.N, 0, kLargestExtent);
  range("batch", query.batch, 1, 1 << 16);
  if (query.tile) {
    range("tile.m", query.tile->m, 1, kLargestExtent);
    range("tile.k", query.tile->k, 1, kLargestExtent);
    range("tile.n", query.tile->n, 1, kLargestExtent);
  }
  if (query.l2_depth) range("l2_depth", *query.l2_depth, 1, kLargestExtent);
  if (query.c_buffers) range("c_buffers", *query.c_buffers, 1, 2);
}

// The program that makes the output of 32-bit sums.
sim::LayerProgram conversion(const GemmQuery& query, const Region& region, const sim::Target& target) {
  ElementStream stream;
  stream.kernel.kind = sim::KernelKind::element;
  stream.kernel.function = sim::Function::requantize;
  stream.kernel.a = device::Format::f32;
  stream.kernel.c = query.out;
  stream.elements = query.batch * query.M * query.N;
  stream.a_bytes = device::bytes(stream.kernel.a, stream.elements);
  stream.c_bytes = device::bytes(stream.kernel.c, stream.elements);
  std::optional<sim::LayerProgram> layer = map_elements(stream, region, target);
  if (!layer)
    fail(ErrorKind::unsupported, "estimate_gemm: no tile of the conversion fits the memories of device '",
         target.device.name, "'");
  layer->op = "Cast";
  layer->name = detail::concat("conversion ", stream.elements);
  return *std::move(layer);
}

}  // namespace

sim::Timing estimate_gemm(const GemmQuery& query, const device::Device& device, const device::Stack& stack) {
  check(query);
  QueryStack adjusted(device, stack);
  adjusted.use_matmul(query.kernel, query.a, query.b);
  if (!query.host_call) adjusted.leave_out_host_call();
  device::Profile::Dataflow& flow = adjusted.profile().dataflow;
  if (query.l2_depth) flow.staged_run_bytes = device::bytes(query.a, *query.l2_depth);
  if (query.partial_sums)
    flow.partial_sum_bytes = *query.partial_sums == query.out ? 0 : device::bytes(*query.partial_sums, 1);

  const bool converts = flow.converts_apart && device::bits(query.out) < device::bits(device::Format::f32);
  const sim::Target target(device, adjusted.get());
  const Region region = make_region(target, query.rows, query.columns);
  Contraction problem;
  problem.a = query.a;
  problem.b = query.b;
  problem.c = query.out;
  problem.batch = query.batch;
  problem.horizontal = {query.M, query.M, 1, 1};
  problem.channels = query.K;
  problem.n = query.N;
  problem.a_bytes = query.batch * device::bytes(query.a, query.M * query.K);
  problem.b_bytes = query.batch * device::bytes(query.b, query.K * query.N);
  if (converts) problem.c = device::Format::f32;
  problem.c_bytes = query.batch * device::bytes(problem.c, query.M * query.N);
  problem.b_row_major = query.b_layout == GemmQuery::Layout::row;
  problem.c_column_major = query.c_layout == GemmQuery::Layout::column;

  std::optional<sim::LayerProgram> layer = map_contraction(problem, region, target, {query.tile, query.c_buffers});
  if (!layer) {
    if (query.tile)
      fail(ErrorKind::unsupported, "estimate_gemm: the tile ", query.tile->m, "x", query.tile->k, "x", query.tile->n,
           " does not fit ", region.core_bytes, " bytes of a core's and ", region.l2_bytes,
           " bytes of the memory tiles' memory of device '", device.name, "'");
    fail(ErrorKind::unsupported, "estimate_gemm: no tiling fits the memories of device '", device.name, "'");
  }
  layer->op = "MatMul";
  layer->name = detail::concat("gemm ", query.M, "x", query.K, "x", query.N);
  std::vector<sim::LayerProgram> program = {*std::move(layer)};
  if (converts) program.push_back(conversion(query, region, target));
  return sim::simulate(program, target, query.mode);
}

double estimate_kernel(const KernelQuery& query, const device::Device& device, const device::Stack& stack) {
  check_range("estimate_kernel", "m", query.m, 1, kLargestExtent);
  check_range("estimate_kernel", "k", query.k, 1, kLargestExtent);
  check_range("estimate_kernel", "n", query.n, 1, kLargestExtent);
  if (query.c_shares_a_bank)
    fail(ErrorKind::unsupported,
         "estimate_kernel: the kernel model does not place buffers in memory banks, so it cannot tell what C in a bank "
         "of A or B costs");
  QueryStack adjusted(device, stack);
  sim::Kernel kernel;
  kernel.a = query.a;
  kernel.b = query.b;
  kernel.c = query.out;
  kernel.m = query.m;
  kernel.k = query.k;
  kernel.n = query.n;
  switch (query.kind) {
    case KernelQuery::Kind::matmul:
      kernel.kind = sim::KernelKind::matmul;
      adjusted.use_matmul(query.kernel, query.a, query.b);
      break;
    case KernelQuery::Kind::convolution:
      kernel.kind = sim::KernelKind::convolution;
      adjusted.use_convolution(query.kernel, query.a, query.b);
      break;
    case KernelQuery::Kind::element:
      kernel.kind = sim::KernelKind::element;
      kernel.function = find_element_op(query.op).function;
      break;
  }
  if (query.accumulates && query.kind != KernelQuery::Kind::element) {
    const std::int64_t of_stack = adjusted.profile().dataflow.partial_sum_bytes;
    kernel.partial_sum_bytes = of_stack > 0 ? of_stack : device::bytes(query.out, 1);
  }
  return sim::KernelModel(kernel, device, adjusted.profile()).cycles(kernel).per_call;
}

}  // namespace vaip::compiler
