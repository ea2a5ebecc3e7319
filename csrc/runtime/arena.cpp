#include "runtime/arena.h"

#include <chrono>
#include <new>

namespace vaip::runtime {

void Arena::Free::operator()(std::byte* memory) const { ::operator delete(memory, std::align_val_t{kBufferAlignment}); }

Arena::Arena(const ExecutionPlan& plan)
    : memory_(static_cast<std::byte*>(
          ::operator new(std::max<std::size_t>(plan.arena_bytes(), 1), std::align_val_t{kBufferAlignment}))) {
  const auto add_pointer = [&](const Step::Place& place) {
    void* address = nullptr;
    if (place.storage >= 0) {
      const Storage& storage = plan.storages()[static_cast<std::size_t>(place.storage)];
      switch (storage.kind) {
        case Storage::Kind::arena:
          address = memory_.get() + storage.offset + place.offset;
          break;
        case Storage::Kind::constant:
          address = const_cast<std::byte*>(storage.constant.data.get()) + place.offset;
          break;  // only ever an input
        case Storage::Kind::graph_input:
          patches_.push_back({pointers_.size(), storage.index, place.offset, false});
          break;
        case Storage::Kind::graph_output:
          patches_.push_back({pointers_.size(), storage.index, place.offset, true});
          break;
      }
    }
    pointers_.push_back(address);
  };
  for (const Step& step : plan.steps()) {
    Call call{step.kernel.get(), pointers_.size(), 0, memory_.get() + step.scratch_offset, step.kernel->make_state()};
    for (const Step::Place& input : step.inputs) add_pointer(input);
    call.outputs = pointers_.size();
    for (const Step::Place& output : step.outputs) add_pointer(output);
    calls_.push_back(std::move(call));
  }
}

void Arena::bind(Span<const void* const> inputs, Span<void* const> outputs) {
  for (const Patch& patch : patches_) {
    void* const given = patch.is_output ? outputs[patch.external] : const_cast<void*>(inputs[patch.external]);
    pointers_[patch.pointer] = static_cast<std::byte*>(given) + patch.offset;
  }
}

void Arena::execute(const Call& call) const {
  call.kernel->execute(
      {pointers_.data() + call.inputs, pointers_.data() + call.outputs, call.scratch, call.state.get()});
}

void Arena::execute() const {
  for (const Call& call : calls_) execute(call);
}

void Arena::execute(HostProfile& profile) const {
  std::vector<double> us;
  us.reserve(calls_.size());
  for (const Call& call : calls_) {
    const auto start = std::chrono::steady_clock::now();
    execute(call);
    us.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
  }
  profile.add_run(us);
}

ArenaPool::Lease ArenaPool::take() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!free_.empty()) {
      std::unique_ptr<Arena> arena = std::move(free_.back());
      free_.pop_back();
      return Lease(*this, std::move(arena));
    }
    free_.reserve(++made_);  // so that giving back never allocates
  }
  return Lease(*this, std::make_unique<Arena>(plan_));
}

void ArenaPool::give_back(std::unique_ptr<Arena> arena) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  free_.push_back(std::move(arena));
}

}  // namespace vaip::runtime
