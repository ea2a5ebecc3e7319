#include "compiler/mapping/region.h"

#include <algorithm>

#include "base/error.h"

namespace vaip::compiler {
namespace {

std::int64_t extent(const char* what, std::optional<std::int64_t> wanted, std::int64_t of_stack, std::int64_t of_device,
                    const device::Device& device) {
  if (wanted && (*wanted < 1 || *wanted > of_device))
    fail(ErrorKind::invalid_argument, "device '", device.name, "' has ", of_device, " ", what, " of cores; ", *wanted,
         " were asked for");
  if (wanted) return *wanted;
  return of_stack > 0 ? std::min(of_stack, of_device) : of_device;
}

}  // namespace

Region make_region(const sim::Target& target, std::optional<std::int64_t> rows, std::optional<std::int64_t> columns) {
  const device::Device& device = target.device;
  Region region;
  region.rows = extent("rows", rows, target.profile.dataflow.rows, device.array.rows, device);
  region.columns = extent("columns", columns, target.profile.dataflow.columns, device.array.columns, device);
  region.core_bytes = device.core.data_memory_bytes - target.profile.kernels.core_reserved_bytes;
  region.l2_bytes = device.memory_tile.bytes * region.columns;
  if (region.core_bytes <= 0)
    fail(ErrorKind::invalid_config, "stack '", target.stack.name, "' reserves ",
         target.profile.kernels.core_reserved_bytes, " bytes of a core's memory, device '", device.name, "' has ",
         device.core.data_memory_bytes);
  return region;
}

}  // namespace vaip::compiler
