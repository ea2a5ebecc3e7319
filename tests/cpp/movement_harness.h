// What the tests of layers that move or pick elements share: tensors of every kind of element and layout, and the
// comparison of an output with the elements of the first input that it should hold.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kernel_harness.h"

namespace vaip::test {

// Types and parameters of input and output: the same, other parameters, another type, plain numbers.
inline void describe_ends(int variant, Tensor& x, Tensor& y) {
  x.value.dtype = variant == 3 ? DType::s32 : variant == 4 ? DType::f32 : DType::u8;
  y.value.dtype = variant == 2 ? DType::s16 : x.value.dtype;
  if (variant < 3) x.value.quant = ir::QuantParams{{0.25F}, {10}, 0};
  y.value.quant = x.value.quant;
  if (variant == 1) y.value.quant = ir::QuantParams{{0.7F}, {3}, 0};
  if (variant == 2) y.value.quant = ir::QuantParams{{0.1F}, {-3}, 0};
}
constexpr int kVariants = 5;

inline Shape random_shape(Random& random, std::size_t rank, std::int64_t largest) {
  Shape shape;
  for (std::size_t d = 0; d < rank; ++d) shape.push_back(between(random, 1, largest));
  return shape;
}

inline void randomise_layouts(Random& random, const std::vector<Tensor*>& tensors) {
  for (Tensor* t : tensors)
    if (t->value.shape.size() >= 3 && random() % 2 == 0) t->layout = Layout::channels_last;
}

// Runs the layer; y should hold at every index the element of the first input at from(index).
inline void expect_moved(const ir::Layer& layer, const std::vector<const Tensor*>& inputs, Tensor& y,
                         const std::function<Index(const Index&)>& from, const std::string& what) {
  run_layer(layer, inputs, {&y});
  expect_real(y, [&](const Index& at) { return inputs[0]->real(from(at)); }, what);
}

}  // namespace vaip::test
