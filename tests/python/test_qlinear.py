"""Operators on integers with no Q and DQ around them: the QLinear family, and data movement between its members."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import vaip
from ep_models import newest_report
from hypothesis import given
from hypothesis import strategies as st
from layer_kinds import examples
from models import RANGES, ZERO_POINTS, Edge, ModelBuilder, Quant, Style
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from oracle import evaluate
from sessions import Tally, claimed_nodes, cpu_session, run, vaip_session

Draw = Callable[..., Any]


class QLinearBuilder(ModelBuilder):
    """Adds what the operators list among their inputs."""

    output_scale = 1.0

    def parameters(self, quant: Quant) -> list[str]:
        return [self.constant(quant.scale, stem="scale"), self.constant(quant.zero_point, quant.dtype, "zero_point")]

    def tensor(self, edge: Edge) -> list[str]:
        return [edge.name, *self.parameters(edge.quant)]

    def integers(
        self, shape: tuple[int, ...], *, dtype: str = "int8", axis: int | None = None, symmetric: bool = True
    ) -> list[str]:
        """A constant with its parameters; one set per index of `axis`."""
        low, high = RANGES[dtype]
        channels = 1 if axis is None else shape[axis]
        scales = self.rng.uniform(0.5, 2.0, channels) / 64
        if self.style.power_of_two:
            scales = 2.0 ** np.round(np.log2(scales))
        zeros = np.full(channels, (low + high + 1) // 2) if symmetric else self.rng.integers(low, high + 1, channels)
        parameter = (lambda values: values[0]) if axis is None else (lambda values: values)
        return [
            self.constant(self.rng.integers(low, high + 1, shape), dtype, "weights"),
            self.constant(parameter(scales), stem="scale"),
            self.constant(parameter(zeros), dtype, "zero_point"),
        ]

    def qlinear(
        self,
        op: str,
        inputs: list[str],
        low: float,
        high: float,
        *,
        domain: str = "com.microsoft",
        dtype: str | None = None,
        rest: list[str] | None = None,
        **attributes: Any,
    ) -> Edge:
        """The operator with an output quantized to about [low, high]; `rest` are the inputs behind its parameters."""
        quant = self.quant_for(low, high, dtype)
        inputs = [*inputs, *self.parameters(quant), *(rest or [])]
        name = self.op(op, inputs, domain=domain, **attributes)
        return Edge(name, quant, self.sample(name).shape)


def spread(*edges: Edge) -> float:
    """The largest number that any of these holds."""
    return max(max(abs(bound - e.quant.zero_point) for bound in RANGES[e.quant.dtype]) * e.quant.scale for e in edges)


def _weight(draw: Draw) -> dict[str, Any]:
    return {"dtype": draw(st.sampled_from(("int8", "uint8"))), "symmetric": draw(st.booleans())}


def conv(draw: Draw, b: QLinearBuilder) -> Edge:
    group, size = draw(st.sampled_from((1, 2))), draw(st.integers(3, 9))
    x = b.input((draw(st.integers(1, 2)), group * draw(st.integers(1, 9)), size, draw(st.integers(3, 9))))
    filters = group * draw(st.integers(1, 8))
    per_channel = draw(st.booleans())
    w = b.integers((filters, x.shape[1] // group, 3, 3), axis=0 if per_channel else None, **_weight(draw))
    rest = []
    if draw(st.booleans()):
        rest = [b.constant(b.rng.integers(-20000, 20000, filters), "int32", "bias")]
    window = draw(
        st.sampled_from(
            (
                {"pads": [1, 0, 1, 2]},
                {"auto_pad": "SAME_UPPER"},
                {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
                {"strides": [2, 1], "kernel_shape": [3, 3]},
            )
        )
    )
    return b.qlinear("QLinearConv", [*b.tensor(x), *w], -60, 60, domain="", rest=rest, group=group, **window)


def matmul(draw: Draw, b: QLinearBuilder) -> Edge:
    x = b.input((*draw(st.sampled_from(((), (2,), (2, 1)))), draw(st.integers(1, 5)), draw(st.integers(1, 40))))
    if draw(st.booleans()):
        other = b.tensor(b.input((x.shape[-1], draw(st.integers(1, 9)))))
    else:
        shape = (x.shape[-1], draw(st.integers(2, 9)))
        other = b.integers(shape, axis=1 if draw(st.booleans()) else None, **_weight(draw))
    return b.qlinear("QLinearMatMul", [*b.tensor(x), *other], -20, 20, domain="")


def gemm(draw: Draw, b: QLinearBuilder) -> Edge:
    trans_a, trans_b = draw(st.booleans()), draw(st.booleans())
    rows, inner, columns = draw(st.integers(1, 5)), draw(st.integers(1, 40)), draw(st.integers(2, 9))
    x = b.input((inner, rows) if trans_a else (rows, inner))
    axis = (0 if trans_b else 1) if draw(st.booleans()) else None
    w = b.integers((columns, inner) if trans_b else (inner, columns), axis=axis, **_weight(draw))
    bias = b.constant(b.rng.integers(-20000, 20000, columns), "int32", "bias") if draw(st.booleans()) else ""
    alpha = draw(st.sampled_from((None, 0.5)))
    inputs = [*b.tensor(x), *w, bias]
    return b.qlinear("QGemm", inputs, -20, 20, transA=int(trans_a), transB=int(trans_b), alpha=alpha)


def binary(draw: Draw, b: QLinearBuilder) -> Edge:
    op = draw(st.sampled_from(("QLinearAdd", "QLinearMul")))
    x = b.input((2, 3, draw(st.integers(1, 6)), draw(st.integers(1, 6))))
    second = draw(st.sampled_from(("same", "other", "broadcast", "constant")))
    if second == "constant":
        y = b.integers((1, 3, 1, 1), dtype=b.style.dtype, symmetric=draw(st.booleans()))
        limit = 6.0
    else:
        edge = {"same": x, "other": b.input(x.shape), "broadcast": b.input((3, 1, 1))}[second]
        y, limit = b.tensor(edge), spread(edge)
    high = spread(x) + limit if op == "QLinearAdd" else spread(x) * limit
    return b.qlinear(op, [*b.tensor(x), *y], -high, high)


def where(draw: Draw, b: QLinearBuilder) -> Edge:
    x = b.input((2, 3, draw(st.integers(1, 6)), draw(st.integers(1, 6))))
    mask = b.rng.integers(0, 2, draw(st.sampled_from((x.shape, (1, *x.shape[1:]), (x.shape[-1],))))).astype(bool)
    condition = b.constant(mask, "bool") if draw(st.booleans()) else b.plain_input(mask)
    if draw(st.booleans()):
        y, limit = b.integers((1, 3, 1, 1), dtype=b.style.dtype, symmetric=draw(st.booleans())), 6.0
    else:
        edge = draw(st.sampled_from((x, b.input(x.shape), b.input((3, 1, 1)))))
        y, limit = b.tensor(edge), spread(edge)
    high = max(spread(x), limit)
    return b.qlinear("QLinearWhere", [condition, *b.tensor(x), *y], -high, high)


def activation(draw: Draw, b: QLinearBuilder) -> Edge:
    x = b.input((2, draw(st.integers(1, 9)), draw(st.integers(1, 9))))
    if draw(st.booleans()):
        return b.qlinear("QLinearSigmoid", b.tensor(x), 0, 1)
    return b.qlinear("QLinearLeakyRelu", b.tensor(x), -1, spread(x), alpha=draw(st.sampled_from((None, 0.25))))


def without_zero_point(draw: Draw, b: QLinearBuilder) -> Edge:
    """Of the output: com.microsoft's are optional. (onnxruntime's type inference fails where others are absent.)"""
    x = b.input((2, draw(st.integers(1, 9)), 4))
    quant = Quant(2.0**-7, 0, b.style.dtype)
    name = b.op("QLinearSigmoid", [*b.tensor(x), b.constant(quant.scale, stem="scale")], domain="com.microsoft")
    return Edge(name, quant, x.shape)


def average_pool(draw: Draw, b: QLinearBuilder, ceil_mode: int = 0) -> Edge:
    x = b.input((2, draw(st.integers(1, 9)), draw(st.integers(3, 9)), draw(st.integers(3, 9))))
    attributes = {
        "kernel_shape": [draw(st.integers(1, 3)), draw(st.integers(1, 3))],
        "strides": [draw(st.integers(1, 2)), draw(st.integers(1, 2))],
        "ceil_mode": ceil_mode,
        "count_include_pad": draw(st.integers(0, 1)),
    }
    return b.qlinear("QLinearAveragePool", b.tensor(x), -spread(x), spread(x), **attributes)


def average_pool_ceil(draw: Draw, b: QLinearBuilder) -> Edge:
    return average_pool(draw, b, ceil_mode=1)


def global_average_pool(draw: Draw, b: QLinearBuilder) -> Edge:
    x = b.input((2, draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.integers(1, 9))))
    last = draw(st.integers(0, 1))
    return b.qlinear("QLinearGlobalAveragePool", b.tensor(x), -spread(x), spread(x), channels_last=last)


def reduce_mean(draw: Draw, b: QLinearBuilder) -> Edge:
    x = b.input((2, draw(st.integers(1, 5)), draw(st.integers(1, 5)), draw(st.integers(1, 5))))
    axes = draw(st.sampled_from(([-1], [1, 2], [2, 3], [0])))
    keepdims = draw(st.integers(0, 1))
    return b.qlinear("QLinearReduceMean", b.tensor(x), -spread(x), spread(x), axes=axes, keepdims=keepdims)


def softmax(draw: Draw, b: QLinearBuilder) -> Edge:
    x = b.input((2, 3, draw(st.integers(1, 9))))
    opset = draw(st.sampled_from((12, 13)))
    axis = draw(st.integers(-3, 2)) if opset == 13 else draw(st.sampled_from((1, 2)))
    return b.qlinear("QLinearSoftmax", b.tensor(x), 0, 1, axis=axis, opset=opset)


def concat(draw: Draw, b: QLinearBuilder) -> Edge:
    edges = [b.input((2, draw(st.integers(1, 5)), 3)) for _ in range(draw(st.integers(1, 3)))]
    tensors = [name for edge in edges for name in b.tensor(edge)]
    if draw(st.booleans()):
        tensors += b.integers((2, 2, 3), dtype=b.style.dtype)
    return b.qlinear("QLinearConcat", [], -spread(*edges), spread(*edges), rest=tensors, axis=1)


KINDS: dict[str, Callable[[Draw, QLinearBuilder], Edge]] = {
    f.__name__: f
    for f in (
        conv, matmul, gemm, binary, where, activation, without_zero_point, average_pool, average_pool_ceil,
        global_average_pool, reduce_mean, softmax, concat,
    )
}  # fmt: skip


# onnxruntime's kernels add pairs of u8*s8 products in 16 bits on CPUs without VNNI, and have none for int8 by uint8;
# without a zero point its QLinearSigmoid ends the process; with ceil_mode its pool counts elements beyond the padding;
# its QLinearSoftmax makes 0 of 1; it has no QLinearReduceMean.
NOT_BY_CPU = {"conv", "matmul", "gemm", "without_zero_point", "average_pool_ceil", "softmax", "reduce_mean"}


def draw_model(draw: Draw, kind: str, *, power_of_two: bool) -> QLinearBuilder:
    style = Style(
        power_of_two=power_of_two,
        dtype=draw(st.sampled_from(("uint8", "int8"))),
        zero_point=draw(st.sampled_from(ZERO_POINTS)),
        float_edges=draw(st.booleans()),
    )
    builder = QLinearBuilder(style, seed=draw(st.integers(0, 2**16)))
    y = KINDS[kind](draw, builder)
    if kind == "concat":  # movement alone is not worth a transfer
        y = builder.qlinear("QLinearLeakyRelu", builder.tensor(y), -1, spread(y))
    builder.output(y)
    builder.output_scale = y.quant.scale
    return builder


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scales", ["power_of_two", "any"])
def test_operator(kind: str, scales: str) -> None:
    tally, cpu = Tally(), Tally()
    exact = scales == "power_of_two"

    @examples(25)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        builder = draw_model(data.draw, kind, power_of_two=exact)
        model, feeds = builder.build(), builder.feeds()
        expected = evaluate(model, feeds)[model.graph.output[0].name]
        session = vaip_session(model, optimize=data.draw(st.booleans()))
        # The floats at the edge of one step of its quantization, wherever onnxruntime's own differ by one.
        scale = max(
            float(numpy_helper.to_array(t))
            for t in model.graph.initializer
            if t.name.startswith("scale") and not t.dims
        )
        tally.add(expected, run(session, feeds)[0], kind, equal=exact, scale=scale)
        if kind not in NOT_BY_CPU:
            cpu.add(expected, run(cpu_session(model), feeds)[0], f"{kind}, the CPU EP", equal=False, scale=scale)

    check()
    tally.check()


def test_qgemm_with_a_float_result() -> None:
    b = QLinearBuilder(Style(power_of_two=True), seed=1)
    x = b.input((3, 20))
    w = b.integers((7, 20), axis=0)
    bias = b.constant(b.rng.integers(-20000, 20000, 7), "int32", "bias")
    b.float_output(b.op("QGemm", [*b.tensor(x), *w, bias], domain="com.microsoft", transB=1, alpha=0.5))
    model, feeds = b.build(), b.feeds()
    np.testing.assert_array_equal(
        run(vaip_session(model), feeds)[0], evaluate(model, feeds)[model.graph.output[0].name]
    )


def moved(b: QLinearBuilder, x: Edge, op: str, *inputs: Any, **attributes: Any) -> Edge:
    name = b.op(op, [x.name, *inputs], **attributes)
    return Edge(name, x.quant, b.sample(name).shape)


def _resize(b: QLinearBuilder, x: Edge) -> Edge:
    modes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return moved(b, x, "Resize", "", b.constant([1, 1, 2, 2]), mode="nearest", **modes)


def _pad(b: QLinearBuilder, x: Edge, *value: str, **attributes: Any) -> Edge:
    return moved(b, x, "Pad", b.constant([0, 0, 1, 0, 0, 0, 0, 2], "int64"), *value, **attributes)


def _unsqueeze(b: QLinearBuilder, x: Edge) -> Edge:
    return moved(b, x, "Unsqueeze", b.constant([1], "int64"))


MOVES: dict[str, Callable[[QLinearBuilder, Edge], Edge]] = {
    "Concat": lambda b, x: moved(b, x, "Concat", x.name, axis=1),
    "Flatten": lambda b, x: moved(b, x, "Flatten"),
    "Identity": lambda b, x: moved(b, x, "Identity"),
    "MaxPool": lambda b, x: moved(b, x, "MaxPool", kernel_shape=[2, 2], pads=[1, 1, 0, 0]),
    "Pad": lambda b, x: _pad(b, x, b.constant(77, x.quant.dtype)),
    "Pad of zeros": lambda b, x: _pad(b, x),
    "Pad by reflection": lambda b, x: _pad(b, x, mode="reflect"),
    "ReduceMax": lambda b, x: moved(b, x, "ReduceMax", axes=[2], keepdims=0),
    "ReduceMin": lambda b, x: moved(b, x, "ReduceMin", axes=[3], keepdims=1),
    "Reshape": lambda b, x: moved(b, x, "Reshape", b.constant([0, -1], "int64")),
    "Resize": _resize,
    "Slice": lambda b, x: moved(b, x, "Slice", *(b.constant([v], "int64") for v in (-1, -9, 3, -2))),
    "Split": lambda b, x: moved(b, x, "Split", axis=2),
    "Squeeze": lambda b, x: moved(b, _unsqueeze(b, x), "Squeeze", b.constant([1], "int64")),
    "Unsqueeze": lambda b, x: _unsqueeze(b, x),
    "Transpose": lambda b, x: moved(b, x, "Transpose", perm=[0, 2, 3, 1]),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("between", ["qlinear", "qdq", "edge"])
@pytest.mark.parametrize("op", MOVES)
def test_integers_are_moved(op: str, between: str, dtype: str) -> None:
    """Behind a QLinear operator, a QuantizeLinear, or at the graph's edge, where nothing before it has parameters."""
    b = QLinearBuilder(Style(power_of_two=True, dtype=dtype), seed=4)
    x = b.input((2, 4, 4, 6))
    if between == "qlinear":
        x = b.qlinear("QLinearLeakyRelu", b.tensor(x), -1, spread(x))
    elif between == "qdq":
        x = b.finish(b.dq(x), "LeakyRelu")
    y = MOVES[op](b, x)
    b.output(y)  # the integers themselves, and a reader of them
    b.output(b.finish(b.dq(y), "Sigmoid"))
    model, feeds = b.build(), b.feeds()
    expected = evaluate(model, feeds)
    for optimize in (True, False):
        session = vaip_session(model, optimize=optimize)
        for output, got in zip(model.graph.output, run(session, feeds), strict=True):
            np.testing.assert_array_equal(got, expected[output.name])
    for output, got in zip(model.graph.output, run(cpu_session(model), feeds), strict=True):
        Tally().add(expected[output.name], got, op, equal=False)


