// Picks the kernel of a layer, and puts the layer's name into every error on the way.
#include <oneapi/dnnl/dnnl.hpp>

#include "base/error.h"
#include "kernels/layers.h"
#include "kernels/real_block.h"
#include "kernels/srs.h"

namespace vaip::kernels {
namespace {

class Overloads {
 public:
  Overloads(const LayerOperands& of_layer, const KernelOptions& given) : operands(of_layer), options(given) {}

  std::unique_ptr<Kernel> operator()(const ir::QuantizeAttrs&) const { return make_quantize(operands); }
  std::unique_ptr<Kernel> operator()(const ir::DequantizeAttrs&) const { return make_dequantize(operands); }
  std::unique_ptr<Kernel> operator()(const ir::RequantizeAttrs&) const { return make_unary({}, operands); }
  std::unique_ptr<Kernel> operator()(const ir::ConvAttrs& a) const { return make_conv(a, operands, options); }
  std::unique_ptr<Kernel> operator()(const ir::MatMulAttrs& a) const { return make_matmul(a, operands, options); }
  std::unique_ptr<Kernel> operator()(const ir::ConvTransposeAttrs& a) const {
    return make_conv_transpose(a, operands, options);
  }
  std::unique_ptr<Kernel> operator()(const ir::IntegerMatMulAttrs&) const {
    return make_integer_matmul(operands, options);
  }
  std::unique_ptr<Kernel> operator()(const ir::IntegerConvAttrs& a) const {
    return make_integer_conv(a, operands, options);
  }
  std::unique_ptr<Kernel> operator()(const ir::DynamicQuantizeAttrs&) const { return make_dynamic_quantize(operands); }
  std::unique_ptr<Kernel> operator()(const ir::ComparisonAttrs& a) const { return make_comparison(a, operands); }
  std::unique_ptr<Kernel> operator()(const ir::LogicAttrs& a) const { return make_logic(a, operands); }
  std::unique_ptr<Kernel> operator()(const ir::IntegerArithmeticAttrs& a) const {
    return make_integer_arithmetic(a, operands);
  }
  std::unique_ptr<Kernel> operator()(const ir::WhereAttrs&) const { return make_where(operands); }
  std::unique_ptr<Kernel> operator()(const ir::CastAttrs&) const { return make_cast(operands); }
  std::unique_ptr<Kernel> operator()(const ir::NormalizationAttrs& a) const { return make_normalization(a, operands); }
  std::unique_ptr<Kernel> operator()(const ir::ArgAttrs& a) const { return make_arg(a, operands); }
  std::unique_ptr<Kernel> operator()(const ir::TopKAttrs& a) const { return make_top_k(a, operands); }
  std::unique_ptr<Kernel> operator()(const ir::CumSumAttrs& a) const { return make_cum_sum(a, operands); }
  std::unique_ptr<Kernel> operator()(const ir::ExpandAttrs&) const { return make_expand(operands); }
  std::unique_ptr<Kernel> operator()(const ir::TileAttrs& a) const { return make_tile(a, operands); }
  std::unique_ptr<Kernel> operator()(const ir::GatherAttrs& a) const { return make_gather(a, operands); }
  std::unique_ptr<Kernel> operator()(const ir::SpaceDepthAttrs& a) const { return make_space_depth(a, operands); }
  std::unique_ptr<Kernel> operator()(const ir::ArithmeticAttrs& a) const { return make_arithmetic(a, operands); }
  std::unique_ptr<Kernel> operator()(const ir::ElementwiseAttrs& a) const { return make_unary(a.function, operands); }
  std::unique_ptr<Kernel> operator()(const ir::PoolAttrs& a) const { return make_pool(a, operands); }
  std::unique_ptr<Kernel> operator()(const ir::ReduceAttrs& a) const { return make_reduce(a, operands); }
  std::unique_ptr<Kernel> operator()(const ir::SoftmaxAttrs& a) const { return make_softmax(a, operands); }
  std::unique_ptr<Kernel> operator()(const ir::ShapeAttrs&) const { return unbound(); }
  std::unique_ptr<Kernel> operator()(const ir::RangeAttrs&) const { return unbound(); }
  std::unique_ptr<Kernel> operator()(const ir::ConcatAttrs&) const { return make_concat(operands); }
  std::unique_ptr<Kernel> operator()(const ir::PadAttrs& a) const { return make_pad(a, operands); }
  std::unique_ptr<Kernel> operator()(const ir::ReshapeAttrs&) const { return make_reshape(operands); }
  std::unique_ptr<Kernel> operator()(const ir::TransposeAttrs&) const { return make_transpose(operands); }
  std::unique_ptr<Kernel> operator()(const ir::SliceAttrs&) const { return make_slice(operands); }
  std::unique_ptr<Kernel> operator()(const ir::SplitAttrs&) const { return make_split(operands); }
  std::unique_ptr<Kernel> operator()(const ir::ResizeAttrs& a) const { return make_resize(a, operands); }

