// Weights of few bits whose scales and zero points belong to blocks along the depth: MatMulNBits, and MatMul or Gemm
// behind a DequantizeLinear with a block_size. The other operand is float.
#include <algorithm>
#include <cstring>

#include "frontend/constants.h"
#include "frontend/rules.h"
#include "ir/packed.h"

namespace vaip::frontend::rules {
namespace {

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Unsigned integers of 4 or 8 bits in rows of whole bytes.
std::vector<std::int32_t> integers_of(const TensorData& tensor, std::int64_t rows, std::int64_t per_row,
                                      std::int64_t bits) {
  const auto* bytes = tensor.constant.as<std::uint8_t>();
  if (bits == 8) return {bytes, bytes + rows * per_row};
  const std::int64_t row_bytes = ceil_div(per_row, 2);
  std::vector<std::int32_t> values;
  values.reserve(static_cast<std::size_t>(rows * per_row));
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto row = ir::unpack_4_bits(bytes + r * row_bytes, static_cast<std::size_t>(per_row), ir::DType::u4);
    values.insert(values.end(), row.begin(), row.end());
  }
  return values;
}

// Rows of `stored` elements, of which the first `kept` count, without the rest.
ir::Constant without_padding(const TensorData& tensor, std::int64_t rows, std::int64_t stored, std::int64_t kept,
                             std::int64_t bits) {
  if (stored == kept) return tensor.constant;
  const std::vector<std::int32_t> values = integers_of(tensor, rows, stored, bits);
  std::vector<std::byte> bytes(static_cast<std::size_t>(ceil_div(rows * kept * bits, 8)));
  std::int64_t bit = 0;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t i = 0; i < kept; ++i, bit += bits)
      bytes[static_cast<std::size_t>(bit / 8)] |=
          static_cast<std::byte>(values[static_cast<std::size_t>(r * stored + i)] << (bit % 8));
  return make_constant(std::move(bytes));
}

const TensorData& constant_input(const UnitBuilder& unit, std::size_t input, const char* what) {
  const Node& node = unit.node();
  if (!has_input(node, input)) reject(node, "input ", input, " is missing");
  const TensorData* constant = unit.index().constant(node.inputs[input]);
  if (!constant) unit.decline(what, " `", node.inputs[input], "` is not constant");
  return *constant;
}

void require_elements(const Node& node, const TensorData& tensor, std::int64_t bytes, const char* what) {
  if (static_cast<std::int64_t>(tensor.constant.size_bytes) < bytes) {
    reject(node, what, " of shape ", ir::to_string(tensor.shape), " has ", tensor.constant.size_bytes, " bytes, needs ",
           bytes);
  }
}

}  // namespace

void matmul_nbits(UnitBuilder& unit) {
  const Node& node = unit.node();
  const std::int64_t depth = attribute(node, "K", std::int64_t{0}), columns = attribute(node, "N", std::int64_t{0});
  const std::int64_t bits = attribute(node, "bits", std::int64_t{4});
  const std::int64_t block = attribute(node, "block_size", std::int64_t{0});
  constexpr std::int64_t kLargest = std::int64_t{1} << 31;
  if (depth < 1 || columns < 1 || block < 1 || depth > kLargest || columns > kLargest || block > kLargest) {
    reject(node, "K is ", depth, ", N is ", columns, ", block_size is ", block);
  }
  if (bits != 4 && bits != 8) unit.decline(bits, " bits are not supported (supported: 4, 8)");
  if (has_input(node, 4)) unit.decline("the input g_idx is not supported");
  const std::int64_t blocks = ceil_div(depth, block);
  const TensorData& stored = constant_input(unit, 1, "weight");
  require_elements(node, stored, columns * ceil_div(blocks * block * bits, 8), "the weight");
  const TensorData& scales = constant_input(unit, 2, "the scales");
  if (scales.dtype != ir::DType::f32) unit.decline("scales of type ", ir::name(scales.dtype), "; float is supported");
  require_elements(node, scales, columns * blocks * 4, "the scale");

  ir::Value weight;
  weight.name = node.inputs[1];
  weight.dtype = bits == 4 ? ir::DType::u4 : ir::DType::u8;
  weight.shape = {columns, depth};
  weight.constant = without_padding(stored, columns, blocks * block, depth, bits);
  ir::QuantParams params;
  params.axis = 1;
  params.block = block;
  params.scale = float_elements(scales, node.inputs[2]);
  if (has_input(node, 3)) {
    const TensorData& zero_points = constant_input(unit, 3, "the zero points");
    if (zero_points.dtype != ir::DType::u8) {
      unit.decline("zero points of type ", ir::name(zero_points.dtype), "; packed uint8 is supported");
    }
    require_elements(node, zero_points, columns * ceil_div(blocks * bits, 8), "the zero point");
    params.zero_point = integers_of(zero_points, columns, blocks, bits);
  } else {
    params.zero_point.assign(static_cast<std::size_t>(columns * blocks), 1 << (bits - 1));
  }
  weight.quant = std::move(params);

  unit.add_float_tensor(0);
  unit.add_constant(std::move(weight));
  unit.add_vector(5);
  ir::MatMulAttrs attrs;
  attrs.transpose_b = true;
  unit.finish_leaving(attrs, node.outputs[0]);
}

