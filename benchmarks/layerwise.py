"""Each quantized layer of a model, computed by two providers from the same inputs.

The model is cut at every tensor of integers that it computes: in the cut model such a tensor is an output, and what
reads it reads an input of the same shape instead. Given one provider's tensors, the other computes every layer from
these in a single run, so that a rounding here is not held against the layers behind it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

Arrays = Mapping[str, NDArray[Any]]

QUANTIZERS = ("QuantizeLinear", "ExtendedQuantizeLinear")
DEQUANTIZERS = ("DequantizeLinear", "ExtendedDequantizeLinear")
INTEGER_OPERATORS = ("QLinear", "QGemm", "MatMulInteger", "ConvInteger")  # beginnings of their names
FLOATS = (TensorProto.BFLOAT16, TensorProto.FLOAT16)
GIVEN = "/given"  # follows a tensor's name where a cut model takes it as input
# Operators that pass integers on as they are, where they read integers.
MOVEMENT = ("Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Slice", "MaxPool", "Split", "Concat", "Gather")
# Functions that belong to the layer before them.
ACTIVATIONS = ("Relu", "Clip", "LeakyRelu", "Mul")


@dataclass(frozen=True)
class Boundary:
    """A tensor where a layer ends: integers that Q, DynamicQuantizeLinear or an operator on integers writes."""

    tensor: str
    node: str
    op: str  # of the layer


def boundaries(model: ModelProto) -> list[Boundary]:
    producers = {name: node for node in model.graph.node for name in node.output}
    types = {t.name: t.data_type for t in model.graph.initializer}
    found: dict[str, Boundary] = {}
    for node in model.graph.node:
        ends = list(node.output[:1])
        if node.op_type in QUANTIZERS:
            if len(node.input) > 2 and types.get(node.input[2]) in FLOATS:
                continue  # Quark's BF16 writes conversions to shorter floats as Q/DQ
            op = _layer_operator(node, producers)
        elif node.op_type == "DynamicQuantizeLinear":
            # Scale and zero point are a layer's results as much as the integers.
            op, ends = _layer_operator(node, producers), list(node.output)
        elif node.op_type.startswith(("QLinear", "QGemm")):
            op = node.op_type
        elif node.op_type in MOVEMENT and node.input[0] in found:
            op, ends = node.op_type, list(node.output)
        else:
            continue
        found |= {name: Boundary(name, node.name, op) for name in ends if name}
    return list(found.values())


def _layer_operator(quantizer: NodeProto, producers: Mapping[str, NodeProto]) -> str:
    """The operator that a Q ends, past an activation."""
    node = producers.get(quantizer.input[0])
    if node is None or node.op_type in DEQUANTIZERS:
        return quantizer.op_type  # of the model's input, or from one scale to another
    before = producers.get(node.input[0])
    if node.op_type in ACTIVATIONS and before is not None and before.op_type not in (*DEQUANTIZERS, *QUANTIZERS):
        return before.op_type
    return node.op_type


def exposed(model: ModelProto) -> ModelProto:
    """The model with all boundaries among its outputs."""
    result = ModelProto()
    result.CopyFrom(model)
    visible = {value.name for value in model.graph.output}
    # onnxruntime infers the types of outputs that declare none.
    result.graph.output.extend(ValueInfoProto(name=b.tensor) for b in boundaries(model) if b.tensor not in visible)
    return result


def cut(model: ModelProto, tensors: Arrays) -> ModelProto:
    """The cut model; `tensors` holds the value of each boundary."""
    result = exposed(model)
    at = {b.tensor for b in boundaries(model)}
    read = {name for node in model.graph.node for name in node.input} & at
    for node in result.graph.node:
        for index, name in enumerate(node.input):
            if name in at:
                node.input[index] = name + GIVEN
    for name in sorted(read):
        array = tensors[name]
        elem_type = helper.np_dtype_to_tensor_dtype(array.dtype)
        result.graph.input.append(helper.make_tensor_value_info(name + GIVEN, elem_type, array.shape))
    del result.graph.value_info[:]
    return result


def feeds_of(model: ModelProto, inputs: Arrays, tensors: Arrays) -> dict[str, NDArray[Any]]:
    names = [value.name for value in model.graph.input]
    return {name: inputs[name] if name in inputs else tensors[name.removesuffix(GIVEN)] for name in names}


def layer(model: ModelProto, output: str) -> ModelProto:
    """The part of a cut model that computes one boundary."""
    graph = model.graph
    producers = {name: node for node in graph.node for name in node.output}
    needed: set[str] = set()
    waiting = deque([output])
    while waiting:
        name = waiting.popleft()
        if name not in needed:
            needed.add(name)
            waiting.extend(producers[name].input if name in producers else ())
    part = GraphProto(
        name=output,
        node=[node for node in graph.node if needed.intersection(node.output)],
        input=[value for value in graph.input if value.name in needed],
        output=[value for value in graph.output if value.name == output],
        initializer=[tensor for tensor in graph.initializer if tensor.name in needed],
    )
    return helper.make_model(part, opset_imports=model.opset_import, ir_version=model.ir_version)


@dataclass
class Difference:
    """Of one tensor, in steps of its quantization."""

    elements: int
    different: int
    largest: int


def difference(ours: NDArray[Any], theirs: NDArray[Any]) -> Difference:
    if ours.dtype.kind == "f":  # a scale that was computed: equal or not
        different = int(np.count_nonzero(ours != theirs))
        return Difference(ours.size, different, int(different > 0))
    steps = np.abs(ours.astype(np.int64) - theirs.astype(np.int64))
    return Difference(steps.size, int(np.count_nonzero(steps)), int(steps.max(initial=0)))


def works_on_integers(model: ModelProto) -> bool:
    return any(node.op_type.startswith(INTEGER_OPERATORS) for node in model.graph.node)


def with_standard_names(model: ModelProto) -> ModelProto:
    """Quark's and onnxruntime's own Q/DQ mean what ONNX's mean on the types that they add."""
    for node in model.graph.node:
        if node.op_type in (*QUANTIZERS, *DEQUANTIZERS):
            node.op_type = node.op_type.removeprefix("Extended")
            node.domain = ""
    return model


def output_steps(model: ModelProto, constants: Mapping[str, NDArray[Any]], names: Iterable[str]) -> dict[str, float]:
    """The step of each model output that is quantized, as a float where it is dequantized at the end."""
    producers = {name: node for node in model.graph.node for name in node.output}
    steps = {}
    for name in names:
        node = producers.get(name)
        while node is not None and node.op_type in ("Reshape", "Flatten", "Transpose", "Squeeze", "Identity"):
            node = producers.get(node.input[0])
        if node is not None and node.op_type in DEQUANTIZERS and node.input[1] in constants:
            scale = constants[node.input[1]]
            if scale.size == 1:
                steps[name] = float(scale.reshape(()))
    return steps
