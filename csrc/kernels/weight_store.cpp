#include "kernels/weight_store.h"

#include <algorithm>

namespace vaip::kernels {
namespace {

// The same object, even where one has gone and its address been given to another.
template <typename A, typename B>
bool same_owner(const A& a, const B& b) {
  return !a.owner_before(b) && !b.owner_before(a);
}

}  // namespace

std::shared_ptr<const PackedWeights> WeightStore::find(const PackingKey& key) const {
  for (const Entry& entry : entries_) {
    const PackingKey& own = entry.key;
    if (entry.data != key.constant.get() || !same_owner(entry.constant, key.constant) ||
        own.in_columns != key.in_columns || own.path != key.path || own.first != key.first || own.count != key.count ||
        own.zero_points != key.zero_points || own.packed != key.packed)
      continue;
    if (auto weights = entry.weights.lock()) return weights;
  }
  return nullptr;
}

std::shared_ptr<const PackedWeights> WeightStore::find_or_pack(const PackingKey& key, const Pack& pack) {
  const std::lock_guard lock(mutex_);
  if (auto weights = find(key)) return weights;
  auto weights = std::make_shared<const PackedWeights>(PackedWeights{pack()});
  entries_.erase(
      std::remove_if(entries_.begin(), entries_.end(), [](const Entry& entry) { return entry.weights.expired(); }),
      entries_.end());
  Entry entry{key, key.constant, key.constant.get(), weights};
  entry.key.constant.reset();
  entries_.push_back(std::move(entry));
  return weights;
}

const dnnl::memory& ProgramWeights::find_or_pack(const PackingKey& key, const WeightStore::Pack& pack) {
  std::shared_ptr<const PackedWeights> weights = store_->find_or_pack(key, pack);
  const auto known = std::find(used_.begin(), used_.end(), weights);
  if (known != used_.end()) return (*known)->memory;
  used_.push_back(std::move(weights));
  return used_.back()->memory;
}

std::size_t ProgramWeights::bytes() const {
  std::size_t bytes = 0;
  for (const auto& weights : used_) bytes += weights->bytes();
  return bytes;
}

}  // namespace vaip::kernels
