"""Operators that list scales and zero points among their inputs: DequantizeLinear, the operator, QuantizeLinear.

From ai.onnx's and com.microsoft's operator specifications.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import helper

from . import elementwise, linear, pooling
from .node import Node, window
from .quant import Reals, Tensor, dequantize, from_real, quantize


def _tensor(node: Node, index: int, axis: int = 0) -> Tensor:
    """The tensor at `index`, its scale and its zero point behind it."""
    x, scale, zero_point = node.inputs[index], node.inputs[index + 1], node.optional(index + 2)
    return dequantize(x, scale.array, None if zero_point is None else zero_point.array, axis)


def _quantized(node: Node, real: Reals, scale: int, like: Tensor | None = None) -> Tensor:
    zero_point = node.optional(scale + 1)
    dtype = (like if zero_point is None else zero_point).array.dtype
    elem_type = helper.np_dtype_to_tensor_dtype(dtype)
    zero = None if zero_point is None else zero_point.array
    value = Tensor(real.astype(np.float32), exact=real)
    return quantize(value, node.inputs[scale].array, zero, 0, 0, elem_type)


def _bias(node: Node, index: int, x: Tensor, w: Tensor) -> Reals | float:
    """int32 in the accumulator's unit, whose scale is a float32 product."""
    bias = node.optional(index)
    if bias is None:
        return 0.0
    unit = x.scale.astype(np.float32) * w.scale.astype(np.float32)
    return bias.array.astype(np.float64) * unit.astype(np.float64).reshape(-1)


def _conv(node: Node) -> Tensor:
    x, w = _tensor(node, 0), _tensor(node, 3)
    rank = x.array.ndim - 2
    result = linear.conv(x, w, None, group=node.attr("group", 1), **window(node, rank))
    bias = np.asarray(_bias(node, 8, x, w)).reshape(-1, *[1] * rank)
    return _quantized(node, result + bias, 6)


def _matmul(node: Node) -> Tensor:
    return _quantized(node, linear.matmul(_tensor(node, 0), _tensor(node, 3, -1)), 6)


def _gemm(node: Node) -> Tensor:
    flags = {"transpose_a": bool(node.attr("transA", 0)), "transpose_b": bool(node.attr("transB", 0))}
    a, b = _tensor(node, 0), _tensor(node, 3, 0 if flags["transpose_b"] else 1)
    result = float(np.float32(node.attr("alpha", 1.0))) * (linear.matmul(a, b, **flags) + _bias(node, 6, a, b))
    if node.optional(7) is None:
        return from_real(result, keep_exact=False)
    return _quantized(node, result, 7)


def _binary(function: Callable[[Reals, Reals], Reals]) -> Callable[[Node], Tensor]:
    def operator(node: Node) -> Tensor:
        return _quantized(node, function(_tensor(node, 0).real, _tensor(node, 3).real), 6, node.inputs[0])

    return operator


def _unary(function: Callable[[Node, Reals], Reals]) -> Callable[[Node], Tensor]:
    return lambda node: _quantized(node, function(node, _tensor(node, 0).real), 3, node.inputs[0])


def _average_pool(node: Node, x: Reals) -> Reals:
    kernel = node.attr("kernel_shape")
    return pooling.pool(
        x,
        "average",
        kernel=kernel,
        ceil_mode=bool(node.attr("ceil_mode", 0)),
        count_include_pad=bool(node.attr("count_include_pad", 0)),
        **window(node, len(kernel)),
    )


def _global_average_pool(node: Node, x: Reals) -> Reals:
    axes = range(1, x.ndim - 1) if node.attr("channels_last", 0) else range(2, x.ndim)
    return elementwise.REDUCE["ReduceMean"](x, tuple(axes), True)


def _reduce_mean(node: Node, x: Reals) -> Reals:
    axes = tuple(a % x.ndim for a in node.attr("axes", range(x.ndim)))
    return elementwise.REDUCE["ReduceMean"](x, axes, bool(node.attr("keepdims", 1)))


def _softmax(node: Node, x: Reals) -> Reals:
    return elementwise.softmax(x, node.attr("axis", -1), log=False, flatten_to_2d=node.attr("opset") < 13)


def _where(node: Node) -> Tensor:
    real = np.where(node.plain(0), _tensor(node, 1).real, _tensor(node, 4).real)
    return _quantized(node, real, 7, node.inputs[1])


def _concat(node: Node) -> Tensor:
    parts = [_tensor(node, index).real for index in range(2, len(node.inputs), 3)]
    return _quantized(node, np.concatenate(parts, axis=node.attr("axis")), 0)


OPERATORS: dict[str, Callable[[Node], Tensor]] = {
    "QLinearConv": _conv,
    "QLinearMatMul": _matmul,
    "QGemm": _gemm,
    "QLinearAdd": _binary(np.add),
    "QLinearMul": _binary(np.multiply),
    "QLinearSigmoid": _unary(lambda n, x: elementwise.UNARY["Sigmoid"](x, n.attributes)),
    "QLinearLeakyRelu": _unary(lambda n, x: elementwise.UNARY["LeakyRelu"](x, n.attributes)),
    "QLinearAveragePool": _unary(_average_pool),
    "QLinearGlobalAveragePool": _unary(_global_average_pool),
    "QLinearReduceMean": _unary(_reduce_mean),
    "QLinearSoftmax": _unary(_softmax),
    "QLinearWhere": _where,
    "QLinearConcat": _concat,
}