def test_integers_that_nothing_gives_a_meaning() -> None:
    """The cluster's only node moves integers whose scale nobody in it knows."""
    b = QLinearBuilder(Style(), seed=4)
    x = b.input((1, 3, 6, 6))
    b.output(moved(b, x, "MaxPool", kernel_shape=[2, 2]))
    model, feeds = b.build(), b.feeds()
    session = vaip_session(model)
    assert claimed_nodes(session) == ["MaxPool"]
    np.testing.assert_array_equal(run(session, feeds)[0], run(cpu_session(model), feeds)[0])


@pytest.mark.parametrize("op", ["Add", "Relu", "Resize"])
def test_arithmetic_on_bare_integers_is_not_claimed(op: str) -> None:
    """Add of the integers is not that of the numbers that they stand for, nor is a mean of them defined."""
    b = QLinearBuilder(Style(dtype="int8", opset=14), seed=4)
    x = b.finish(b.dq(b.input((1, 3, 4, 4))), "LeakyRelu")
    if op == "Resize":
        modes = {"coordinate_transformation_mode": "asymmetric", "mode": "linear"}
        y = moved(b, x, "Resize", "", b.constant([1, 1, 2, 2]), **modes)
    else:
        y = moved(b, x, op, *([x.name] if op == "Add" else []))
    b.output(Edge(y.name, y.quant, y.shape))
    model, feeds = b.build(), b.feeds()
    session = vaip_session(model, fallback=True)
    assert op not in claimed_nodes(session)
    (reason,) = [node.reason for node in vaip.reports()[-1].unclaimed if node.op == op]
    assert reason.endswith("DequantizeLinear only" if op != "Resize" else "QuantizeLinear behind it")
    np.testing.assert_array_equal(run(session, feeds)[0], run(cpu_session(model), feeds)[0])


