#include "kernels/matmul_geometry.h"

#include <algorithm>

#include "base/error.h"

namespace vaip::kernels {
namespace {

ir::Shape batch_of(const ir::Shape& shape) {
  return shape.size() <= 2 ? ir::Shape{} : ir::Shape(shape.begin(), shape.end() - 2);
}

ir::Shape with_leading_ones(ir::Shape shape, std::size_t rank) {
  shape.insert(shape.begin(), rank - shape.size(), 1);
  return shape;
}

}  // namespace

MatMulGeometry::MatMulGeometry(const ir::MatMulAttrs& attrs, const LayerOperands& operands) {
  const Operand &a = operands.inputs[0], &b = operands.inputs[1], &y = operands.outputs[0];
  if (a.rank() == 0 || b.rank() == 0) fail(ErrorKind::invalid_model, "a scalar operand in a matrix product");
  transposed_a = attrs.transpose_a && a.rank() > 1;
  transposed_b = attrs.transpose_b && b.rank() > 1;
  const auto last = [](const Operand& o, int from_end) {
    return o.shape[static_cast<std::size_t>(o.rank() - from_end)];
  };
  depth = a.rank() == 1 ? a.shape[0] : last(a, transposed_a ? 2 : 1);
  rows = a.rank() == 1 ? 1 : last(a, transposed_a ? 1 : 2);
  columns = b.rank() == 1 ? 1 : last(b, transposed_b ? 2 : 1);
  const std::int64_t depth_b = b.rank() == 1 ? b.shape[0] : last(b, transposed_b ? 1 : 2);
  if (depth != depth_b)
    fail(ErrorKind::invalid_model, "inner dimensions ", depth, " and ", depth_b, " of ", ir::to_string(a.shape),
         " and ", ir::to_string(b.shape), " differ");
  batch_a = batch_of(a.shape);
  batch_b = batch_of(b.shape);
  batch = ir::broadcast(batch_a, batch_b);
  batch_a = with_leading_ones(batch_a, batch.size());
  batch_b = with_leading_ones(batch_b, batch.size());
  if (y.count() != batch_count() * rows * columns)
    fail(ErrorKind::invalid_model, "the output ", ir::to_string(y.shape), " does not fit a product of ",
         ir::to_string(a.shape), " and ", ir::to_string(b.shape));

  const auto repeated = [&](std::size_t input) {
    Bias result;
    if (operands.inputs.size() <= input || !operands.inputs[input].present()) return result;
    result.operand = operands.inputs[input];
    result.row_dims = y.shape;
    result.row_strides = broadcast_strides(result.operand, y.shape);
    if (b.rank() > 1) {  // else the output's last dimension counts rows
      result.channel_stride = result.row_strides.back();
      result.row_strides.pop_back();
      result.row_dims.pop_back();
    }
    return result;
  };
  bias = repeated(2);
  bias.beta = attrs.beta;
  addend = repeated(3);
  if (addend.operand.present() && addend.operand.shape == y.shape && b.rank() > 1) {  // one row after the other
    addend.row_dims = {batch_count() * rows};
    addend.row_strides = {columns};
  }
}

}  // namespace vaip::kernels
