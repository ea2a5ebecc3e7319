#include "compiler/mapping/window.h"

#include <algorithm>

#include "compiler/mapping/candidates.h"

namespace vaip::compiler {
namespace {

// Channels that are contiguous in memory (YCXC8, mlir-aie ml/bottleneck).
constexpr std::int64_t kChannelBlock = 8;

}  // namespace

std::optional<sim::LayerProgram> map_window(const SlidingWindow& p, const Region& region, const sim::Target& target) {
  std::optional<sim::LayerProgram> best;
  if (p.outputs() == 0) return sim::LayerProgram{};
  const device::Device& device = target.device;
  const sim::KernelModel model(p.kernel, device, target.profile);
  const bool weighted = p.kernel.kind == sim::KernelKind::depthwise;
  const std::int64_t shim_in = region.columns * device.shim.channels_in;
  const std::int64_t shim_out = region.columns * device.shim.channels_out;
  double best_cycles = 0;

  for (const std::int64_t channels : multiples(kChannelBlock, p.channels)) {
    for (const std::int64_t width : equal_parts(p.horizontal.output, kChannelBlock)) {
      for (const std::int64_t height : multiples(1, p.vertical.output)) {
        const std::int64_t patch = p.vertical.under(height) * p.horizontal.under(width);
        const std::int64_t a_tile = device::bytes(p.kernel.a, patch * channels);
        const std::int64_t b_tile = weighted ? device::bytes(p.kernel.b, p.taps * channels) : 0;
        const std::int64_t c_tile = device::bytes(p.kernel.c, height * width * channels);
        const std::int64_t l1 = 2 * (a_tile + b_tile + c_tile);
        if (l1 > region.core_bytes) break;
        const std::int64_t tiles = p.batch * ceil_div(p.channels, channels) * ceil_div(p.vertical.output, height) *
                                   ceil_div(p.horizontal.output, width);
        const std::int64_t cores = std::min(tiles, region.cores());
        const std::int64_t blocks = ceil_div(tiles, cores);
        const std::int64_t l2 = 2 * cores * ((p.a_in_l2 ? 0 : a_tile) + b_tile + (p.c_in_l2 ? 0 : c_tile));
        if (l2 > region.l2_bytes) break;

        sim::LayerProgram layer;
        layer.kernel = p.kernel;
        layer.kernel.m = height * width * channels;
        if (weighted)
          layer.kernel.k = p.taps;
        else
          layer.kernel.work_per_element = p.taps;
        layer.blocks = blocks;
        layer.steps = 1;
        layer.columns = std::min(region.columns, cores);
        layer.rows = ceil_div(cores, layer.columns);
        layer.macs = weighted ? p.outputs() * p.taps : 0;
        layer.l1_bytes = l1;
        layer.l2_bytes = ceil_div(l2, region.columns);
        layer.a.format = p.kernel.a;
        layer.a.tile_bytes = a_tile;
        layer.a.tiles = blocks;
        layer.a.near = {blocks * a_tile * cores, cores, a_tile, blocks * cores};
        layer.a.far = {p.a_in_l2 ? 0 : p.a_bytes, shim_in - (weighted ? region.columns : 0),
                       width == p.horizontal.output
                           ? a_tile
                           : device::bytes(p.kernel.a, p.horizontal.under(width) * kChannelBlock),
                       p.a_in_l2 ? 0 : blocks * region.columns};
        if (weighted) {
          layer.b.format = p.kernel.b;
          layer.b.tile_bytes = b_tile;
          layer.b.tiles = blocks;
          layer.b.near = {blocks * b_tile * cores, cores, b_tile, blocks * cores};
          layer.b.far = {p.b_bytes, region.columns, b_tile, region.columns};
        }
        layer.c.format = p.kernel.c;
        layer.c.tile_bytes = c_tile;
        layer.c.tiles = blocks;
        layer.c.near = {blocks * c_tile * cores, cores, c_tile, blocks * cores};
        layer.c.far = {p.c_in_l2 ? 0 : p.c_bytes, shim_out,
                       width == p.horizontal.output ? c_tile : device::bytes(p.kernel.c, width * kChannelBlock),
                       p.c_in_l2 ? 0 : blocks * region.columns};

        const double cycles = sim::layer_cost(layer, model.cycles(layer.kernel), target).cycles;
        if (best && cycles >= best_cycles) continue;
        best = layer;
        best_cycles = cycles;
      }
    }
  }
  return best;
}

}  // namespace vaip::compiler
