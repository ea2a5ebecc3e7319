// The constant weights of a convolution or of a matrix product.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "ir/graph.h"
#include "kernels/operand.h"

namespace vaip::kernels {

// As [out_channels][in_channels of a group][taps].
struct LinearWeights {
  std::int64_t out_channels = 0, in_channels = 0, taps = 1, groups = 1;
  std::vector<std::int16_t> integers;  // zero points subtracted; empty where that takes more than 16 bits
  std::vector<double> real;            // or else these
  std::vector<double> scale;           // per output channel, of either

  // Where the values are from; no constant where it takes more to tell them from others of the same constant.
  struct Source {
    std::shared_ptr<const std::byte> constant;
    bool in_columns = false;
    std::vector<std::int32_t> zero_points;
  };
  Source source;

  bool are_integers() const { return real.empty(); }
  std::int64_t per_channel() const { return in_channels * taps; }
};

// Whether the values are wanted, or shape and scale only.
enum class Values : std::uint8_t { read, left_out };

// [M, C/group, kernel...] constants as they are; per-channel parameters along axis 0.
// room: memory for the integers, which may have been used before.
LinearWeights conv_weights(const ir::ConvAttrs& attrs, const Operand& w, Values values = Values::read,
                           std::vector<std::int16_t> room = {});

// A constant [K, N] (or [N, K] if transposed): per-channel parameters along the axis of N.
LinearWeights matmul_weights(const Operand& b, bool transposed, Values values = Values::read,
                             std::vector<std::int16_t> room = {});

}  // namespace vaip::kernels
