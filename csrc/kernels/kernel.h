// One kernel executes one layer. It is immutable after construction: many threads may execute it at once, each with an
// ExecutionContext of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/compute_path.h"
#include "kernels/operand.h"

namespace vaip {
class ArchiveReader;
class ArchiveWriter;
}  // namespace vaip

namespace vaip::kernels {

// What a kernel keeps per concurrent run besides scratch memory, e.g. oneDNN's memory objects.
class KernelState {
 public:
  virtual ~KernelState() = default;
};

struct ExecutionContext {
  const void* const* inputs = nullptr;  // one per layer input; null for one that is absent
  void* const* outputs = nullptr;
  std::byte* scratch = nullptr;  // at least scratch_bytes(), 64-byte aligned
  KernelState* state = nullptr;  // from make_state(); null if that was
};

class Kernel {
 public:
  Kernel() = default;
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;
  virtual ~Kernel() = default;

  virtual void execute(const ExecutionContext& context) const = 0;
  // Whether execute() reads this input of the layer; weights that were packed at construction it does not. Constants
  // in LayerOperands are read at construction only.
  virtual bool reads(std::size_t /*input*/) const { return true; }
  virtual std::size_t scratch_bytes() const { return 0; }
  virtual std::size_t packed_bytes() const { return 0; }  // weights and tables that it alone owns
  virtual std::unique_ptr<KernelState> make_state() const { return nullptr; }
  // For the host profile: whose code this is, and what it works on, e.g. "oneDNN jit_int8:avx2".
  virtual std::string implementation() const { return "loops"; }
  virtual std::int64_t macs() const { return 0; }  // multiply-accumulates of one execution, as the layer defines them
};

// A layer with its operands in the layouts that the executor chose.
struct LayerOperands {
  const ir::Layer& layer;
  std::vector<Operand> inputs;
  std::vector<Operand> outputs;
  std::vector<bool> in_place = {};  // which of boxes_of() (movement.h) need no move; empty: none
};

class ProgramWeights;

struct KernelOptions {
  std::optional<ComputePath> path;  // force one; an error where it would not be exact
  CpuTraits cpu = host_cpu();
  // The numerics of the device, with this rounding mode (srs.h); without it, ONNX's.
  std::optional<Rounding> device_rounding;
  ProgramWeights* weights = nullptr;  // where kernels keep what others may share (weight_store.h); null: nowhere
  // Weights that the same layer's kernel packed before, in an earlier process; null: they are packed now, and added to
  // packed_to unless that is null. What is read stays where it is: the reader outlives the kernel, and what is added
  // is borrowed from the kernel.
  ArchiveReader* packed_from = nullptr;
  ArchiveWriter* packed_to = nullptr;
};

// Throws Error naming the layer when it is malformed or nothing here executes it.
std::unique_ptr<Kernel> make_kernel(const LayerOperands& operands, const KernelOptions& options = {});

// How a layer's kernel wants its tensors of rank 3 and above.
enum class LayoutPolicy {
  channels_last,     // reads its first input and writes channels last: convolution, pooling, resizing
  follows_inputs,    // reads and writes any, and best writes what it reads
  writes_row_major,  // reads any
  row_major,         // reads and writes row-major only
};
LayoutPolicy layout_policy(const ir::Layer& layer);

// What a layer's kernel does about tensors whose strides are not those of their layouts.
enum class StridedAccess : std::uint8_t {
  direct,      // reads and writes them no slower than if they were
  by_copy,     // makes a copy of what it reads when it executes
  impossible,  // cannot be made for them, or is slower than a copy and a kernel for that
};
StridedAccess strided_access(const LayerOperands& operands);

}  // namespace vaip::kernels
