// Mappings that were found before: networks repeat their layers, and a process compiles the same network again.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "compiler/mapping/region.h"
#include "device/device.h"
#include "sim/layer_program.h"

namespace vaip::compiler {

using MappingKey = std::vector<std::int64_t>;  // all that a mapping depends on, but for device, stack and region

class MappingCache {
 public:
  std::optional<sim::LayerProgram> find(const MappingKey& key) const;
  void insert(const MappingKey& key, const sim::LayerProgram& layer);

 private:
  mutable std::mutex mutex_;
  std::map<MappingKey, sim::LayerProgram> layers_;
};

// The cache of this part of this device under this stack, shared by everything in the process that compiles for them;
// it lives as long as one of its users and for a few targets after that.
std::shared_ptr<MappingCache> mapping_cache(const std::shared_ptr<const device::Device>& device,
                                            const std::shared_ptr<const device::Stack>& stack, const Region& region);

}  // namespace vaip::compiler
