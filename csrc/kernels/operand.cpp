#include "kernels/operand.h"

#include <algorithm>

#include "base/error.h"
#include "ir/packed.h"
#include "kernels/real_block.h"

namespace vaip::kernels {

Affine Operand::affine() const {
  if (!quant) return {};
  if (!quant->per_tensor())
    fail(ErrorKind::unsupported, "tensor '", name, "' is quantized per axis (", quant->scale.size(),
         " scales along axis ", quant->axis, "); this operator reads and writes tensors quantized per tensor");
  return {static_cast<double>(quant->scale[0]), static_cast<double>(quant->zero_point[0])};
}

bool is_of_8_or_16_bits(ir::DType dtype) {
  return dtype == ir::DType::u8 || dtype == ir::DType::s8 || dtype == ir::DType::u16 || dtype == ir::DType::s16;
}

Operand make_operand(const ir::Value& value, Layout layout) {
  Operand operand;
  operand.name = value.name;
  operand.dtype = value.dtype;
  operand.shape = value.shape;
  operand.layout = layout;
  operand.strides = strides_of(value.shape, layout);
  operand.quant = value.quant;
  operand.constant = value.constant;
  return operand;
}

ir::Shape strides_of(const ir::Shape& shape, Layout layout) {
  if (layout == Layout::row_major || shape.size() < 3) return ir::row_major_strides(shape);
  ir::Shape strides(shape.size());
  strides[1] = 1;
  std::int64_t step = shape[1];
  for (std::size_t d = shape.size() - 1; d >= 2; --d) {
    strides[d] = step;
    step *= shape[d];
  }
  strides[0] = step;
  return strides;
}

bool same_order(const ir::Shape& shape, Layout a, Layout b) {
  if (a == b || shape.size() < 3) return true;
  const std::int64_t spatial = ir::element_count(ir::Shape(shape.begin() + 2, shape.end()));
  return shape[1] <= 1 || spatial <= 1 || shape[0] == 0;
}

bool is_dense(const Operand& operand) {
  const ir::Shape dense = strides_of(operand.shape, operand.layout);
  for (std::size_t d = 0; d < dense.size(); ++d)
    if (operand.shape[d] > 1 && operand.strides[d] != dense[d]) return false;
  return true;
}

std::optional<Rows> rows_of(const Operand& operand) {
  std::vector<std::size_t> order;  // innermost first
  const bool channels_last = operand.layout == Layout::channels_last && operand.rank() >= 3;
  if (channels_last) order.push_back(1);
  for (std::size_t d = operand.shape.size(); d-- > 0;)
    if (!channels_last || d != 1) order.push_back(d);
  Rows rows{1, 0};
  std::int64_t next = 0;  // the stride of a dimension that goes on
  for (const std::size_t d : order) {
    const std::int64_t size = operand.shape[d], stride = operand.strides[d];
    if (size == 1) continue;
    if (rows.pitch == 0 && stride == rows.length) {
      rows.length *= size;
      continue;
    }
    if (rows.pitch == 0 && stride > rows.length)
      rows.pitch = stride;
    else if (rows.pitch == 0 || stride != next)
      return std::nullopt;
    next = stride * size;
  }
  if (rows.pitch == 0) rows.pitch = rows.length;
  return rows;
}

std::optional<std::int64_t> pixel_pitch(const Operand& operand, std::int64_t channels) {
  const std::optional<Rows> rows = rows_of(operand);
  if (!rows) return std::nullopt;
  if (rows->length == operand.count()) return channels;
  if (rows->length != channels) return std::nullopt;
  return rows->pitch;
}

ir::Shape broadcast_strides(const Operand& operand, const ir::Shape& shape) {
  ir::Shape strides(shape.size(), 0);
  const std::size_t lead = shape.size() - operand.shape.size();
  for (std::size_t d = 0; d < operand.shape.size(); ++d)
    if (operand.shape[d] != 1) strides[lead + d] = operand.strides[d];
  return strides;
}

namespace {

// Elements per step of the quantization axis.
std::int64_t inner_count(const ir::Shape& shape, int axis) {
  return ir::element_count(ir::Shape(shape.begin() + axis + 1, shape.end()));
}

}  // namespace

void check_size(const Operand& constant) {
  const std::size_t bits = ir::is_packed(constant.dtype) ? 4 : 8 * ir::size_of(constant.dtype);
  const std::size_t needed = (static_cast<std::size_t>(constant.count()) * bits + 7) / 8;
  if (!constant.constant || constant.constant->size_bytes < needed)
    fail(ErrorKind::invalid_model, "constant '", constant.name, "' of shape ", ir::to_string(constant.shape),
         " and type ", ir::name(constant.dtype), " needs ", needed, " bytes but has ",
         constant.constant ? constant.constant->size_bytes : 0);
}

std::vector<double> real_values(const Operand& constant) {
  check_size(constant);
  const std::int64_t count = constant.count();
  std::vector<double> real(static_cast<std::size_t>(count));
  if (ir::is_packed(constant.dtype)) {
    const std::vector<std::int8_t> integers = unpack_4_bits(constant);
    std::copy(integers.begin(), integers.end(), real.begin());
  } else {
    load_real(constant.dtype, constant.constant->data.get(), 0, 1, count, Affine{}, real.data());
  }
  if (!constant.quant) return real;
  const ir::QuantParams& quant = *constant.quant;
  const std::int64_t inner = quant.per_tensor() ? count : inner_count(constant.shape, quant.axis);
  const std::int64_t length = quant.block > 0 ? constant.shape[static_cast<std::size_t>(quant.axis)] : 0;
  const std::int64_t blocks = quant.block > 0 ? (length + quant.block - 1) / quant.block : 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t along = i / inner;
    const std::int64_t position =
        quant.block > 0 ? (along / length * blocks + along % length / quant.block) * inner + i % inner : along;
    const auto entry = static_cast<std::size_t>(position) % quant.scale.size();
    double& value = real[static_cast<std::size_t>(i)];
    value = (value - quant.zero_point[entry]) * static_cast<double>(quant.scale[entry]);
  }
  return real;
}

std::vector<std::int8_t> unpack_4_bits(const Operand& constant) {
  check_size(constant);
  return ir::unpack_4_bits(constant.constant->as<std::uint8_t>(), static_cast<std::size_t>(constant.count()),
                           constant.dtype);
}

}  // namespace vaip::kernels
