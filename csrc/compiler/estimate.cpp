#include "compiler/estimate.h"

#include <vector>

#include "base/error.h"

namespace vaip::compiler {

sim::Timing estimate_gemm(const GemmQuery& query, const device::Device& device, const device::Stack& stack) {
  const auto check = [](const char* what, std::int64_t value, std::int64_t lowest, std::int64_t highest) {
    if (value < lowest || value > highest)
      fail(ErrorKind::invalid_argument, "estimate_gemm: ", what, " is ", value, "; expected ", lowest, " to ", highest);
  };
  constexpr std::int64_t kLargest = std::int64_t{1} << 20;  // products of three still fit 64 bits
  check("M", query.M, 0, kLargest);
  check("K", query.K, 0, kLargest);
  check("N", query.N, 0, kLargest);
  if (query.tile) {
    check("tile.m", query.tile->m, 1, kLargest);
    check("tile.k", query.tile->k, 1, kLargest);
    check("tile.n", query.tile->n, 1, kLargest);
  }
  if (query.c_buffers) check("c_buffers", *query.c_buffers, 1, 2);

  const sim::Target target(device, stack);
  const Region region = make_region(target, query.rows, query.columns);
  Contraction problem;
  problem.a = query.a;
  problem.b = query.b;
  problem.c = query.out;
  problem.horizontal = {query.M, query.M, 1, 1};
  problem.channels = query.K;
  problem.n = query.N;
  problem.a_bytes = device::bytes(query.a, query.M * query.K);
  problem.b_bytes = device::bytes(query.b, query.K * query.N);
  problem.c_bytes = device::bytes(query.out, query.M * query.N);
  problem.b_row_major = query.b_layout == GemmQuery::Layout::row;

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
  return sim::simulate(std::vector<sim::LayerProgram>{*std::move(layer)}, target, query.mode);
}

}  // namespace vaip::compiler
