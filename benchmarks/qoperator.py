"""Operators on integers (QLinearConv, com.microsoft's QLinearAdd, ...) as the Q(op(DQ(x), ...)) that they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

Triple = tuple[int, int, int]  # where value, scale and zero point are among the inputs


class _Form(NamedTuple):
    op: str
    operands: tuple[Triple, ...]
    output: tuple[int, int]  # scale and zero point
    bias: int | None = None  # 32-bit integers in steps of the product of the operands' scales


_ONE, _TWO = ((0, 1, 2),), ((0, 1, 2), (3, 4, 5))
_FORMS = {
    "QLinearConv": _Form("Conv", _TWO, (6, 7), bias=8),
    "QLinearMatMul": _Form("MatMul", _TWO, (6, 7)),
    "QGemm": _Form("Gemm", _TWO, (7, 8), bias=6),
    "QLinearAdd": _Form("Add", _TWO, (6, 7)),
    "QLinearMul": _Form("Mul", _TWO, (6, 7)),
    "QLinearSigmoid": _Form("Sigmoid", _ONE, (3, 4)),
    "QLinearLeakyRelu": _Form("LeakyRelu", _ONE, (3, 4)),
    "QLinearSoftmax": _Form("Softmax", _ONE, (3, 4)),
    "QLinearAveragePool": _Form("AveragePool", _ONE, (3, 4)),
    "QLinearGlobalAveragePool": _Form("GlobalAveragePool", _ONE, (3, 4)),
}
_NOT_STANDARD = ("channels_last", "opset")  # attributes of onnxruntime's operators alone


def to_qdq(model: ModelProto) -> ModelProto:
    """In place; operators that are not known here stay."""
    graph = model.graph
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    nodes: list[NodeProto] = []
    for node in graph.node:
        form = _form(node)
        nodes += [node] if form is None else _written_out(node, form, constants, model)
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def _form(node: NodeProto) -> _Form | None:
    if node.op_type == "QLinearConcat":  # the output's scale and zero point come first
        return _Form("Concat", tuple((i, i + 1, i + 2) for i in range(2, len(node.input), 3)), (0, 1))
    return _FORMS.get(node.op_type)


def _written_out(
    node: NodeProto, form: _Form, constants: Mapping[str, NDArray[Any]], model: ModelProto
) -> list[NodeProto]:
    name = node.output[0]
    nodes, operands = [], []
    # A weight's scale per output channel belongs to its first axis in a convolution, to the last in a product.
    axis = 0 if form.op == "Conv" else 1
    for position, triple in enumerate(form.operands):
        operands.append(f"{name}/operand{position}")
        inputs = [node.input[i] for i in triple]
        nodes.append(helper.make_node("DequantizeLinear", inputs, operands[-1:], axis=axis))
    if form.bias is not None and form.bias < len(node.input) and node.input[form.bias]:
        x, w = (constants[node.input[scale]].astype(np.float64) for _, scale, _ in form.operands)
        model.graph.initializer.append(numpy_helper.from_array((x * w).astype(np.float32), f"{name}/bias_scale"))
        operands.append(f"{name}/bias")
        nodes.append(
            helper.make_node("DequantizeLinear", [node.input[form.bias], f"{name}/bias_scale"], operands[-1:], axis=0)
        )
    real = helper.make_node(form.op, operands, [f"{name}/real"], name=node.name)
    real.attribute.extend(a for a in node.attribute if a.name not in _NOT_STANDARD)
    parameters = [node.input[i] for i in form.output]
    return [*nodes, real, helper.make_node("QuantizeLinear", [f"{name}/real", *parameters], [name])]
