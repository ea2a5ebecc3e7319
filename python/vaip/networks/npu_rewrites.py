"""What AMD Quark changes in a network for the NPU: before quantization, and after it to imitate NPU arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

# The NPU's HardSigmoid multiplies by 2731 / 2^14 where the operator has 1 / 6.
HARD_SIGMOID_SCALE = 2731 / 2**14 * 6
# The NPU's average pools multiply by k / 2^n in place of 1 / (window): (k, n) by side of the window.
AVERAGE_FACTORS = {3: (7, 6), 5: (10, 8), 6: (7, 8), 7: (21, 10), 14: (21, 12)}

Rewrite = Callable[[NodeProto], Iterator[NodeProto]]


def prepare(model: ModelProto, excluded: Callable[[NodeProto], bool]) -> None:
    """Before quantization, in place: BatchNormalization becomes a depthwise convolution, Split becomes Slices."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}

    def add(name: str, values: np.ndarray) -> str:
        model.graph.initializer.append(numpy_helper.from_array(values, name))
        return name

    def as_convolution(node: NodeProto) -> Iterator[NodeProto]:
        scale, shift, mean, variance = (numpy_helper.to_array(constants[name]) for name in node.input[1:5])
        epsilon = next(a.f for a in node.attribute if a.name == "epsilon")
        factor = (scale / np.sqrt(variance + epsilon)).astype(np.float32)
        weight = add(f"{node.name}.folded_weight", factor.reshape(-1, 1, 1, 1))
        bias = add(f"{node.name}.folded_bias", (shift - mean * factor).astype(np.float32))
        inputs = [node.input[0], weight, bias]
        yield helper.make_node("Conv", inputs, node.output, name=node.name, kernel_shape=(1, 1), group=factor.size)

    def as_slices(node: NodeProto) -> Iterator[NodeProto]:
        if excluded(node):
            yield node
            return
        axis = next(a.i for a in node.attribute if a.name == "axis")
        axes = add(f"{node.name}.axes", np.array([axis], np.int64))
        start = 0
        for output, size in zip(node.output, numpy_helper.to_array(constants[node.input[1]]), strict=True):
            bounds = [
                add(f"{output}.{k}", np.array([v], np.int64)) for k, v in (("start", start), ("end", start + size))
            ]
            yield helper.make_node("Slice", [node.input[0], *bounds, axes], [output], name=output)
            start += int(size)

    _rewrite(model, {"BatchNormalization": as_convolution, "Split": as_slices})


def imitate_npu(model: ModelProto, shapes: dict[str, tuple[int, ...]], excluded: Callable[[NodeProto], bool]) -> None:
    """After quantization, in place: Sigmoid becomes HardSigmoid; factors of the NPU's HardSigmoid and average pools.

    shapes: of the float model's tensors.
    """
    factors: list[TensorProto] = []

    def scaled(node: NodeProto, factor: float) -> Iterator[NodeProto]:
        output = node.output[0]
        node.output[0] = f"{output}_unscaled"
        factors.append(numpy_helper.from_array(np.array(factor, np.float32), f"{output}_factor"))
        yield node
        yield helper.make_node("Mul", [node.output[0], factors[-1].name], [output], name=f"{output}_Mul")

    def hard_sigmoid(node: NodeProto) -> Iterator[NodeProto]:
        if excluded(node):
            yield node
            return
        function = helper.make_node("HardSigmoid", node.input, node.output, name=node.name, alpha=1.0 / 6.0, beta=0.5)
        yield from scaled(function, HARD_SIGMOID_SCALE)

    def average(node: NodeProto) -> Iterator[NodeProto]:
        kernel = next((tuple(a.ints) for a in node.attribute if a.name == "kernel_shape"), None)
        window = kernel or shapes[node.input[0].removesuffix("_dequantized")][2:]
        # Quark has no factor for a window that is not square.
        if excluded(node) or window[0] != window[1]:
            yield node
            return
        yield from scaled(node, average_factor(window[0]))

    rewrites = {"Sigmoid": hard_sigmoid, "HardSigmoid": hard_sigmoid}
    _rewrite(model, {**rewrites, "AveragePool": average, "GlobalAveragePool": average})
    model.graph.initializer.extend(factors)


def average_factor(side: int) -> float:
    """How far the NPU's average over side x side elements is from the exact one."""
    area = float(side * side)
    if side > 255:
        return 1.0
    if side in AVERAGE_FACTORS:
        k, n = AVERAGE_FACTORS[side]
        return k / 2.0**n * area
    candidates = [round(2.0**n / area) / 2.0**n for n in range(7 + math.ceil(math.log2(area)))]
    return min(candidates, key=lambda c: abs(c - 1 / area)) * area


def _rewrite(model: ModelProto, rewrites: dict[str, Rewrite]) -> None:
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        rewrite = rewrites.get(node.op_type)
        nodes.extend(rewrite(node) if rewrite else [node])
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)
    read = {name for node in model.graph.node for name in node.input}
    unread = [tensor for tensor in model.graph.initializer if tensor.name not in read]
    for tensor in unread:
        model.graph.initializer.remove(tensor)
