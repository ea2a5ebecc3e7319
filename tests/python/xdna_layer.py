"""Models of one layer for the numerics "xdna", and what is drawn for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from oracle import xdna
from oracle.xdna import Params
from vaip import _core

Draw = Callable[[st.SearchStrategy[Any]], Any]
Stored = np.ndarray[Any, Any]

ACTIVATIONS = ["uint8", "int8", "uint16", "int16"]


class OneLayer:
    """A model of one layer in QDQ form."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.data: list[Stored] = []
        self.has_fractional_bias = False  # one that is not an integer in units of the accumulators

    def constant(self, array: Stored) -> str:
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        return self.outputs_of(op, inputs, 1, **attributes)[0]

    def outputs_of(self, op: str, inputs: Sequence[str], count: int, **attributes: Any) -> list[str]:
        outputs = [f"{op.lower()}{len(self.nodes)}_{i}" for i in range(count)]
        self.nodes.append(helper.make_node(op, list(inputs), outputs, name=f"n{len(self.nodes)}", **attributes))
        return outputs

    def dequantized(self, stored: str, scale: Any, zero_point: Stored, axis: int | None = None) -> str:
        parameters = [self.constant(np.float32(scale)), self.constant(zero_point)]
        return self.node("DequantizeLinear", [stored, *parameters], **({} if axis is None else {"axis": axis}))

    def activation(self, x: Stored, p: Params) -> str:
        name = f"x{len(self.inputs)}"
        elem = helper.np_dtype_to_tensor_dtype(x.dtype)
        self.inputs.append(helper.make_tensor_value_info(name, elem, x.shape))
        self.data.append(x)
        return self.dequantized(name, p.scale, np.asarray(p.zero_point, p.dtype))

    def quantized(self, real: str, p: Params) -> str:
        parameters = [self.constant(np.float32(p.scale)), self.constant(np.asarray(p.zero_point, p.dtype))]
        return self.node("QuantizeLinear", [real, *parameters])

    def ends(self, output: str, p: Params) -> OneLayer:
        stored = self.quantized(output, p)
        elem = helper.np_dtype_to_tensor_dtype(np.dtype(p.dtype))
        self.outputs = [helper.make_tensor_value_info(stored, elem, None)]
        return self

    def model(self) -> onnx.ModelProto:
        graph = helper.make_graph(self.nodes, "layer", self.inputs, self.outputs, initializer=self.initializers)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)

    def moves_to(self, output: str, p: Params, expected: Stored) -> Case:
        """The same with a Relu behind it, because data movement is not offloaded alone; and what should come out."""
        stored = self.quantized(output, p)
        zero_point = np.asarray(p.zero_point, p.dtype)
        y = self.node("Relu", [self.dequantized(stored, p.scale, zero_point)])
        return self.ends(y, p), np.maximum(expected, zero_point)

    def run(self, numerics: str, mode: str) -> Stored:
        options = {"numerics": numerics, "rounding": mode, "num_threads": "1"}
        outputs: list[Stored] = _core.Model.from_bytes(self.model().SerializeToString(), options).run(self.data)
        return outputs[0]


def draw_scale(draw: Draw, power_of_two: bool, low: int = -9, high: int = -1) -> float:
    exponent = draw(st.integers(low, high))
    return 2.0**exponent if power_of_two else float(np.float32(2.0**exponent * draw(st.floats(1.0, 1.999))))


def draw_params(draw: Draw, power_of_two: bool, dtype: str | None = None, scale: float | None = None) -> Params:
    dtype = dtype or draw(st.sampled_from(ACTIVATIONS))
    low, high = xdna.RANGES[dtype]
    middle = (low + high + 1) // 2
    zero_point = draw(st.sampled_from([low, middle, 0 if low < 0 else middle, draw(st.integers(low, high))]))
    return Params(scale if scale is not None else draw_scale(draw, power_of_two), zero_point, dtype)


def draw_stored(draw: Draw, dtype: str, shape: Sequence[int], largest: int | None = None) -> Stored:
    """Over the whole range; 16-bit ones also near the middle, where shifts leave ties."""
    low, high = xdna.RANGES[dtype]
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    if largest is not None:
        low, high = max(low, -largest), min(high, largest)
    return random.integers(low, high + 1, shape).astype(dtype)


def output_params(draw: Draw, power_of_two: bool, largest: float, dtype: str | None = None) -> Params:
    """Such that results up to `largest` fill the type, or overflow it, or use a few steps of it."""
    p = draw_params(draw, power_of_two, dtype)
    exponent = math.ceil(math.log2(largest / (2.0 ** (8 if "8" in p.dtype else 16)))) + draw(st.integers(-1, 4))
    scale = 2.0**exponent * (1.0 if power_of_two else draw(st.floats(1.0, 1.999)))
    return Params(float(np.float32(scale)), p.zero_point, p.dtype)


def span(p: Params) -> float:
    low, high = xdna.RANGES[p.dtype]
    return p.scale * max(p.zero_point - low, high - p.zero_point)


Case = tuple[OneLayer, Stored]


def draw_weights(draw: Draw, exact: bool, shape: Sequence[int], channels: int) -> tuple[Stored, Stored]:
    per_channel = draw(st.booleans())
    scales = [draw_scale(draw, exact) for _ in range(channels if per_channel else 1)]
    if exact and per_channel:
        scales = [scales[0] * 2.0 ** (i % 3) for i in range(channels)]
    # Small weights make small accumulators: few bits to shift out, and many ties.
    w = draw_stored(draw, draw(st.sampled_from(["int8", "int8", "int16"])), shape, draw(st.sampled_from([None, 1, 3])))
    return w, np.array(scales, np.float32)


def add_bias(
    draw: Draw, exact: bool, mode: str, layer: OneLayer, inputs: list[str], total: Stored, units: list[Fraction]
) -> xdna.Integers:
    """Appends a bias to the operator's inputs, and returns the accumulators (channels last) with it."""
    channels = total.shape[-1]
    largest_unit = float(max(units))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    accumulators = total.astype(object)
    kind = draw(st.sampled_from(["none", "accumulator", "int8", "float"]))
    layer.has_fractional_bias = kind in ("int8", "float")
    if kind == "none":
        return accumulators
    if kind == "accumulator":
        bias = random.integers(-30000, 30000, channels).astype(np.int32)
        scale = np.array([float(u) for u in units], np.float32)
        inputs.append(layer.dequantized(layer.constant(bias), scale, np.zeros(channels, np.int32), axis=0))
        return accumulators + xdna.bias_integers(bias, None, units, mode)
    if kind == "int8":
        bias = random.integers(-128, 128, channels).astype(np.int8)
        scale = np.float32(largest_unit * 2.0 ** draw(st.integers(-3, 7)) * (1.0 if exact else 1.3))
        inputs.append(layer.dequantized(layer.constant(bias), scale, np.asarray(0, np.int8)))
        return accumulators + xdna.bias_integers(bias, [Fraction(float(scale))] * channels, units, mode)
    bias = (random.normal(0.0, 50.0, channels) * largest_unit).astype(np.float32)
    inputs.append(layer.constant(bias))
    return accumulators + xdna.bias_integers(bias, [Fraction(1)] * channels, units, mode)


def largest_result(accumulators: Stored, units: list[Fraction]) -> float:
    return max(float(np.abs(accumulators).max()) * float(max(units)), 1e-9)