 private:
  [[noreturn]] static std::unique_ptr<Kernel> unbound() {
    fail(ErrorKind::internal, "follows from shapes that have not been bound");
  }

  const LayerOperands& operands;
  const KernelOptions& options;
};

// Products: their second operand may be packed, further ones absent.
bool has_two_operands(const ir::Layer& layer) {
  return layer.as<ir::ConvAttrs>() || layer.as<ir::ConvTransposeAttrs>() || layer.as<ir::MatMulAttrs>() ||
         layer.as<ir::IntegerMatMulAttrs>() || layer.as<ir::IntegerConvAttrs>();
}

std::size_t needed_inputs(const ir::Layer& layer) {
  if (layer.as<ir::WhereAttrs>()) return 3;
  return has_two_operands(layer) || layer.as<ir::GatherAttrs>() || layer.as<ir::ComparisonAttrs>() ? 2 : 1;
}

// What the factories may rely on.
void check_operands(const LayerOperands& operands) {
  const ir::Layer& layer = operands.layer;
  const bool two_inputs = has_two_operands(layer);
  const std::size_t needed = needed_inputs(layer);
  const bool optional = two_inputs || layer.as<ir::NormalizationAttrs>();  // the inputs behind those
  if (operands.inputs.size() < needed || operands.outputs.empty())
    fail(ErrorKind::invalid_model, operands.inputs.size(), " inputs and ", operands.outputs.size(), " outputs; needs ",
         needed, " and 1");
  for (std::size_t i = 0; i < operands.inputs.size(); ++i)
    if (!operands.inputs[i].present() && (i < needed || !optional))
      fail(ErrorKind::invalid_model, "input ", i, " is absent");
  const auto check = [&](const Operand& operand, bool is_input) {
    if (!operand.present()) return;
    const bool packed_weight = is_input && operand.constant && two_inputs && ir::is_integer(operand.dtype);
    if (!ir::is_static(operand.shape))
      fail(ErrorKind::internal, "tensor '", operand.name, "' has the unbound shape ", ir::to_string(operand.shape));
    if (!is_computable(operand.dtype) && !packed_weight && !ir::is_data_movement(layer))
      fail(ErrorKind::unsupported, "tensor '", operand.name, "' is of type ", ir::name(operand.dtype));
  };
  for (const Operand& operand : operands.inputs) check(operand, true);
  for (const Operand& operand : operands.outputs) check(operand, false);
  if (strided_access(operands) == StridedAccess::impossible)
    fail(ErrorKind::internal, "a tensor has strides that are not those of its layout");
}

}  // namespace

std::unique_ptr<Kernel> make_kernel(const LayerOperands& operands, const KernelOptions& options) {
  const ir::Layer& layer = operands.layer;
  try {
    check_operands(operands);
    if (!options.device_rounding) return std::visit(Overloads(operands, options), layer.attrs);
    const DeviceLayer device(operands, *options.device_rounding);
    return std::visit(Overloads(device.operands(), options), device.operands().layer.attrs);
  } catch (const Error& e) {
    throw Error(e.kind(), layer.op + " '" + layer.name + "': " + e.what());
  } catch (const dnnl::error& e) {
    fail(ErrorKind::internal, layer.op, " '", layer.name, "': oneDNN cannot make its primitive: ", e.what());
  }
}

LayoutPolicy layout_policy(const ir::Layer& layer) {
  if (layer.as<ir::ConvAttrs>() || layer.as<ir::ConvTransposeAttrs>() || layer.as<ir::IntegerConvAttrs>() ||
      layer.as<ir::PoolAttrs>() || layer.as<ir::ResizeAttrs>())
    return LayoutPolicy::channels_last;
  if (layer.as<ir::MatMulAttrs>() || layer.as<ir::IntegerMatMulAttrs>() || layer.as<ir::ReshapeAttrs>() ||
      layer.as<ir::GatherAttrs>())
    return LayoutPolicy::row_major;
  if (layer.as<ir::TransposeAttrs>()) return LayoutPolicy::writes_row_major;
  return LayoutPolicy::follows_inputs;
}

}  // namespace vaip::kernels
