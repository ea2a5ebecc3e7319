// Weights that oneDNN's primitives read, packed once for all programs that need them in the same way: those of a
// session's clusters for every shape that they meet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "kernels/compute_path.h"

namespace vaip::kernels {

struct PackedWeights {
  dnnl::memory memory;
  std::size_t bytes() const { return memory.get_desc().get_size(); }
};

// What packed weights are of, and how they are packed.
struct PackingKey {
  std::shared_ptr<const std::byte> constant;
  bool in_columns = false;  // of a matrix: one output channel each
  std::vector<std::int32_t> zero_points;
  ComputePath path = ComputePath::f32;  // int8 weights are without what would saturate
  std::int64_t first = 0, count = 0;    // the chunk's input channels
  dnnl::memory::desc packed;
};

// Thread-safe. Keeps nothing alive: weights go with the last program that uses them.
class WeightStore {
 public:
  using Pack = std::function<dnnl::memory()>;
  std::shared_ptr<const PackedWeights> find_or_pack(const PackingKey& key, const Pack& pack);

 private:
  struct Entry {
    PackingKey key;                           // but for the constant,
    std::weak_ptr<const std::byte> constant;  // which may be gone
    const std::byte* data = nullptr;
    std::weak_ptr<const PackedWeights> weights;
  };
  std::shared_ptr<const PackedWeights> find(const PackingKey& key) const;

  std::mutex mutex_;
  std::vector<Entry> entries_;
};

// Those of one program, which it keeps alive.
class ProgramWeights {
 public:
  explicit ProgramWeights(std::shared_ptr<WeightStore> store) : store_(std::move(store)) {}

  const dnnl::memory& find_or_pack(const PackingKey& key, const WeightStore::Pack& pack);
  const std::vector<std::shared_ptr<const PackedWeights>>& all() const { return used_; }  // each once
  std::size_t bytes() const;

  // Room for values on their way to be packed, from layer to layer while a program is made: memory that is new each
  // time costs more than what is done in it.
  std::vector<std::int16_t> take_room() { return std::move(room_); }
  void give_room(std::vector<std::int16_t> room) {
    if (room.capacity() > room_.capacity()) room_ = std::move(room);
  }
  void free_room() { room_ = {}; }

 private:
  std::vector<std::int16_t> room_;
  std::shared_ptr<WeightStore> store_;
  std::vector<std::shared_ptr<const PackedWeights>> used_;
};

}  // namespace vaip::kernels