def test_pools_of_the_other_layout_have_a_reason() -> None:
    b = QLinearBuilder(Style(power_of_two=True), seed=4)
    x = b.input((1, 6, 6, 3))
    quant = b.parameters(x.quant)
    name = b.op(
        "QLinearAveragePool", [*b.tensor(x), *quant], domain="com.microsoft", kernel_shape=[2, 2], channels_last=1
    )
    b.samples[name] = np.zeros((1, 5, 5, 3), np.uint8)
    b.output(Edge(name, x.quant, (1, 5, 5, 3)))
    session = vaip_session(b.build(), fallback=True)
    assert claimed_nodes(session) == []
    assert "channels_last pools are not supported" in vaip.reports()[-1].unclaimed[0].reason


# ---- onnxruntime's quantizer ----


def float_network(rng: np.random.Generator) -> onnx.ModelProto:
    """Every operator that the QOperator format knows and VitisAIEP has a layer for."""
    initializers: list[onnx.TensorProto] = []
    nodes: list[onnx.NodeProto] = []

    def constant(values: Any, dtype: str = "float32") -> str:
        initializers.append(numpy_helper.from_array(np.asarray(values, dtype), f"c{len(initializers)}"))
        return initializers[-1].name

    def weights(*shape: int) -> str:
        return constant(rng.normal(0, 0.3, shape))

    def node(op: str, inputs: list[str], count: int = 1, **attributes: Any) -> Any:
        names = [f"{op.lower()}{len(nodes)}_{i}" for i in range(count)]
        nodes.append(helper.make_node(op, inputs, names, name=f"{op}{len(nodes)}", **attributes))
        return names[0] if count == 1 else names

    stem = node("Relu", [node("Conv", ["x", weights(8, 3, 3, 3), weights(8)], pads=[1, 1, 1, 1])])
    pooled = node("MaxPool", [stem], kernel_shape=[2, 2], strides=[2, 2])
    branch = node("LeakyRelu", [node("Conv", [pooled, weights(8, 8, 3, 3)], pads=[1, 1, 1, 1])], alpha=0.1)
    total = node("Add", [branch, pooled])
    gated = node("Sigmoid", [node("Mul", [total, constant(np.full((1, 8, 1, 1), 0.4))])])
    joined = node("Concat", [gated, total], axis=1)
    padded = node("Pad", [joined, constant([0, 0, 1, 1, 0, 0, 1, 1], "int64")])
    modes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    scaled = node("Resize", [padded, "", constant([1, 1, 2, 2])], mode="nearest", **modes)
    averaged = node("AveragePool", [scaled], kernel_shape=[2, 2], strides=[2, 2])
    left, right = node("Split", [averaged, constant([8, 8], "int64")], count=2, axis=1)
    mean = node("GlobalAveragePool", [node("Add", [node("Transpose", [left], perm=[0, 1, 3, 2]), right])])
    logits = node("Gemm", [node("Flatten", [mean]), weights(8, 10), weights(10)])
    product = node("Reshape", [node("MatMul", [logits, weights(10, 6)]), constant([-1, 2, 3], "int64")])
    squeezed = node("Squeeze", [node("Unsqueeze", [product, constant([1], "int64")]), constant([1], "int64")])
    node("Softmax", [squeezed], axis=-1)
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3, 8, 8])],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, [2, 2, 3])],
        initializers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("per_channel", [False, True], ids=["per_tensor", "per_channel"])
