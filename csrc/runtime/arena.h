// The memory of one run at a time, and the pool that keeps arenas for the next runs.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "base/span.h"
#include "runtime/execution_plan.h"
#include "runtime/host_profile.h"

namespace vaip::runtime {

// Everything that a run writes to, made once: activations, scratch, kernel states and the tables of pointers into them.
class Arena {
 public:
  explicit Arena(const ExecutionPlan& plan);

  // Points the steps at the tensors of this run. Allocates nothing.
  void bind(Span<const void* const> inputs, Span<void* const> outputs);
  void execute() const;
  void execute(HostProfile& profile) const;  // and adds what each step took

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };
  // A pointer that changes with every run.
  struct Patch {
    std::size_t pointer;  // in pointers_
    std::size_t external;
    std::size_t offset;  // from what is given
    bool is_output;
  };
  struct Call {
    const kernels::Kernel* kernel;
    std::size_t inputs, outputs;  // positions in pointers_
    std::byte* scratch;
    std::unique_ptr<kernels::KernelState> state;
  };

  void execute(const Call& call) const;

  std::unique_ptr<std::byte[], Free> memory_;
  std::vector<void*> pointers_;  // of all calls: inputs, then outputs
  std::vector<Patch> patches_;
  std::vector<Call> calls_;
};

// Thread-safe. Grows to as many arenas as were ever in use at once.
class ArenaPool {
 public:
  explicit ArenaPool(const ExecutionPlan& plan) : plan_(plan) {}

  // An arena for as long as the lease lives.
  class Lease {
   public:
    Lease(ArenaPool& pool, std::unique_ptr<Arena> arena) : pool_(pool), arena_(std::move(arena)) {}
    ~Lease() { pool_.give_back(std::move(arena_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Arena* operator->() const { return arena_.get(); }

   private:
    ArenaPool& pool_;
    std::unique_ptr<Arena> arena_;
  };
  Lease take();

 private:
  void give_back(std::unique_ptr<Arena> arena) noexcept;

  const ExecutionPlan& plan_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Arena>> free_;
  std::size_t made_ = 0;
};

}  // namespace vaip::runtime
