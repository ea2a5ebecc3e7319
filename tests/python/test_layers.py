"""Every layer kind through a real session on VitisAIEP alone, against the oracle and against the CPU EP."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from index_kinds import INDEX_KINDS
from layer_kinds import KINDS, draw_layer, draw_rare_style, draw_style, examples
from models import Edge, ModelBuilder, PlainEdge, Quant, Style, expose_quantized, scale_of
from oracle import evaluate
from sessions import Tally, claimed_nodes, cpu_session, run, vaip_session

SCALES = pytest.mark.parametrize("scales", ["power_of_two", "any"])


Arrays = dict[str, np.ndarray]


def cpu_opinion(
    model: onnx.ModelProto, feeds: Arrays, edges: list[Edge | PlainEdge], expected: Arrays
) -> tuple[list[np.ndarray], Arrays]:
    """The CPU EP's outputs, and what the oracle makes of the quantized values that the CPU EP found on the way to them.

    The CPU EP computes in float32, and a step's difference in the middle may be several at the end.
    """
    exposed = expose_quantized(model)
    results = dict(zip([o.name for o in exposed.graph.output], run(cpu_session(exposed), feeds), strict=True))
    outputs = [results.pop(o.name) for o in model.graph.output]
    interior = {name: found for name, found in results.items() if name not in {edge.name for edge in edges}}
    if all(np.array_equal(found, expected[name]) for name, found in interior.items()):
        return outputs, expected
    return outputs, evaluate(model, feeds, interior)


def check_layers(
    kind: str, scales: str, count: int, draw_style: Callable[..., Style] = draw_style, *, second_opinion: bool = True
) -> None:
    """Equal where scales are powers of two; else 99.99 % equal and a step at most. A step at most from the CPU EP."""
    tally = Tally()
    exact = scales == "power_of_two"

    @examples(count)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        draw = data.draw
        builder = ModelBuilder(draw_style(draw, power_of_two=exact), seed=draw(st.integers(0, 2**16)))
        edges = draw_layer(draw, builder, kind)
        model, feeds = builder.build(), builder.feeds()
        expected = evaluate(model, feeds)
        # onnxruntime's optimizer merges adjacent pairs of Q and DQ into one pair of other parameters, also where an
        # Expand between them that repeats nothing has been removed.
        session = vaip_session(model, optimize=kind not in ("requantize", "expand") and draw(st.booleans()))
        assert claimed_nodes(session)
        results = run(session, feeds)
        for output, edge, got in zip(model.graph.output, edges, results, strict=True):
            scale = scale_of(edge)
            tally.add(expected[output.name], got, kind, equal=exact or scale is None, scale=scale)
        if not second_opinion:
            return
        second, judged = cpu_opinion(model, feeds, edges, expected)
        for output, edge, got, cpu in zip(model.graph.output, edges, results, second, strict=True):
            scale = scale_of(edge)
            where = f"{kind}, against the CPU EP"
            on_its_own = judged[output.name]
            Tally().add(on_its_own, cpu, f"{where}: itself", equal=False, scale=scale)
            same = on_its_own == expected[output.name]
            Tally().add(cpu[same], got[same], where, equal=False, scale=scale)

    check()
    tally.check()


@SCALES
@pytest.mark.parametrize("kind", KINDS)
def test_layer(kind: str, scales: str) -> None:
    check_layers(kind, scales, 25)


@SCALES
@pytest.mark.parametrize("kind", [f.__name__ for f in INDEX_KINDS])
def test_layer_of_16_bits(kind: str, scales: str) -> None:
    style = partial(draw_style, dtypes=("uint16", "int16"), domains=("com.microsoft",))
    check_layers(kind, scales, 12, style)


@SCALES
@pytest.mark.parametrize("kind", KINDS)
def test_rare_layer(kind: str, scales: str) -> None:
    """Where float32 leaves the CPU EP no opinion: 16-bit products, numbers around 2^40 and 2^-40."""
    check_layers(kind, scales, 6, draw_rare_style, second_opinion=False)


@pytest.mark.timeout(3600)
@pytest.mark.slow
@SCALES
@pytest.mark.parametrize("kind", KINDS)
def test_layer_thousands(kind: str, scales: str) -> None:
    check_layers(kind, scales, 500)


@pytest.mark.timeout(3600)
@pytest.mark.slow
@SCALES
@pytest.mark.parametrize("kind", KINDS)
def test_rare_layer_hundreds(kind: str, scales: str) -> None:
    check_layers(kind, scales, 250, draw_rare_style, second_opinion=False)


def _float_conv(b: ModelBuilder) -> str:
    return b.conv(b.input((2, 12, 7, 9)), 20, [3, 3], per_channel=True, pads=[1, 1, 1, 1])


FLOAT_TAILS: dict[str, Any] = {
    "conv": _float_conv,
    "conv_relu": lambda b: b.op("Relu", [_float_conv(b)]),
    "gemm": lambda b: b.gemm(b.input((3, 40)), 10),
    "matmul": lambda b: b.matmul(b.input((2, 5, 40)), 10),
    "softmax": lambda b: b.softmax(b.input((4, 10)), -1),
    "sigmoid": lambda b: b.op("Sigmoid", [b.dq(b.input((4, 10)))]),
    "add": lambda b: b.op("Add", [b.dq(b.input((4, 10))), b.dq(b.input((4, 10)))]),
    "global_average_pool": lambda b: b.op("GlobalAveragePool", [b.dq(b.input((2, 8, 7, 7)))]),
    "average_pool": lambda b: b.op("AveragePool", [b.dq(b.input((2, 8, 7, 7)))], kernel_shape=[3, 3]),
    "max_pool": lambda b: b.op("MaxPool", [b.dq(b.input((2, 8, 7, 7)))], kernel_shape=[3, 3]),
    "dequantize": lambda b: b.dq(b.finish(b.dq(b.input((4, 10))), "LeakyRelu")),
}


@pytest.mark.parametrize("kind", FLOAT_TAILS)
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_float_result(kind: str, dtype: str) -> None:
    """Without Q the real number comes out, rounded to float32: at most its last bit off."""
    tally = Tally()
    for seed in range(10):
        builder = ModelBuilder(Style(dtype=dtype), seed=seed)
        builder.float_output(FLOAT_TAILS[kind](builder))
        model, feeds = builder.build(), builder.feeds()
        got = run(vaip_session(model), feeds)[0]
        tally.add(evaluate(model, feeds)[model.graph.output[0].name], got, kind, equal=False)
    # double rounding can hit the last bit of a few
    assert tally.different <= 0.01 * tally.elements


def _centred(b: ModelBuilder, x: str, axes: str) -> str:
    return b.op("Sub", [x, b.op("ReduceMean", [x, axes])])


def _over_its_root_mean_square(b: ModelBuilder, x: str, axes: str) -> str:
    mean_square = b.op("ReduceMean", [b.op("Pow", [x, b.constant(2.0)]), axes])
    return b.op("Div", [x, b.op("Sqrt", [b.op("Add", [mean_square, b.constant(1e-5)])])])


def _layer_norm(b: ModelBuilder, x: str, whole: bool) -> str:
    scale, bias = b.constant(b.rng.uniform(0.2, 2.0, 48)), b.constant(b.rng.uniform(-1.0, 1.0, 48))
    if whole:
        return b.op("LayerNormalization", [x, scale, bias])
    axes = b.constant([-1], "int64")
    normalised = _over_its_root_mean_square(b, _centred(b, x, axes), axes)
    return b.op("Add", [b.op("Mul", [normalised, scale]), bias])


def _rms_norm(b: ModelBuilder, x: str, whole: bool) -> str:
    scale = b.constant(b.rng.uniform(0.2, 2.0, 48))
    if whole:
        return b.op("RMSNormalization", [x, scale])
    return b.op("Mul", [scale, _over_its_root_mean_square(b, x, b.constant([2], "int64"))])


def _gelu(b: ModelBuilder, x: str, whole: bool) -> str:
    if whole:
        return b.op("Gelu", [x])
    erf = b.op("Erf", [b.op("Div", [x, b.constant(math.sqrt(2.0))])])
    return b.op("Mul", [b.op("Mul", [x, b.op("Add", [erf, b.constant(1.0)])]), b.constant(0.5)])


def _gelu_tanh(b: ModelBuilder, x: str, whole: bool) -> str:
    if whole:
        return b.op("Gelu", [x], approximate="tanh")
    half = b.op("Mul", [b.constant(0.5), x])
    cubic = b.op("Mul", [b.constant(0.044715), b.op("Pow", [x, b.constant(3.0)])])
    inner = b.op("Mul", [b.op("Add", [x, cubic]), b.constant(math.sqrt(2.0 / math.pi))])
    return b.op("Mul", [half, b.op("Add", [b.constant(1.0), b.op("Tanh", [inner])])])


@pytest.mark.parametrize("operator", [_layer_norm, _rms_norm, _gelu, _gelu_tanh])
def test_operators_that_exporters_write_out_are_one_layer(operator: Callable[[ModelBuilder, str, bool], str]) -> None:
    """The nodes give what the operator gives, rounded once; the CPU EP rounds between them, too."""
    for seed in range(6):
        built = []
        for whole in (True, False):
            b = ModelBuilder(Style(opset=23, dtype=("uint8", "int8", "uint16")[seed % 3]), seed=seed)
            b.output(b.q(operator(b, b.dq(b.input((3, 20, 48))), whole)))
            built.append(b)
        model, feeds = built[1].build(), built[1].feeds()
        expected = evaluate(built[0].build(), built[0].feeds())
        session = vaip_session(model, optimize=False)
        got = run(session, feeds)[0]
        Tally().add(expected[built[0].outputs[0].name], got, "VitisAIEP", equal=True)
        Tally().add(run(cpu_session(model), feeds)[0], got, "CPU EP", equal=False)


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("scale", [0.1, 0.25, 1e-3])
def test_quantize_at_a_float_edge_is_onnx_float32(dtype: str, scale: float) -> None:
    """x / scale in float32, ties to even, saturation, infinities."""
    builder = ModelBuilder(Style(float_edges=True, dtype=dtype))
    edge = builder.input((1, 4096), Quant(float(np.float32(scale)), 7, dtype))
    builder.output(builder.finish(builder.dq(edge), "Relu"))
    model = builder.build()
    ties = (np.arange(-300, 300) + 0.5) * np.float32(scale)
    x = np.resize(np.concatenate([ties, [np.inf, -np.inf, 3e38, -3e38, -0.0, 1e-40]]).astype(np.float32), (1, 4096))
    feeds = {model.graph.input[0].name: x}
    expected = evaluate(model, feeds)[model.graph.output[0].name]
    np.testing.assert_array_equal(run(vaip_session(model), feeds)[0], expected)
    np.testing.assert_array_equal(run(cpu_session(model), feeds)[0], expected)


@pytest.mark.parametrize("op", ["Conv", "Gemm"])
def test_float_bias_between_the_steps_of_the_accumulator(op: str) -> None:
    """It is added as the real number that it is, not rounded to the accumulator's unit first."""
    for seed in range(20):
        builder = ModelBuilder(Style(power_of_two=True), seed=seed)
        if op == "Conv":
            y = builder.conv(builder.input((2, 3, 5, 5)), 8, [1, 1], bias="none")
        else:
            y = builder.gemm(builder.input((30, 3)), 8, bias="none")
        # A step of the accumulator is s_x * s_w; the output's is about 500 of those, so fractions decide few roundings.
        builder.nodes[-1].input.append(builder.constant(builder.rng.normal(0.0, 0.1, 8)))
        builder.output(builder.q(y))
        model, feeds = builder.build(), builder.feeds()
        expected = evaluate(model, feeds)[model.graph.output[0].name]
        np.testing.assert_array_equal(run(vaip_session(model, optimize=False), feeds)[0], expected)


