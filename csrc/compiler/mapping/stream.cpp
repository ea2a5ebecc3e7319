#include "compiler/mapping/stream.h"

#include <algorithm>

#include "compiler/mapping/candidates.h"

namespace vaip::compiler {
namespace {

struct Share {  // of an operand, per tile of the kernel's elements
  std::int64_t total_bytes, elements;
  std::int64_t of(std::int64_t tile) const {
    return elements == 0 ? 0 : ceil_div(total_bytes * std::min(tile, elements), elements);
  }
};

void set_operand(sim::Operand& operand, device::Format format, std::int64_t tile_bytes, std::int64_t blocks,
                 std::int64_t cores) {
  operand.format = format;
  operand.tile_bytes = tile_bytes;
  operand.tiles = tile_bytes > 0 ? blocks : 0;
  operand.near = {blocks * tile_bytes * cores, cores, tile_bytes, operand.tiles * cores};
}

void set_far(sim::Leg& leg, std::int64_t bytes, std::int64_t channels) {
  leg = {bytes, channels, 0, bytes > 0 ? channels : 0};
}

}  // namespace

std::optional<sim::LayerProgram> map_elements(const ElementStream& p, const Region& region, const sim::Target& target) {
  if (p.elements == 0) return sim::LayerProgram{};
  const device::Device& device = target.device;
  const sim::KernelModel model(p.kernel, device, target.profile);
  const std::int64_t rows_used = target.profile.dataflow.element_rows;
  const std::int64_t rows = rows_used > 0 ? std::min(rows_used, region.rows) : region.rows;
  const std::int64_t most_cores = rows * region.columns;
  const Share a{p.a_bytes, p.elements}, b{p.b_bytes, p.elements}, c{p.c_bytes, p.elements};
  // A stack with one kernel per program gives each operand one channel per column.
  const bool adaptive = target.profile.dataflow.adaptive;
  const std::int64_t shim_in = region.columns * device.shim.channels_in;

  std::optional<sim::LayerProgram> best;
  double best_cycles = 0;
  constexpr std::int64_t kSmallest = 256, kLargest = 1 << 16;
  const std::int64_t row = std::min(p.row, p.elements);
  const std::int64_t smallest = p.tile > 0 ? p.tile : kSmallest, largest = p.tile > 0 ? p.tile : kLargest;
  for (std::int64_t wanted = smallest; wanted <= largest; wanted *= 2) {
    // Whole rows where they are needed together and fit; a longer row goes through the core twice, piece by piece.
    std::int64_t tile = std::min(wanted, p.elements);
    std::int64_t passes = 1;
    if (row > 1) {
      tile = row > tile ? tile : tile / row * row;
      passes = row > tile ? 2 : 1;
    }
    const std::int64_t a_tile = a.of(tile), b_tile = b.of(tile), c_tile = c.of(tile);
    const std::int64_t l1 = 2 * (a_tile + b_tile + c_tile);
    if (l1 > region.core_bytes) break;
    const std::int64_t tiles = ceil_div(p.elements, tile);
    const std::int64_t cores = std::min(tiles, most_cores);
    const std::int64_t l2 = 2 * cores * (a_tile + b_tile + c_tile);
    if (l2 > region.l2_bytes) break;

    sim::LayerProgram layer;
    layer.kernel = p.kernel;
    layer.kernel.m = tile;
    layer.kernel.rows = row > 1 ? std::max<std::int64_t>(1, tile / row) : 0;
    layer.blocks = ceil_div(tiles, cores) * passes;
    layer.steps = 1;
    layer.columns = std::min(region.columns, cores);
    layer.rows = ceil_div(cores, layer.columns);
    layer.l1_bytes = l1;
    layer.l2_bytes = ceil_div(l2, region.columns);
    set_operand(layer.a, p.kernel.a, a_tile, layer.blocks, cores);
    set_operand(layer.b, p.kernel.b, b_tile, layer.blocks, cores);
    set_operand(layer.c, p.kernel.c, c_tile, layer.blocks, cores);
    const std::int64_t b_far = (p.b_bytes - p.b_from_l2) * passes;
    set_far(layer.a.far, (p.a_bytes - p.a_from_l2) * passes,
            b_far > 0  ? shim_in - shim_in / 2
            : adaptive ? shim_in
                       : region.columns);
    set_far(layer.b.far, b_far, std::max<std::int64_t>(1, shim_in / 2));
    set_far(layer.c.far, p.c_in_l2 ? 0 : p.c_bytes,
            adaptive ? region.columns * device.shim.channels_out : region.columns);

    const double cycles = sim::layer_cost(layer, model.cycles(layer.kernel), target).cycles;
    if (!best || cycles < best_cycles) {
      best = layer;
      best_cycles = cycles;
    }
    if (tile == p.elements) break;
  }
  return best;
}

sim::LayerProgram map_movement(const Movement& p, const Region& region, const sim::Target& target) {
  sim::LayerProgram layer;
  if (p.read_bytes == 0 && p.written_bytes == 0) return layer;
  const device::Device& device = target.device;
  layer.kernel.kind = sim::KernelKind::copy;
  layer.kernel.a = layer.kernel.b = layer.kernel.c = p.format;
  layer.columns = region.columns;

  // Through the memory tiles: in on one side, out on the other. What is already there only moves between their
  // channels.
  const std::int64_t half = std::max<std::int64_t>(1, region.l2_bytes / 2);
  layer.a.format = layer.c.format = p.format;
  layer.a.near = {p.read_from_l2, region.columns * device.memory_tile.channels_out, p.read_run_bytes, 0};
  layer.c.near = {p.written_to_l2 ? p.written_bytes : 0, region.columns * device.memory_tile.channels_in,
                  p.written_run_bytes, 0};
  const std::int64_t read = p.read_bytes - p.read_from_l2, written = p.written_to_l2 ? 0 : p.written_bytes;
  const auto far = [&](std::int64_t bytes, std::int64_t channels_per_column, std::int64_t run) {
    const std::int64_t channels = region.columns * channels_per_column;
    return sim::Leg{bytes, channels, run, bytes > 0 ? channels * ceil_div(bytes, half) : 0};
  };
  layer.a.far = far(read, device.shim.channels_in, p.read_run_bytes);
  layer.c.far = far(written, device.shim.channels_out, p.written_run_bytes);
  // In pieces, so that writing starts long before reading ends: a sixteenth of what is in flight each.
  constexpr std::int64_t kPieces = 16;
  const std::int64_t moved = std::max(read, written);
  layer.blocks = ceil_div(moved, std::max<std::int64_t>(1, std::min(half, moved) / kPieces));
  layer.l2_bytes = ceil_div(std::min(half, read) + std::min(half, written), region.columns);
  return layer;
}

}  // namespace vaip::compiler
