#include "sim/timing_archive.h"

#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace vaip::sim {
namespace {

// Both directions go through the same list of fields; what is stored is not changed by it.
template <typename Visitor>
void visit(Visitor& visitor, CostBreakdown& cost) {
  visitor(cost.compute_cycles, cost.l1_cycles, cost.l2_cycles, cost.ddr_cycles, cost.dispatch_cycles,
          cost.exposed_cycles);
}

template <typename Visitor>
void visit(Visitor& visitor, LayerTiming& layer) {
  visitor(layer.name, layer.op, layer.dtype, layer.nodes, layer.cycles, layer.start_cycles, layer.cost, layer.bound,
          layer.macs, layer.utilisation, layer.tile, layer.array, layer.ddr_read_bytes, layer.ddr_write_bytes,
          layer.shim_channels, layer.l2_to_l1_bytes, layer.l1_to_l2_bytes, layer.l1_bytes, layer.l2_bytes,
          layer.dma_descriptors, layer.lock_operations);
}

template <typename Visitor>
void visit(Visitor& visitor, Timing& timing) {
  visitor(timing.device, timing.stack, timing.mode, timing.clock_ghz, timing.cycles, timing.host_cycles,
          timing.ddr_read_bytes, timing.ddr_write_bytes, timing.macs, timing.energy_mj, timing.layers);
}

template <typename T>
constexpr bool is_plain = std::is_arithmetic_v<T> || std::is_enum_v<T>;

class Storer {
 public:
  template <typename... Fields>
  void operator()(Fields&... fields) {
    (add(fields), ...);
  }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  template <typename T>
  void add(T& field) {
    if constexpr (is_plain<T>)
      add_bytes(&field, sizeof field);
    else
      visit(*this, field);
  }
  void add(std::string& text) {
    add_size(text.size());
    add_bytes(text.data(), text.size());
  }
  template <typename T>
  void add(std::vector<T>& items) {
    add_size(items.size());
    for (T& item : items) add(item);
  }
  template <typename T, std::size_t kCount>
  void add(std::array<T, kCount>& items) {
    for (T& item : items) add(item);
  }
  template <typename T>
  void add(std::optional<T>& item) {
    add_size(item ? 1 : 0);
    if (item) add(*item);
  }
  void add_size(std::size_t size) { add_bytes(&size, sizeof size); }
  void add_bytes(const void* data, std::size_t size) {
    const auto* from = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), from, from + size);
  }

  std::vector<std::byte> bytes_;
};

class Restorer {
 public:
  Restorer(Span<const std::byte> bytes, const ArchiveReader& from) : bytes_(bytes), from_(from) {}

  template <typename... Fields>
  void operator()(Fields&... fields) {
    (get(fields), ...);
  }
  bool at_end() const { return at_ == bytes_.size(); }

 private:
  template <typename T>
  void get(T& field) {
    if constexpr (is_plain<T>)
      get_bytes(&field, sizeof field);
    else
      visit(*this, field);
  }
  void get(std::string& text) {
    text.resize(get_size());
    get_bytes(text.data(), text.size());
  }
  template <typename T>
  void get(std::vector<T>& items) {
    items.resize(get_size());
    for (T& item : items) get(item);
  }
  template <typename T, std::size_t kCount>
  void get(std::array<T, kCount>& items) {
    for (T& item : items) get(item);
  }
  template <typename T>
  void get(std::optional<T>& item) {
    item.reset();
    if (get_size() != 0) get(item.emplace());
  }
  std::size_t get_size() {
    std::size_t size = 0;
    get_bytes(&size, sizeof size);
    check(size);
    return size;
  }
  void get_bytes(void* to, std::size_t size) {
    check(size);
    if (size != 0) std::memcpy(to, bytes_.data() + at_, size);
    at_ += size;
  }
  // Whatever there is so many of, each is a byte at least.
  void check(std::size_t count) const {
    if (count > bytes_.size() - at_) from_.reject("the timing is shorter than it says");
  }

  Span<const std::byte> bytes_;
  const ArchiveReader& from_;
  std::size_t at_ = 0;
};

}  // namespace

void store(const Timing& timing, ArchiveWriter& to) {
  Timing stored = timing;
  Storer storer;
  visit(storer, stored);
  to.add(storer.bytes());
}

Timing restore_timing(ArchiveReader& from) {
  Restorer restorer(from.take(), from);
  Timing timing;
  visit(restorer, timing);
  if (!restorer.at_end()) from.reject("the timing is longer than it should be");
  return timing;
}

}  // namespace vaip::sim
