// Predicts layers of several kernels without a model: convolutions, depth-first pipelines of them, attention.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "device/device.h"
#include "sim/timing.h"

namespace vaip::compiler {

struct ConvQuery {
  std::int64_t height = 0, width = 0;  // of the output
  std::int64_t in_channels = 0, out_channels = 0;
  std::int64_t window = 1, stride = 1;  // window x window taps
  bool depthwise = false;
  device::Format a = device::Format::int8, b = device::Format::int8, out = device::Format::int8;
  std::optional<std::int64_t> rows, columns;  // of the array; else what the stack uses
  std::string kernel;                         // as in GemmQuery
  bool host_call = true;                      // as in GemmQuery
  sim::Mode mode = sim::Mode::steady;         // of a pipeline: that of its first stage
};

// Errors as estimate_gemm's.
sim::Timing estimate_conv(const ConvQuery& query, const device::Device& device, const device::Stack& stack);

// Convolutions that run side by side, each on cores of its own, row after row: the slowest sets the pace, and what lies
// between them never leaves the array (mlir-aie ml/bottleneck). Each stage's rows and columns are its cores.
sim::Timing estimate_pipeline(const std::vector<ConvQuery>& stages, const device::Device& device,
                              const device::Stack& stack);

struct AttentionQuery {
  std::int64_t queries = 0, keys = 0, head_dim = 0, query_heads = 1, kv_heads = 1;
  device::Format format = device::Format::bf16;
  std::optional<std::int64_t> rows, columns;
  bool host_call = true;
  sim::Mode mode = sim::Mode::steady;
};

// softmax(Q K^T) V with the scores in the array's memories. A mask does not shorten it: masked scores are computed,
// too.
sim::Timing estimate_attention(const AttentionQuery& query, const device::Device& device, const device::Stack& stack);

}  // namespace vaip::compiler
