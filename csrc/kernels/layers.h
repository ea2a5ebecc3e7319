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
// a product of two activations, or with constants of more than two dimensions
std::unique_ptr<Kernel> make_batch_matmul(const ir::MatMulAttrs& attrs, const LayerOperands& operands,
                                          const KernelOptions& options);

// element-wise
std::unique_ptr<Kernel> make_quantize(const LayerOperands& operands);
std::unique_ptr<Kernel> make_dequantize(const LayerOperands& operands);
std::unique_ptr<Kernel> make_unary(const ir::Activation& function, const LayerOperands& operands);
std::unique_ptr<Kernel> make_arithmetic(const ir::ArithmeticAttrs& attrs, const LayerOperands& operands);

// windows and rows
std::unique_ptr<Kernel> make_pool(const ir::PoolAttrs& attrs, const LayerOperands& operands);
std::unique_ptr<Kernel> make_reduce(const ir::ReduceAttrs& attrs, const LayerOperands& operands);
std::unique_ptr<Kernel> make_softmax(const ir::SoftmaxAttrs& attrs, const LayerOperands& operands);
std::unique_ptr<Kernel> make_resize(const ir::ResizeAttrs& attrs, const LayerOperands& operands);

// data movement
std::unique_ptr<Kernel> make_concat(const ir::ConcatAttrs& attrs, const LayerOperands& operands);
std::unique_ptr<Kernel> make_pad(const ir::PadAttrs& attrs, const LayerOperands& operands);
std::unique_ptr<Kernel> make_reshape(const LayerOperands& operands);
std::unique_ptr<Kernel> make_transpose(const ir::TransposeAttrs& attrs, const LayerOperands& operands);
std::unique_ptr<Kernel> make_slice(const ir::SliceAttrs& attrs, const LayerOperands& operands);
std::unique_ptr<Kernel> make_split(const ir::SplitAttrs& attrs, const LayerOperands& operands);
// same logical tensor, another layout
std::unique_ptr<Kernel> make_reorder(const Operand& from, const Operand& to);

}  // namespace vaip::kernels
