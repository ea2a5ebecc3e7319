// The dimensions of a matrix product by numpy's rules, and where its operands keep them.
#pragma once

#include <cstdint>

#include "kernels/epilogue.h"
#include "kernels/kernel.h"

namespace vaip::kernels {

struct MatMulGeometry {
  std::int64_t rows = 1, depth = 0, columns = 1;
  ir::Shape batch;             // of the output
  ir::Shape batch_a, batch_b;  // the operands' own, with leading ones: as many entries as batch
  bool transposed_a = false, transposed_b = false;
  Bias bias, addend;

  MatMulGeometry(const ir::MatMulAttrs& attrs, const LayerOperands& operands);
  std::int64_t batch_count() const { return ir::element_count(batch); }
};

}  // namespace vaip::kernels
