#include "sim/resources.h"

#include <algorithm>

namespace vaip::sim {
namespace {

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Contiguous pieces of a far leg; a leg without run length is one piece per descriptor.
double runs_of(const Leg& leg) {
  return static_cast<double>(leg.run_bytes > 0 ? ceil_div(leg.bytes, leg.run_bytes)
                                               : std::max<std::int64_t>(leg.descriptors, 1));
}

// What moves for a far leg where a run takes at least a granule, which the channels abreast share. A longer run's ends
// are taken as aligned: the published rows with runs of 432 bytes show no waste.
double granule_bytes(const Leg& leg, std::int64_t granule, std::int64_t abreast) {
  if (leg.run_bytes == 0) return static_cast<double>(leg.bytes);
  const std::int64_t waste = std::max<std::int64_t>(0, granule - leg.run_bytes * abreast);
  return static_cast<double>(leg.bytes) + runs_of(leg) * static_cast<double>(waste) / static_cast<double>(abreast);
}

// Accesses to a page whose translation is not at hand: none while the pages between two visits fit the translations
// that are kept (what sequential transfers wait for is in the bandwidth). The sixth power makes the step a little soft:
// other traffic takes its share.
double page_misses(const Leg& leg, const device::Device& device) {
  if (leg.page_visits == 0) return 0;
  const double room =
      static_cast<double>(device.dram.translated_pages) / static_cast<double>(std::max<std::int64_t>(leg.page_set, 1));
  const double squared = room * room;
  return static_cast<double>(leg.page_visits) / (1 + squared * squared * squared);
}

// Of the cores' time: what they do not lose to columns that wait for each other.
double useful_share(const LayerProgram& layer, const Target& target) {
  constexpr double kLeast = 0.2;
  return std::max(kLeast, 1 - target.profile.dataflow.column_loss * static_cast<double>(layer.columns - 1));
}

std::int64_t channels_of(const Leg& leg) { return std::max<std::int64_t>(leg.channels, 1); }

enum class Direction : std::uint8_t { read, write };  // of DDR

ShimWork shim_work(const Leg& far, Direction direction, const device::Device& device) {
  ShimWork work;
  if (far.bytes == 0) return work;
  const auto channels = static_cast<double>(channels_of(far));
  work.dram_bytes = granule_bytes(far, device.dram.granule_bytes, std::max<std::int64_t>(1, far.abreast));
  work.miss_cycles = page_misses(far, device) * device.dram.page_miss_ns * device.clock_ghz;
  work.data_cycles = granule_bytes(far, device.shim.granule_bytes, 1) / channels / device.shim.bytes_per_cycle +
                     runs_of(far) / channels * device.shim.run_overhead_ns * device.clock_ghz;
  work.tasks = std::max<std::int64_t>(1, ceil_div(far.descriptors, channels_of(far)));
  const bool read = direction == Direction::read;
  work.task_cycles = read ? device.shim.read_task_cycles : device.shim.write_task_cycles;
  work.start_cycles = read ? device.shim.read_start_cycles : device.shim.write_start_cycles;
  return work;
}

}  // namespace

Target::Target(const device::Device& d, const device::Stack& s)
    : device(d), stack(s), profile(s.profile(d.generation)), cycles_per_us(d.clock_ghz * 1e3) {}

ShimWorks shim_works(const LayerProgram& layer, const device::Device& device) {
  return {shim_work(layer.a.far, Direction::read, device), shim_work(layer.b.far, Direction::read, device),
          shim_work(layer.c.far, Direction::write, device)};
}

std::int64_t streams(const Operand& operand) {
  const std::int64_t of_one = operand.tiles * operand.tile_bytes;
  return of_one > 0 ? std::max<std::int64_t>(1, operand.near.bytes / of_one) : 0;
}

std::int64_t waves(const Operand& operand) {
  if (operand.far.bytes == 0) return 1;
  return std::max<std::int64_t>(1, ceil_div(streams(operand), channels_of(operand.far)));
}

std::int64_t unique_tiles(const Operand& operand) {
  return std::max<std::int64_t>(1, operand.tiles / std::max<std::int64_t>(1, operand.staging.replays));
}

double stream_cycles(const Leg& near, const device::Device& device) {
  return static_cast<double>(near.bytes) / static_cast<double>(channels_of(near)) / device.stream.bytes_per_cycle;
}

double near_tile_cycles(const Operand& operand, const device::Device& device) {
  return operand.tiles > 0 ? stream_cycles(operand.near, device) / static_cast<double>(operand.tiles) : 0;
}

double call_cycles(const LayerProgram& layer, const KernelCycles& kernel, const Target& target) {
  const double inputs = (layer.a.tiles > 0 ? 1 : 0) + (layer.b.tiles > 0 ? 1 : 0);
  const device::Device::Lock& lock = target.device.lock;
  return (kernel.per_call + target.profile.dataflow.step_overhead_cycles +
          inputs * (lock.acquire_cycles + lock.release_cycles)) /
         useful_share(layer, target);
}

double block_cycles(const LayerProgram& layer, const KernelCycles& kernel, const Target& target) {
  return (kernel.per_block + target.device.lock.acquire_cycles + target.device.lock.release_cycles) /
         useful_share(layer, target);
}

bool serial_blocks(const LayerProgram& layer, const Target& target) {
  const KernelKind kind = layer.kernel.kind;
  return !target.profile.dataflow.pipelined_blocks &&
         (kind == KernelKind::matmul || kind == KernelKind::convolution || kind == KernelKind::depthwise);
}

double block_gap_cycles(const LayerProgram& layer, const Target& target) {
  return serial_blocks(layer, target) ? target.profile.dispatch.block_us * target.cycles_per_us : 0;
}

double dispatch_cycles(const LayerProgram& layer, const Target& target) {
  const device::Profile::Dispatch& dispatch = target.profile.dispatch;
  if (layer.kernel.kind == KernelKind::none) return 0;
  if (layer.kernel.kind == KernelKind::host)
    return static_cast<double>(layer.host_elements) * dispatch.quantize_ns_per_element * 1e-3 * target.cycles_per_us;
  return layer.chained ? 0 : dispatch.layer_us * target.cycles_per_us;
}

}  // namespace vaip::sim
