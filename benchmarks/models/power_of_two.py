"""Rounds every scale of a QDQ model up to a power of two, as fixed-point NPU flows (XINT8) quantize.

Activations keep their range (it may grow by less than a factor of two) and get a matching zero point; weights are
requantized from the real numbers that they stood for; a bias gets the scale of its accumulator.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, numpy_helper


def round_up(scale: np.ndarray) -> np.ndarray:
    return np.exp2(np.ceil(np.log2(scale.astype(np.float64)))).astype(np.float32)


def to_power_of_two(model: ModelProto) -> ModelProto:
    result = ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    original = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    changed: dict[str, np.ndarray] = {}
    constants = [n for n in graph.node if n.op_type == "DequantizeLinear" and n.input[0] in original]
    biases = {n.output[0]: n for n in constants if original[n.input[0]].dtype == np.int32}

    for node in graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and node.output[0] not in biases:
            _round_parameters(node, original, changed)
    for node in constants:
        if node.output[0] not in biases:
            _requantize(node, original, changed)
    producers = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        if len(node.input) > 2 and node.input[2] in biases:
            # A bias steps in the accumulator's unit: the scales of its layer's data and weights, multiplied.
            operands = [changed[producers[name].input[1]] for name in node.input[:2]]
            bias = biases[node.input[2]]
            changed[bias.input[1]] = (operands[0] * operands[1]).reshape(original[bias.input[1]].shape)
            _requantize(bias, original, changed)

    for tensor in graph.initializer:
        if tensor.name in changed:
            new = changed[tensor.name].astype(original[tensor.name].dtype)
            tensor.CopyFrom(numpy_helper.from_array(new, tensor.name))
    return result


def _round_parameters(node: NodeProto, original: dict[str, np.ndarray], changed: dict[str, np.ndarray]) -> None:
    scale, zero = node.input[1], node.input[2]
    if scale in changed:
        return
    changed[scale] = round_up(original[scale])
    limits = np.iinfo(original[zero].dtype)
    middle = (limits.min + limits.max + 1) // 2
    if np.all(original[zero] == middle):
        return  # symmetric stays symmetric
    low = (limits.min - original[zero].astype(np.float64)) * original[scale]
    changed[zero] = np.clip(np.rint(limits.min - low / changed[scale]), limits.min, limits.max)


def _requantize(node: NodeProto, original: dict[str, np.ndarray], changed: dict[str, np.ndarray]) -> None:
    values, scale = original[node.input[0]], original[node.input[1]]
    zero = node.input[2] if len(node.input) > 2 and node.input[2] else None
    axis = next((a.i for a in node.attribute if a.name == "axis"), 1)

    def along(parameter: np.ndarray) -> np.ndarray:
        if parameter.size == 1:
            return parameter.reshape(())
        return parameter.reshape([-1 if d == axis % values.ndim else 1 for d in range(values.ndim)])

    old_zero = original[zero].astype(np.int64) if zero else np.int64(0)
    new_zero = changed.get(zero, old_zero) if zero else old_zero
    real = (values.astype(np.int64) - along(np.asarray(old_zero))) * along(scale).astype(np.float64)
    limits = np.iinfo(values.dtype)
    steps = np.rint(real / along(changed[node.input[1]])) + along(np.asarray(new_zero))
    changed[node.input[0]] = np.clip(steps, limits.min, limits.max)
