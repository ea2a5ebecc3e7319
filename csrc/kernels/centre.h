// Quantized integers as floats with the zero point subtracted, and bfloat16 as float: the operands of the f32 path.
#pragma once

#include <cstdint>

#include "ir/dtype.h"

namespace vaip::kernels {

// dtype: u8, s8, u16 or s16. Exact: the difference has at most 17 bits. Or bf16, whose zero point is 0.
void centre(ir::DType dtype, const void* in, std::int64_t count, std::int32_t zero_point, float* out);

}  // namespace vaip::kernels