@pytest.mark.parametrize("zero_point", [0, 1, 127, 128, 254, 255])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_convolution_at_extreme_zero_points(zero_point: int, dtype: str) -> None:
    """All-lowest and all-highest operands: the largest accumulators, and padding that is not integer zero."""
    offset = -128 if dtype == "int8" else 0
    for fill in (0, 255):
        builder = ModelBuilder(Style(power_of_two=True, dtype=dtype), seed=zero_point)
        x = builder.input((1, 512, 3, 3), Quant(2.0**-6, zero_point + offset, dtype))
        builder.samples[x.name] = np.full(x.shape, fill + offset, dtype)
        builder.output(builder.q(builder.conv(x, 9, [3, 3], pads=[1, 1, 1, 1])))
        model, feeds = builder.build(), builder.feeds()
        expected = evaluate(model, feeds)[model.graph.output[0].name]
        np.testing.assert_array_equal(run(vaip_session(model), feeds)[0], expected)


def test_u8s8_products_do_not_saturate_in_16_bits() -> None:
    """255 * 127 + 255 * 127 overflows the pair sum of the AVX2 instruction that many int8 kernels use."""
    builder = ModelBuilder(Style(power_of_two=True))
    x = builder.input((1, 64), Quant(2.0**-8, 0, "uint8"))
    builder.samples[x.name] = np.full((1, 64), 255, np.uint8)
    weights = builder.op(
        "DequantizeLinear",
        [builder.constant(np.full((64, 8), 127), "int8"), builder.constant(2.0**-7), builder.constant(0, "int8")],
    )
    builder.output(builder.q(builder.op("MatMul", [builder.dq(x), weights]), Quant(0.25, 0, "uint8")))
    model, feeds = builder.build(), builder.feeds()
    # 64 * 255 * 127 / 2^15 / 0.25 = 253.0
    np.testing.assert_array_equal(run(vaip_session(model), feeds)[0], np.full((1, 8), 253, np.uint8))
