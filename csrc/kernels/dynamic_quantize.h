// DynamicQuantizeLinear: the parameters of a float tensor from its extremes, and its elements by them. In float32
// arithmetic as ONNX defines it, bit for bit as onnxruntime computes it.
#pragma once

#include <cstdint>

namespace vaip::kernels {

struct DynamicParameters {
  float scale = 1.0F;
  std::uint8_t zero_point = 0;
};

DynamicParameters dynamic_parameters(const float* in, std::int64_t count);
void quantize_dynamic(const float* in, std::int64_t count, const DynamicParameters& parameters, std::uint8_t* out);

}  // namespace vaip::kernels