@pytest.mark.parametrize("activation_type", [QuantType.QUInt8, QuantType.QInt8], ids=str)
def test_models_of_onnxruntimes_quantizer_are_claimed_as_a_whole(
    activation_type: QuantType, per_channel: bool, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    batches = [rng.normal(size=(2, 3, 8, 8)).astype(np.float32) for _ in range(4)]

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.remaining = list(batches)

        def get_next(self) -> dict[str, np.ndarray] | None:
            return {"x": self.remaining.pop()} if self.remaining else None

    source, target = tmp_path / "float.onnx", tmp_path / "quantized.onnx"
    onnx.save(float_network(rng), source)
    quantize_static(
        source,
        target,
        Reader(),
        quant_format=QuantFormat.QOperator,
        activation_type=activation_type,
        weight_type=QuantType.QInt8,
        per_channel=per_channel,
    )
    model = onnx.load(target)
    assert {"QGemm", "QLinearSoftmax", "QLinearAveragePool"} <= {node.op_type for node in model.graph.node}
    session = vaip_session(model)  # alone: no fallback
    assert len(newest_report()["clusters"]) == 1
    for x in batches:
        expected = evaluate(model, {"x": x})[model.graph.output[0].name]
        scale = next(
            numpy_helper.to_array(t)
            for t in model.graph.initializer
            if t.name.endswith(f"{model.graph.output[0].name}_scale")
        )
        # Each of the dozen layers may be a step from the oracle's at a tie; the last one's input hardly moves with it.
        assert np.abs(run(session, {"x": x})[0] - expected).max() <= 2 * scale
