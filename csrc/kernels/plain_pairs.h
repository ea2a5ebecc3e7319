// Functions of one or two plain tensors (integers or booleans that stand for themselves), element by element with
// broadcasting. All tensors have one type.
#pragma once

#include <cstddef>

#include "kernels/kernel.h"
#include "kernels/loop_nest.h"
#include "kernels/real_block.h"

namespace vaip::kernels {

class PlainPairs {
 public:
  PlainPairs(const LayerOperands& operands, std::size_t arguments);

  // out = function(a, b), all of them T; functions of one argument see it twice.
  template <typename T, typename Function>
  void apply(const ExecutionContext& context, Function function) const {
    const auto& strides = nest_.inner().strides;
    nest_.for_each_run(8 * kBlock, [&](const LoopNest::Offsets& at, std::int64_t count) {
      const T* a = static_cast<const T*>(context.inputs[0]) + at[1];
      const T* b = static_cast<const T*>(context.inputs[second_]) + at[1 + second_];
      T* out = static_cast<T*>(context.outputs[0]) + at[0];
      for (std::int64_t i = 0; i < count; ++i)
        out[i * strides[0]] = function(a[i * strides[1]], b[i * strides[1 + second_]]);
    });
  }

 private:
  std::size_t second_;  // the input that is the second argument
  LoopNest nest_;
};

}  // namespace vaip::kernels
