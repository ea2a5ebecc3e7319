// One factory per kind of layer; make_kernel() picks. Their errors do not name the layer: make_kernel() adds that.
#pragma once

#include <memory>

#include "kernels/kernel.h"

namespace vaip::kernels {

// multiply-accumulates
std::unique_ptr<Kernel> make_conv(const ir::ConvAttrs& attrs, const LayerOperands& operands,
                                  const KernelOptions& options);
std::unique_ptr<Kernel> make_matmul(const ir::MatMulAttrs& attrs, const LayerOperands& operands,
                                    const KernelOptions& options);
std::unique_ptr<Kernel> make_conv_transpose(const ir::ConvTransposeAttrs& attrs, const LayerOperands& operands,
                                            const KernelOptions& options);
std::unique_ptr<Kernel> make_integer_matmul(const LayerOperands& operands, const KernelOptions& options);
std::unique_ptr<Kernel> make_integer_conv(const ir::IntegerConvAttrs& attrs, const LayerOperands& operands,
                                          const KernelOptions& options);
// float rows times constants of few bits, quantized in blocks
std::unique_ptr<Kernel> make_block_matmul(const ir::MatMulAttrs& attrs, const LayerOperands& operands);
// a product of two activations, or with constants of more than two dimensions
std::unique_ptr<Kernel> make_batch_matmul(const ir::MatMulAttrs& attrs, const LayerOperands& operands,
                                          const KernelOptions& options);

// element-wise
std::unique_ptr<Kernel> make_quantize(const LayerOperands& operands);
std::unique_ptr<Kernel> make_dequantize(const LayerOperands& operands);
std::unique_ptr<Kernel> make_unary(const ir::Activation& function, const LayerOperands& operands);
std::unique_ptr<Kernel> make_arithmetic(const ir::ArithmeticAttrs& attrs, const LayerOperands& operands);
std::unique_ptr<Kernel> make_comparison(const ir::ComparisonAttrs& attrs, const LayerOperands& operands);
std::unique_ptr<Kernel> make_logic(const ir::LogicAttrs& attrs, const LayerOperands& operands);
// of integers that stand for themselves
std::unique_ptr<Kernel> make_integer_arithmetic(const ir::IntegerArithmeticAttrs& attrs, const LayerOperands& operands);
std::unique_ptr<Kernel> make_where(const LayerOperands& operands);
std::unique_ptr<Kernel> make_cast(const LayerOperands& operands);
std::unique_ptr<Kernel> make_dynamic_quantize(const LayerOperands& operands);

// windows and rows
std::unique_ptr<Kernel> make_pool(const ir::PoolAttrs& attrs, const LayerOperands& operands);
std::unique_ptr<Kernel> make_reduce(const ir::ReduceAttrs& attrs, const LayerOperands& operands);
// products, norms, sums of exponentials
std::unique_ptr<Kernel> make_reduce_terms(const ir::ReduceAttrs& attrs, const LayerOperands& operands);
std::unique_ptr<Kernel> make_softmax(const ir::SoftmaxAttrs& attrs, const LayerOperands& operands);
std::unique_ptr<Kernel> make_normalization(const ir::NormalizationAttrs& attrs, const LayerOperands& operands);
std::unique_ptr<Kernel> make_arg(const ir::ArgAttrs& attrs, const LayerOperands& operands);
std::unique_ptr<Kernel> make_top_k(const ir::TopKAttrs& attrs, const LayerOperands& operands);
std::unique_ptr<Kernel> make_cum_sum(const ir::CumSumAttrs& attrs, const LayerOperands& operands);
std::unique_ptr<Kernel> make_resize(const ir::ResizeAttrs& attrs, const LayerOperands& operands);

// data movement
std::unique_ptr<Kernel> make_concat(const LayerOperands& operands);
std::unique_ptr<Kernel> make_pad(const ir::PadAttrs& attrs, const LayerOperands& operands);
std::unique_ptr<Kernel> make_reshape(const LayerOperands& operands);
std::unique_ptr<Kernel> make_transpose(const LayerOperands& operands);
std::unique_ptr<Kernel> make_slice(const LayerOperands& operands);
std::unique_ptr<Kernel> make_split(const LayerOperands& operands);
std::unique_ptr<Kernel> make_expand(const LayerOperands& operands);
std::unique_ptr<Kernel> make_tile(const ir::TileAttrs& attrs, const LayerOperands& operands);
std::unique_ptr<Kernel> make_gather(const ir::GatherAttrs& attrs, const LayerOperands& operands);
std::unique_ptr<Kernel> make_space_depth(const ir::SpaceDepthAttrs& attrs, const LayerOperands& operands);

}  // namespace vaip::kernels
