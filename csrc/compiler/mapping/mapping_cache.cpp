#include "compiler/mapping/mapping_cache.h"

#include <algorithm>

namespace vaip::compiler {
namespace {

constexpr std::size_t kMostTargets = 16;                   // what-if sweeps make a new device for each point
constexpr std::size_t kMostLayers = std::size_t{1} << 16;  // some hundred networks

struct Entry {
  std::shared_ptr<const device::Device> device;  // kept: another device must not get its address
  std::shared_ptr<const device::Stack> stack;
  std::int64_t rows, columns;
  std::shared_ptr<MappingCache> cache;
};

}  // namespace

std::optional<sim::LayerProgram> MappingCache::find(const MappingKey& key) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = layers_.find(key);
  if (found == layers_.end()) return std::nullopt;
  return found->second;
}

void MappingCache::insert(const MappingKey& key, const sim::LayerProgram& layer) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (layers_.size() >= kMostLayers) layers_.clear();
  layers_.emplace(key, layer);
}

std::shared_ptr<MappingCache> mapping_cache(const std::shared_ptr<const device::Device>& device,
                                            const std::shared_ptr<const device::Stack>& stack, const Region& region) {
  static std::mutex mutex;
  static std::vector<Entry> entries;  // the most recently used last
  const std::lock_guard<std::mutex> lock(mutex);
  auto found = std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) {
    return entry.device == device && entry.stack == stack && entry.rows == region.rows &&
           entry.columns == region.columns;
  });
  if (found == entries.end()) {
    if (entries.size() >= kMostTargets) entries.erase(entries.begin());
    entries.push_back({device, stack, region.rows, region.columns, std::make_shared<MappingCache>()});
  } else {
    std::rotate(found, found + 1, entries.end());
  }
  return entries.back().cache;
}

}  // namespace vaip::compiler
