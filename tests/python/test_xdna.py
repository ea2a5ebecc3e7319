"""The numerics "xdna": every element as the oracle computes it in Python's integers, in every rounding mode."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from layer_kinds import examples
from onnx import TensorProto, helper, numpy_helper
from oracle import dynamic, xdna
from oracle.xdna import Params
from sessions import claimed_nodes, run, vaip_session
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
        output = f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], name=f"n{len(self.nodes)}", **attributes))
        return output

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


def check_equal(got: Stored, expected: Stored, what: str) -> None:
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected, err_msg=what)


def span(p: Params) -> float:
    low, high = xdna.RANGES[p.dtype]
    return p.scale * max(p.zero_point - low, high - p.zero_point)


# ---- one function per kind of layer: draws it, and says what should come out ----
Case = tuple[OneLayer, Stored]


def requantize(draw: Draw, exact: bool, mode: str) -> Case:
    """A conversion, or a concatenation that has to convert; then a Relu, because neither is offloaded alone."""
    px = draw_params(draw, exact)
    py = output_params(draw, exact, span(px), draw(st.sampled_from([px.dtype, None])))
    x = draw_stored(draw, px.dtype, (3, 200))
    layer = OneLayer()
    converted, expected = layer.activation(x, px), xdna.requantize(x, px, py, mode)
    if draw(st.booleans()):
        pb = draw_params(draw, exact, px.dtype)
        b = draw_stored(draw, px.dtype, (3, 40))
        converted = layer.node("Concat", [converted, layer.activation(b, pb)], axis=1)
        expected = np.concatenate([expected, xdna.requantize(b, pb, py, mode)], axis=1)
    converted = layer.quantized(converted, py)
    y = layer.node("Relu", [layer.dequantized(converted, py.scale, np.asarray(py.zero_point, py.dtype))])
    return layer.ends(y, py), np.maximum(expected, np.asarray(py.zero_point, py.dtype))


def relu(draw: Draw, exact: bool, mode: str) -> Case:
    px = draw_params(draw, exact)
    py = output_params(draw, exact, span(px))
    x = draw_stored(draw, px.dtype, (3, 200))
    layer = OneLayer()
    return layer.ends(layer.node("Relu", [layer.activation(x, px)]), py), xdna.relu(x, px, py, mode)


def leaky_relu(draw: Draw, exact: bool, mode: str) -> Case:
    px = draw_params(draw, exact)
    py = output_params(draw, exact, span(px))
    alpha = draw(st.sampled_from([0.1, 0.01, 0.25, 0.3]))
    x = draw_stored(draw, px.dtype, (3, 200))
    layer = OneLayer()
    y = layer.node("LeakyRelu", [layer.activation(x, px)], alpha=alpha)
    return layer.ends(y, py), xdna.leaky_relu(x, px, py, mode, alpha)


def hard_sigmoid(draw: Draw, exact: bool, mode: str) -> Case:
    px = draw_params(draw, exact, scale=draw_scale(draw, exact, -7, -3))
    py = output_params(draw, exact, 1.0)
    x = draw_stored(draw, px.dtype, (3, 200), None if "8" in px.dtype else 600)
    layer = OneLayer()
    y = layer.node("HardSigmoid", [layer.activation(x, px)], alpha=1.0 / 6.0)
    if draw(st.booleans()):  # as Quark's XINT8 flow writes it
        y = layer.node("Mul", [y, layer.constant(np.float32(6.0 * 2731 / 2**14))])
    return layer.ends(y, py), xdna.hard_sigmoid(x, px, py, mode)


def arithmetic(draw: Draw, exact: bool, mode: str) -> Case:
    op = draw(st.sampled_from(["Add", "Sub", "Mul"]))
    dtype = draw(st.sampled_from(ACTIVATIONS))
    pa, pb = draw_params(draw, exact, dtype), draw_params(draw, exact, dtype)
    py = output_params(draw, exact, span(pa) * span(pb) if op == "Mul" else span(pa) + span(pb), dtype)
    shape = (2, 5, 40)
    a, b = draw_stored(draw, dtype, shape), draw_stored(draw, dtype, draw(st.sampled_from([shape, (5, 1), (40,)])))
    layer = OneLayer()
    y = layer.node(op, [layer.activation(a, pa), layer.activation(b, pb)])
    return layer.ends(y, py), xdna.combine(op, [(a, pa), (b, pb)], py, mode)


def average_pool(draw: Draw, exact: bool, mode: str) -> Case:
    px = draw_params(draw, exact)
    py = output_params(draw, exact, span(px), px.dtype)
    if draw(st.booleans()):
        py = Params(px.scale, py.zero_point, py.dtype)
    side = draw(st.sampled_from([2, 3, 4, 5, 6, 7, 14]))
    kernel = (side, draw(st.sampled_from([side, side, side, 2])))
    padded = draw(st.booleans()) and min(kernel) > 2
    window = {
        "kernel": kernel,
        "strides": (draw(st.integers(1, 2)), 1),
        "pads": (1, 1, 0, 1) if padded else (0, 0, 0, 0),
        "count_include_pad": draw(st.booleans()),
    }
    x = draw_stored(draw, px.dtype, (1, 5, kernel[0] + 2, kernel[1] + 3))
    layer = OneLayer()
    y = layer.node(
        "AveragePool",
        [layer.activation(x, px)],
        kernel_shape=kernel,
        strides=window["strides"],
        pads=window["pads"],
        count_include_pad=int(window["count_include_pad"]),
    )
    if px.scale == py.scale and side == 3 and kernel == (3, 3) and not padded and exact:
        y = layer.node("Mul", [y, layer.constant(np.float32(9 * 7 / 64))])  # Quark's note of what the device does
    return layer.ends(y, py), xdna.average_pool(x, px, py, mode, **window)


def global_average_pool(draw: Draw, exact: bool, mode: str) -> Case:
    px = draw_params(draw, exact)
    py = output_params(draw, exact, span(px), px.dtype)
    side = draw(st.sampled_from([3, 4, 7, 9]))
    x = draw_stored(draw, px.dtype, (2, 9, side, draw(st.sampled_from([side, 5]))))
    layer = OneLayer()
    y = layer.node("GlobalAveragePool", [layer.activation(x, px)])
    window = {"kernel": x.shape[2:], "strides": (1, 1), "pads": (0, 0, 0, 0), "count_include_pad": False}
    return layer.ends(y, py), xdna.average_pool(x, px, py, mode, **window)


def _weights(draw: Draw, exact: bool, shape: Sequence[int], channels: int) -> tuple[Stored, Stored]:
    per_channel = draw(st.booleans())
    scales = [draw_scale(draw, exact) for _ in range(channels if per_channel else 1)]
    if exact and per_channel:
        scales = [scales[0] * 2.0 ** (i % 3) for i in range(channels)]
    # Small weights make small accumulators: few bits to shift out, and many ties.
    w = draw_stored(draw, draw(st.sampled_from(["int8", "int8", "int16"])), shape, draw(st.sampled_from([None, 1, 3])))
    return w, np.array(scales, np.float32)


def _add_bias(
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


def _largest(accumulators: Stored, units: list[Fraction]) -> float:
    return max(float(np.abs(accumulators).max()) * float(max(units)), 1e-9)


def conv(draw: Draw, exact: bool, mode: str) -> Case:
    px = draw_params(draw, exact, draw(st.sampled_from(["uint8", "int8", "uint16"])))
    groups = draw(st.sampled_from([1, 1, 2]))
    channels, per_group = 6, 3
    w, scales = _weights(draw, exact, (channels, per_group, 3, 2), channels)
    x = draw_stored(draw, px.dtype, (2, per_group * groups, 6, 5))
    strides, pads = (draw(st.integers(1, 2)), 1), (1, 0, 1, 1)
    total = dynamic.conv_integer(
        x, w, px.zero_point, np.asarray(0), strides=strides, pads=pads, dilations=(1, 1), groups=groups
    )
    units = [px.exact * Fraction(float(s)) for s in np.broadcast_to(scales, channels)]
    layer = OneLayer()
    zero = np.zeros(scales.size if scales.size > 1 else (), w.dtype)
    weight = layer.dequantized(layer.constant(w), scales if scales.size > 1 else scales[0], zero, axis=0)
    inputs = [layer.activation(x, px), weight]
    acc = _add_bias(draw, exact, mode, layer, inputs, np.moveaxis(total, 1, -1), units)
    py = output_params(draw, exact, _largest(total, units))
    y = layer.node("Conv", inputs, strides=strides, pads=pads, group=groups)
    follows = draw(st.booleans())
    if follows:
        y = layer.node("Relu", [y])
    expected = np.moveaxis(xdna.last_step(acc, units, py, mode, relu_follows=follows), -1, 1)
    return layer.ends(y, py), expected


def gemm(draw: Draw, exact: bool, mode: str) -> Case:
    px = draw_params(draw, exact)
    depth, columns = draw(st.integers(1, 24)), draw(st.integers(1, 20))
    w, scales = _weights(draw, exact, (depth, columns), columns)
    if w.dtype == np.int16 and "16" in px.dtype:
        w = (w // 64).astype(np.int16)
    x = draw_stored(draw, px.dtype, (7, depth))
    total = dynamic.matmul_integer(x, w, px.zero_point, np.asarray(0))
    units = [px.exact * Fraction(float(s)) for s in np.broadcast_to(scales, columns)]
    layer = OneLayer()
    op = draw(st.sampled_from(["Gemm", "MatMul"]))
    zero = np.zeros(scales.size if scales.size > 1 else (), w.dtype)
    weight = layer.dequantized(layer.constant(w), scales if scales.size > 1 else scales[0], zero, axis=1)
    inputs = [layer.activation(x, px), weight]
    acc = total.astype(object)
    if op == "Gemm":
        acc = _add_bias(draw, exact, mode, layer, inputs, total, units)
    py = output_params(draw, exact, _largest(total, units))
    y = layer.node(op, inputs)
    follows = draw(st.booleans())
    if follows:
        y = layer.node("Relu", [y])
    return layer.ends(y, py), xdna.last_step(acc, units, py, mode, relu_follows=follows)


def product_of_activations(draw: Draw, exact: bool, mode: str) -> Case:
    pa, pb = draw_params(draw, exact, "uint8"), draw_params(draw, exact, "int8")
    a, b = draw_stored(draw, "uint8", (2, 5, 12)), draw_stored(draw, "int8", (2, 12, 6))
    total = (a.astype(np.int64) - pa.zero_point) @ (b.astype(np.int64) - pb.zero_point)
    unit = pa.exact * pb.exact
    py = output_params(draw, exact, _largest(total, [unit]))
    layer = OneLayer()
    y = layer.node("MatMul", [layer.activation(a, pa), layer.activation(b, pb)])
    expected = xdna.last_step(total.astype(object), [unit] * 6, py, mode, relu_follows=False)
    return layer.ends(y, py), expected


KINDS = (
    requantize,
    relu,
    leaky_relu,
    hard_sigmoid,
    arithmetic,
    average_pool,
    global_average_pool,
    conv,
    gemm,
    product_of_activations,
)


def check_kind(kind: Callable[[Draw, bool, str], Case], mode: str, count: int) -> None:
    @examples(count)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        exact = data.draw(st.booleans(), label="scales are powers of two")
        layer, expected = kind(data.draw, exact, mode)
        check_equal(layer.run("xdna", mode), expected, f"{kind.__name__}, {mode}")

    check()


@pytest.mark.parametrize("mode", xdna.MODES)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_layer(kind: Callable[[Draw, bool, str], Case], mode: str) -> None:
    check_kind(kind, mode, 12)


@pytest.mark.slow
@pytest.mark.parametrize("mode", xdna.MODES)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_layer_thousands(kind: Callable[[Draw, bool, str], Case], mode: str) -> None:
    check_kind(kind, mode, 250)


@pytest.mark.parametrize("mode", xdna.MODES)
def test_quantize_of_a_float_input(mode: str) -> None:
    p = Params(0.25, 3, "int8")
    ties = (np.arange(-300, 300) / 2).astype(np.float32) * np.float32(p.scale)
    x = np.concatenate([ties, ties + np.float32(1e-3), np.float32([0.0, -0.0, 1e-30, -1e-30])])[None]
    layer = OneLayer()
    layer.inputs.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape))
    layer.data.append(x)
    stored = layer.node("QuantizeLinear", ["x", layer.constant(np.float32(p.scale)), layer.constant(np.int8(3))])
    y = layer.node("Relu", [layer.dequantized(stored, p.scale, np.int8(3))])
    expected = np.maximum(xdna.quantize(x, p, mode), 3)
    check_equal(layer.ends(y, p).run("xdna", mode), expected, mode)


@pytest.mark.parametrize("kind", [conv, gemm, product_of_activations, arithmetic, requantize, relu])
def test_half_to_even_is_onnx_where_scales_are_powers_of_two(kind: Callable[[Draw, bool, str], Case]) -> None:
    """The same accumulators, factor and rounding; only a bias that is no multiple of the accumulators' unit differs."""

    @examples(25)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        layer, _ = kind(data.draw, True, "conv_even")
        assume(not layer.has_fractional_bias)
        check_equal(layer.run("xdna", "conv_even"), layer.run("onnx", "conv_even"), kind.__name__)

    check()


def test_session_options_reach_the_kernels() -> None:
    """Of the provider, of the file, and AMD's flag: the same model, rounded up and to even at a tie."""
    layer = OneLayer()
    p = Params(1.0, 0, "int8")
    x = np.array([[1, 3, 5, -1, -3]], np.int8)
    y = Params(2.0, 0, "int8")
    model = layer.ends(layer.node("Relu", [layer.activation(x, p)]), y).model()
    for options, expected in (
        ({}, [0, 2, 2, 0, 0]),
        ({"numerics": "xdna"}, [1, 2, 3, 0, 0]),
        ({"numerics": "xdna", "rounding": "floor"}, [0, 1, 2, 0, 0]),
        ({"numerics": "xdna", "xlnx_enable_py3_round": "1"}, [0, 2, 2, 0, 0]),
        ({"numerics": "xdna", "xlnx_enable_py3_round": "1", "rounding": "ceil"}, [1, 2, 3, 0, 0]),
        ({"rounding": "ceil"}, [0, 2, 2, 0, 0]),
    ):
        session = vaip_session(model, options, optimize=False)
        assert claimed_nodes(session)
        assert run(session, {"x0": x})[0].tolist() == [expected], options
