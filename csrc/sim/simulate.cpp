#include "sim/simulate.h"

#include <algorithm>

#include "sim/event/observer.h"
#include "sim/event/play.h"
#include "sim/resources.h"

namespace vaip::sim {
namespace {

std::int64_t channels(const Leg& leg) { return leg.bytes > 0 ? leg.channels : 0; }
std::int64_t ddr_read_bytes(const LayerProgram& layer) { return layer.a.far.bytes + layer.b.far.bytes; }

Bound busiest(const CostBreakdown& cost, double steady_cycles) {
  if (cost.dispatch_cycles > steady_cycles) return Bound::dispatch;
  const double most = std::max({cost.compute_cycles, cost.l1_cycles, cost.l2_cycles, cost.ddr_cycles});
  if (most == cost.compute_cycles) return Bound::compute;
  if (most == cost.ddr_cycles) return Bound::ddr;
  return most == cost.l2_cycles ? Bound::l2 : Bound::l1;
}

void show_host(event::Observer* observer, double start, double end, std::string_view what) {
  if (observer != nullptr && end > start) observer->on_span({{}, start, end, what, 0});
}

LayerCost played_cost(const LayerProgram& layer, const KernelCycles& kernel, const Target& target,
                      event::Observer* observer, double start) {
  LayerCost result;
  result.cycles = result.breakdown.dispatch_cycles = dispatch_cycles(layer, target);
  if (layer.kernel.kind == KernelKind::none || layer.kernel.kind == KernelKind::host) return result;
  const double begin = start + result.breakdown.dispatch_cycles;
  const event::Played played = event::play(layer, kernel, target, observer, begin);
  CostBreakdown& cost = result.breakdown;
  cost.compute_cycles = played.compute_cycles;
  cost.l1_cycles = played.l1_cycles;
  cost.l2_cycles = played.l2_cycles;
  cost.ddr_cycles = played.ddr_cycles;
  cost.exposed_cycles =
      played.cycles - std::max({cost.compute_cycles, cost.l1_cycles, cost.l2_cycles, cost.ddr_cycles});
  result.cycles += played.cycles;
  return result;
}

}  // namespace

LayerTiming time_layer(const LayerProgram& layer, const Target& target, Mode mode, event::Observer* observer,
                       double start) {
  const KernelModel model(layer.kernel, target.device, target.profile);
  const KernelCycles kernel = model.cycles(layer.kernel);
  const LayerCost cost =
      mode == Mode::event ? played_cost(layer, kernel, target, observer, start) : layer_cost(layer, kernel, target);

  LayerTiming timing;
  timing.name = layer.name;
  timing.op = layer.op;
  timing.dtype = layer.dtype;
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

Timing simulate(Span<const LayerProgram> layers, const Target& target, Mode mode, event::Observer* observer) {
  Timing timing;
  timing.device = target.device.name;
  timing.stack = target.stack.name;
  timing.mode = mode;
  timing.clock_ghz = target.device.clock_ghz;
  timing.layers.reserve(layers.size());

  const bool any_work = std::any_of(layers.begin(), layers.end(),
                                    [](const LayerProgram& layer) { return layer.kernel.kind != KernelKind::none; });
  if (any_work) {
    const device::Profile::Dispatch& dispatch = target.profile.dispatch;
    timing.host_cycles = (dispatch.host_call_us + dispatch.launch_us) * target.cycles_per_us;
    timing.cycles = timing.host_cycles;
    show_host(observer, 0, timing.host_cycles, "launch");
  }
  for (const LayerProgram& layer : layers) {
    if (observer != nullptr) observer->on_layer(layer, timing.cycles);
    LayerTiming of_layer = time_layer(layer, target, mode, observer, timing.cycles);
    show_host(observer, timing.cycles, timing.cycles + of_layer.cost.dispatch_cycles,
              layer.kernel.kind == KernelKind::host ? "quantize" : "dispatch");
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
