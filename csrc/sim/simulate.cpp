#include "sim/simulate.h"

#include <algorithm>
#include <cmath>

namespace vaip::sim {
namespace {

double per(std::int64_t amount, std::int64_t parts) {
  return static_cast<double>(amount) / static_cast<double>(std::max<std::int64_t>(parts, 1));
}

// Contiguous pieces of a far leg; a leg without run length is one piece per descriptor.
double runs_of(const Leg& leg) {
  return static_cast<double>(leg.run_bytes > 0 ? (leg.bytes + leg.run_bytes - 1) / leg.run_bytes
                                               : std::max<std::int64_t>(leg.descriptors, 1));
}

// What DRAM moves for a far leg: at least a granule per run. A longer run's ends are taken as aligned: the published
// rows with runs of 432 bytes show no waste.
double granule_bytes(const Leg& leg, const device::Device& device) {
  if (leg.bytes == 0) return 0;
  const std::int64_t waste =
      leg.run_bytes > 0 ? std::max<std::int64_t>(0, device.dram.granule_bytes - leg.run_bytes) : 0;
  return static_cast<double>(leg.bytes) + runs_of(leg) * static_cast<double>(waste);
}

// Of one shim channel: data beats, the gap after each contiguous run, the tasks of its queue.
double shim_cycles(const Leg& leg, double task_cycles, const device::Device& device) {
  if (leg.bytes == 0) return 0;
  const auto channels = static_cast<double>(std::max<std::int64_t>(leg.channels, 1));
  return granule_bytes(leg, device) / channels / device.stream.bytes_per_cycle +
         runs_of(leg) / channels * device.shim.run_overhead_ns * device.clock_ghz +
         per(leg.descriptors, leg.channels) * task_cycles;
}

// Accesses to a page whose translation is not at hand: none while the pages between two visits fit the translations
// that are kept (what sequential transfers wait for is in the bandwidth). The sixth power makes the step a little soft:
// other traffic takes its share.
double page_misses(const Leg& leg, const device::Device& device) {
  if (leg.bytes == 0 || leg.page_visits == 0) return 0;
  const double room =
      static_cast<double>(device.dram.translated_pages) / static_cast<double>(std::max<std::int64_t>(leg.page_set, 1));
  const double squared = room * room;
  return static_cast<double>(leg.page_visits) / (1 + squared * squared * squared);
}

double stream_cycles(const Leg& leg, const device::Device& device) {
  return per(leg.bytes, leg.channels) / device.stream.bytes_per_cycle;
}

// DRAM with both directions at work: bandwidth, and the translations that it waits for.
double dram_cycles(const LayerProgram& layer, const device::Device& device) {
  const double read = granule_bytes(layer.a.far, device) + granule_bytes(layer.b.far, device);
  const double written = granule_bytes(layer.c.far, device);
  const double misses =
      page_misses(layer.a.far, device) + page_misses(layer.b.far, device) + page_misses(layer.c.far, device);
  const double ns = std::max(
      {read / device.dram.read_gbps, written / device.dram.write_gbps, (read + written) / device.dram.combined_gbps});
  return (ns + misses * device.dram.page_miss_ns) * device.clock_ghz;
}

double tile_cycles(const Operand& operand, const device::Device& device) {
  return static_cast<double>(operand.tile_bytes) / device.stream.bytes_per_cycle;
}

std::int64_t channels(const Leg& leg) { return leg.bytes > 0 ? leg.channels : 0; }
std::int64_t ddr_read_bytes(const LayerProgram& layer) { return layer.a.far.bytes + layer.b.far.bytes; }

Bound busiest(const CostBreakdown& cost, double steady_cycles) {
  if (cost.dispatch_cycles > steady_cycles) return Bound::dispatch;
  const double most = std::max({cost.compute_cycles, cost.l1_cycles, cost.l2_cycles, cost.ddr_cycles});
  if (most == cost.compute_cycles) return Bound::compute;
  if (most == cost.ddr_cycles) return Bound::ddr;
  return most == cost.l2_cycles ? Bound::l2 : Bound::l1;
}

double host_cycles(const LayerProgram& layer, const Target& target) {
  return static_cast<double>(layer.host_elements) * target.profile.dispatch.quantize_ns_per_element * 1e-3 *
         target.cycles_per_us;
}

}  // namespace

Target::Target(const device::Device& d, const device::Stack& s)
    : device(d), stack(s), profile(s.profile(d.generation)), cycles_per_us(d.clock_ghz * 1e3) {}

LayerCost layer_cost(const LayerProgram& layer, const KernelCycles& kernel, const Target& target) {
  const device::Device& device = target.device;
  LayerCost result;
  CostBreakdown& cost = result.breakdown;
  if (layer.kernel.kind == KernelKind::none) return result;
  if (layer.kernel.kind == KernelKind::host) {
    cost.dispatch_cycles = result.cycles = host_cycles(layer, target);
    return result;
  }

  // Locks of a kernel call: the input buffers are acquired and released at each step, the output's at each block.
  const double lock_pair = device.lock.acquire_cycles + device.lock.release_cycles;
  const auto calls = static_cast<double>(layer.blocks) * static_cast<double>(layer.steps);
  const double inputs = (layer.a.tiles > 0 ? 1 : 0) + (layer.b.tiles > 0 ? 1 : 0);
  if (layer.kernel.kind != KernelKind::copy) {
    const device::Profile::Dataflow& flow = target.profile.dataflow;
    const double useful = std::max(0.2, 1 - flow.column_loss * static_cast<double>(layer.columns - 1));
    cost.compute_cycles = (calls * (kernel.per_call + flow.step_overhead_cycles + inputs * lock_pair) +
                           static_cast<double>(layer.blocks) * (kernel.per_block + lock_pair)) /
                          useful;
  }

  cost.l1_cycles = std::max(
      {stream_cycles(layer.a.near, device), stream_cycles(layer.b.near, device), stream_cycles(layer.c.near, device)});
  cost.l2_cycles = std::max({shim_cycles(layer.a.far, device.shim.read_task_cycles, device),
                             shim_cycles(layer.b.far, device.shim.read_task_cycles, device),
                             shim_cycles(layer.c.far, device.shim.write_task_cycles, device)});
  const std::int64_t read = ddr_read_bytes(layer), written = layer.c.far.bytes;
  cost.ddr_cycles = dram_cycles(layer, device);

  // A single buffer makes its core wait for each of its tiles.
  double waiting = 0;
  for (const Operand* operand : {&layer.a, &layer.b, &layer.c})
    if (operand->buffers == 1) waiting += static_cast<double>(operand->tiles) * tile_cycles(*operand, device);

  // Before the first kernel call its tiles cross both legs; after the last one its output does.
  const double first_tile = std::max(tile_cycles(layer.a, device), tile_cycles(layer.b, device));
  const double fill = first_tile * (read > 0 ? 2 : 1) + (read > 0 ? device.shim.read_start_cycles : 0);
  const double drain =
      tile_cycles(layer.c, device) * (written > 0 ? 2 : 1) + (written > 0 ? device.shim.write_start_cycles : 0);
  // Where a block waits for the one before, each but the last has its output cross the shim channels unhidden.
  double serial = 0;
  if (!target.profile.dataflow.pipelined_blocks && layer.blocks > 1)
    serial = per(layer.c.far.bytes, layer.c.far.channels * layer.blocks) / device.stream.bytes_per_cycle *
             static_cast<double>(layer.blocks - 1);
  cost.exposed_cycles = waiting + serial + fill + drain;

  if (!layer.chained) cost.dispatch_cycles = target.profile.dispatch.layer_us * target.cycles_per_us;
  const double pace = std::max({cost.compute_cycles + waiting, cost.l1_cycles, cost.l2_cycles, cost.ddr_cycles});
  result.cycles = pace + serial + fill + drain + cost.dispatch_cycles;
  return result;
}

LayerTiming time_layer(const LayerProgram& layer, const Target& target) {
  const KernelModel model(layer.kernel, target.device, target.profile);
  const LayerCost cost = layer_cost(layer, model.cycles(layer.kernel), target);

  LayerTiming timing;
  timing.name = layer.name;
  timing.op = layer.op;
  timing.nodes = layer.nodes;
  timing.cycles = cost.cycles;
  timing.cost = cost.breakdown;
  if (cost.cycles > 0) timing.bound = busiest(cost.breakdown, cost.cycles - cost.breakdown.dispatch_cycles);
  timing.macs = layer.macs;
  const double peak =
      model.peak_macs_per_cycle() * static_cast<double>(target.device.array.rows * target.device.array.columns);
  if (peak > 0 && cost.cycles > 0) timing.utilisation = static_cast<double>(layer.macs) / (cost.cycles * peak);
  timing.tile = {layer.kernel.m, layer.kernel.k, layer.kernel.n};
  timing.array = {layer.rows, layer.columns};
  timing.ddr_read_bytes = ddr_read_bytes(layer);
  timing.ddr_write_bytes = layer.c.far.bytes;
  timing.shim_channels = {channels(layer.a.far) + channels(layer.b.far), channels(layer.c.far)};
  timing.l2_to_l1_bytes = layer.a.near.bytes + layer.b.near.bytes;
  timing.l1_to_l2_bytes = layer.c.near.bytes;
  timing.l1_bytes = layer.l1_bytes;
  timing.l2_bytes = layer.l2_bytes;
  timing.dma_descriptors = layer.a.far.descriptors + layer.b.far.descriptors + layer.c.far.descriptors;
  timing.lock_operations = 2 * (layer.a.tiles + layer.b.tiles + layer.c.tiles) * layer.rows * layer.columns;
  return timing;
}

Timing simulate(Span<const LayerProgram> layers, const Target& target) {
  Timing timing;
  timing.device = target.device.name;
  timing.stack = target.stack.name;
  timing.clock_ghz = target.device.clock_ghz;
  timing.layers.reserve(layers.size());

  const bool any_work = std::any_of(layers.begin(), layers.end(),
                                    [](const LayerProgram& layer) { return layer.kernel.kind != KernelKind::none; });
  if (any_work) {
    const device::Profile::Dispatch& dispatch = target.profile.dispatch;
    timing.host_cycles = (dispatch.host_call_us + dispatch.launch_us) * target.cycles_per_us;
    timing.cycles = timing.host_cycles;
  }
  for (const LayerProgram& layer : layers) {
    LayerTiming of_layer = time_layer(layer, target);
    of_layer.start_cycles = timing.cycles;
    timing.cycles += of_layer.cycles;
    if (layer.kernel.kind == KernelKind::host) timing.host_cycles += of_layer.cycles;
    timing.ddr_read_bytes += of_layer.ddr_read_bytes;
    timing.ddr_write_bytes += of_layer.ddr_write_bytes;
    timing.macs += of_layer.macs;
    timing.layers.push_back(std::move(of_layer));
  }
  return timing;
}

}  // namespace vaip::sim
