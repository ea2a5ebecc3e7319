// Which kernels read and write tensors that lie in others: rows, with something else between them.
#include <algorithm>

#include "kernels/channel_conv.h"
#include "kernels/conv_problem.h"
#include "kernels/kernel.h"
#include "kernels/loop_nest.h"

namespace vaip::kernels {
namespace {

// Shorter runs cost more to begin than a copy of theirs does.
constexpr std::int64_t kShortestRun = 64;

bool all_dense(const std::vector<Operand>& operands, std::size_t first = 0) {
  for (std::size_t i = first; i < operands.size(); ++i)
    if (operands[i].present() && !is_dense(operands[i])) return false;
  return true;
}

LoopNest nest_of(const LayerOperands& operands, bool dense) {
  const Operand& y = operands.outputs[0];
  const auto seen_from_output = [&](Operand operand) {
    if (dense) operand.strides = strides_of(operand.shape, operand.layout);
    return broadcast_strides(operand, y.shape);
  };
  std::vector<ir::Shape> strides = {seen_from_output(y)};
  for (const Operand& x : operands.inputs) strides.push_back(seen_from_output(x));
  return LoopNest(y.shape, strides);
}

// Whether loops over all elements meet runs of them as contiguous as those of dense tensors, if not as long.
bool keeps_runs(const LayerOperands& operands) {
  const auto fits = [&](const Operand& x) { return x.present() && x.rank() <= operands.outputs[0].rank(); };
  if (operands.outputs.size() != 1 || operands.inputs.size() >= LoopNest::kMaxOperands ||
      !std::all_of(operands.inputs.begin(), operands.inputs.end(), fits))
    return false;
  const LoopNest given = nest_of(operands, false), dense = nest_of(operands, true);
  return given.inner().strides == dense.inner().strides &&
         (given.inner().size >= kShortestRun || given.inner().size == dense.inner().size);
}

// A constant's numbers are those of channels only where there are rows of these.
bool has_rows(const LayerOperands& operands) {
  const auto fits = [](const Operand& x) { return x.constant || rows_of(x); };
  return rows_of(operands.outputs[0]) && std::all_of(operands.inputs.begin(), operands.inputs.end(), fits);
}

// Of a product with weights that are packed: its result, where nothing is added to that, and its source where it lies
// in pixels of so many channels. Most sources are converted anyway; oneDNN reads those where they are that need not be.
StridedAccess access_of_product(const LayerOperands& operands, std::int64_t channels, bool converts) {
  const Operand &x = operands.inputs[0], &y = operands.outputs[0];
  if (!rows_of(y) || operands.inputs.size() > 3 || !all_dense(operands.inputs, 1)) return StridedAccess::impossible;
  if (is_dense(x)) return StridedAccess::direct;
  if (!pixel_pitch(x, channels)) return StridedAccess::impossible;
  if (converts || x.dtype == ir::DType::s8 || x.dtype == ir::DType::s16 || x.dtype == ir::DType::u16)
    return StridedAccess::direct;
  return x.dtype == ir::DType::u8 || x.dtype == ir::DType::bf16 ? StridedAccess::by_copy : StridedAccess::impossible;
}

StridedAccess access_of(const ir::ConvAttrs& attrs, const LayerOperands& operands) {
  const Operand &x = operands.inputs[0], &w = operands.inputs[1], &y = operands.outputs[0];
  if (x.rank() < 3 || w.rank() != x.rank()) return StridedAccess::impossible;
  return access_of_product(operands, x.shape[1], is_channel_conv(conv_problem(attrs, x, w, y), x, w));
}

StridedAccess access_of(const ir::MatMulAttrs& attrs, const LayerOperands& operands) {
  const Operand &a = operands.inputs[0], &b = operands.inputs[1];
  const bool in_blocks = b.quant && b.quant->block > 0;
  if (!b.constant || b.rank() != 2 || in_blocks || attrs.transpose_a) return StridedAccess::impossible;
  return access_of_product(operands, a.shape.back(), false);
}

bool takes_pixels(const LayerOperands& operands) {
  const Operand &x = operands.inputs[0], &y = operands.outputs[0];
  return x.rank() >= 3 && pixel_pitch(x, x.shape[1]) && pixel_pitch(y, y.shape[1]);
}

bool keeps_channels(const LayerOperands& operands) {
  const auto contiguous = [](const Operand& x) { return x.rank() >= 3 && (x.shape[1] == 1 || x.strides[1] == 1); };
  return contiguous(operands.inputs[0]) && contiguous(operands.outputs[0]) &&
         operands.outputs[0].shape[1] >= kShortestRun;
}

}  // namespace

StridedAccess strided_access(const LayerOperands& operands) {
  if (all_dense(operands.inputs) && all_dense(operands.outputs)) return StridedAccess::direct;
  const ir::Layer& layer = operands.layer;
  const auto direct_if = [](bool condition) { return condition ? StridedAccess::direct : StridedAccess::impossible; };
  if (layer.as<ir::ConcatAttrs>() || layer.as<ir::SplitAttrs>() || layer.as<ir::SliceAttrs>() ||
      layer.as<ir::TransposeAttrs>() || layer.as<ir::PadAttrs>() || layer.as<ir::ExpandAttrs>() ||
      layer.as<ir::SpaceDepthAttrs>())
    return StridedAccess::direct;
  if (layer.as<ir::QuantizeAttrs>() || layer.as<ir::DequantizeAttrs>() || layer.as<ir::RequantizeAttrs>() ||
      layer.as<ir::ElementwiseAttrs>())
    return direct_if(keeps_runs(operands));
  if (layer.as<ir::ArithmeticAttrs>()) return direct_if(keeps_runs(operands) && has_rows(operands));
  if (const auto* conv = layer.as<ir::ConvAttrs>()) return access_of(*conv, operands);
  if (const auto* product = layer.as<ir::MatMulAttrs>()) return access_of(*product, operands);
  if (layer.as<ir::PoolAttrs>()) return direct_if(takes_pixels(operands));
  if (layer.as<ir::ResizeAttrs>()) return direct_if(keeps_channels(operands));
  return StridedAccess::impossible;
}

}  // namespace vaip::kernels