bool block_product(UnitBuilder& unit, const ir::MatMulAttrs& attrs) {
  const Node& node = unit.node();
  if (!has_input(node, 1)) return false;
  const auto producer = unit.index().producer(node.inputs[1]);
  if (!producer || !is_dequantize(unit.index().node(*producer))) return false;
  const Node& dq = unit.index().node(*producer);
  const std::int64_t block = attribute(dq, "block_size", std::int64_t{0});
  if (block == 0) return false;
  if (block < 0) reject(dq, "block_size is ", block);
  const TensorData* stored = unit.index().constant(dq.inputs[0]);
  if (!stored) unit.decline("weight `", dq.inputs[0], "` is not constant");
  const std::size_t depth_axis = attrs.transpose_b ? 1 : 0;
  const std::int64_t axis = attribute(dq, "axis", std::int64_t{1});
  if (stored->shape.size() != 2 || (axis < 0 ? axis + 2 : axis) != static_cast<std::int64_t>(depth_axis)) {
    unit.decline("weight `", dq.inputs[0], "` of shape ", ir::to_string(stored->shape), " has blocks along axis ", axis,
                 "; a matrix with blocks along its depth is supported");
  }
  if (!allowed(Role::weight, stored->dtype)) {
    unit.decline("weight `", dq.inputs[0], "` is ", ir::name(stored->dtype),
                 " (supported: ", allowed_types(Role::weight), ")");
  }
  ir::Shape grid = stored->shape;
  grid[depth_axis] = ceil_div(grid[depth_axis], block);
  ir::QuantParams params;
  params.axis = static_cast<int>(depth_axis);
  params.block = block;
  const auto parameter = [&](std::size_t input, const char* what) -> const TensorData& {
    const TensorData* constant = has_input(dq, input) ? unit.index().constant(dq.inputs[input]) : nullptr;
    if (!constant) unit.decline(what, " of `", dq.inputs[0], "` is not constant");
    if (constant->shape != grid) {
      reject(dq, what, " has the shape ", ir::to_string(constant->shape), "; blocks of ", block, " need ",
             ir::to_string(grid));
    }
    return *constant;
  };
  params.scale = float_elements(parameter(1, "the scale"), dq.inputs[1]);
  params.zero_point.assign(params.scale.size(), 0);
  if (has_input(dq, 2)) {
    const std::vector<std::int64_t> zero_points = integer_elements(parameter(2, "the zero point"), dq.inputs[2]);
    std::copy(zero_points.begin(), zero_points.end(), params.zero_point.begin());
  }
  unit.add_float_tensor(0);
  unit.add_constant({dq.inputs[0], stored->dtype, stored->shape, std::move(params), stored->constant});
  unit.cover(*producer);
  unit.add_vector(2);
  unit.finish_leaving(attrs, node.outputs[0]);
  return true;
}

}  // namespace vaip::frontend::rules
