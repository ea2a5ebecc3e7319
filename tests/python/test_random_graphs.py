"""Small random networks: branches, residual additions, concatenations, several outputs, dynamic batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layer_kinds import FOLDED, Draw, draw_style, examples
from models import Edge, ModelBuilder, expose_quantized
from oracle import evaluate
from sessions import Tally, run, vaip_session


def _conv(draw: Draw, b: ModelBuilder, x: Edge) -> Edge:
    k, stride = draw(st.sampled_from((1, 3))), draw(st.sampled_from((1, 1, 2)))
    depthwise = draw(st.booleans())
    y = b.conv(
        x,
        x.shape[1] if depthwise else draw(st.sampled_from((4, 8, 12))),
        [k, k],
        group=x.shape[1] if depthwise else 1,
        per_channel=b.style.opset >= 13 and draw(st.booleans()),
        strides=[stride, stride],
        pads=[k // 2] * 4,
    )
    activation = draw(st.sampled_from([a for a in FOLDED if a != "HardSwish" or b.style.opset >= 14]))
    return b.finish(y, activation, separate=draw(st.booleans()))


def _pool(draw: Draw, b: ModelBuilder, x: Edge) -> Edge:
    op = draw(st.sampled_from(("MaxPool", "AveragePool")))
    y = b.op(op, [b.dq(x)], kernel_shape=[3, 3], strides=[draw(st.sampled_from((1, 2)))] * 2, pads=[1] * 4)
    return b.q(y, x.quant)


def _activation(draw: Draw, b: ModelBuilder, x: Edge) -> Edge:
    return b.finish(b.dq(x), draw(st.sampled_from(("Relu", "Sigmoid", "Tanh", "LeakyRelu"))))


def _swish(_draw: Draw, b: ModelBuilder, x: Edge) -> Edge:
    gate = b.finish(b.dq(x), "Sigmoid")
    return b.q(b.op("Mul", [b.dq(x), b.dq(gate)]))


def _squeeze_and_excite(_draw: Draw, b: ModelBuilder, x: Edge) -> Edge:
    squeezed = b.q(b.op("GlobalAveragePool", [b.dq(x)]))
    gate = b.finish(b.conv(squeezed, x.shape[1], [1, 1]), "Sigmoid")
    return b.q(b.op("Mul", [b.dq(x), b.dq(gate)]))


def _channel_shuffle(_draw: Draw, b: ModelBuilder, x: Edge) -> Edge:
    _, c, h, w = x.shape
    split = b.q(b.op("Reshape", [b.dq(x), b.constant([0, 2, c // 2, h, w], "int64")]), x.quant)
    swapped = b.q(b.op("Transpose", [b.dq(split)], perm=[0, 2, 1, 3, 4]), x.quant)
    return b.q(b.op("Reshape", [b.dq(swapped), b.constant([0, c, h, w], "int64")]), x.quant)


def _slice(draw: Draw, b: ModelBuilder, x: Edge) -> Edge:
    return b.q(b.slice(x, [0], [draw(st.sampled_from((2, 4)))], [1], [1]), x.quant)


def _upsample(draw: Draw, b: ModelBuilder, x: Edge) -> Edge:
    mode = draw(st.sampled_from(("nearest", "linear")))
    y = b.resize(
        x, mode=mode, coordinates="asymmetric", nearest="floor" if mode == "nearest" else None, scales=[1, 1, 2, 2]
    )
    return b.q(y, x.quant)


def _halves(draw: Draw, b: ModelBuilder, x: Edge) -> Edge:
    """A part of a tensor that is cut, and with what is made of another, the whole again."""
    channels = x.shape[1]
    cut = draw(st.integers(1, channels - 1))
    parts = [b.q(y, x.quant) for y in b.split(x, 1, [cut, channels - cut])]
    made = draw(st.sampled_from((_conv, _pool)))(draw, b, parts[1])
    if made.shape[2:] != x.shape[2:] or draw(st.booleans()):
        return made
    kept = draw(st.sampled_from(([parts[0]], parts, [parts[1], parts[0]])))
    return _joined(draw, b, [*kept, made])


def _joined(draw: Draw, b: ModelBuilder, parts: list[Edge]) -> Edge:
    """Most quantizers give a concatenation and its parts one scale: then these need not move."""
    if draw(st.integers(0, 3)) > 0:
        quant = parts[0].quant
        parts = [p if p.quant == quant else b.q(b.op("LeakyRelu", [b.dq(p)], alpha=0.5), quant) for p in parts]
        return b.q(b.op("Concat", [b.dq(p) for p in parts], axis=1), quant)
    return b.finish(b.op("Concat", [b.dq(p) for p in parts], axis=1))


STEPS: tuple[Callable[[Draw, ModelBuilder, Edge], Edge], ...] = (
    _conv, _conv, _conv, _pool, _activation, _swish, _squeeze_and_excite, _channel_shuffle, _slice, _upsample, _halves,
)  # fmt: skip


def random_network(draw: Draw, b: ModelBuilder) -> list[Edge]:
    """Grows a graph from one or two inputs; returns its outputs."""
    size = draw(st.sampled_from((4, 6, 8)))
    inputs = [b.input((1, draw(st.sampled_from((4, 8))), size, size)) for _ in range(draw(st.integers(1, 2)))]
    # A convolution on each input: clusters that only move elements are left to the CPU.
    edges = [b.finish(b.conv(x, x.shape[1], [1, 1])) for x in inputs]
    read: set[str] = set()
    for _ in range(draw(st.integers(3, 9))):
        x = edges[draw(st.integers(max(0, len(edges) - 3), len(edges) - 1))]
        partners = [e for e in edges if e.shape == x.shape]
        stackable = [e for e in edges if e.shape[2:] == x.shape[2:]]
        read.add(x.name)
        merge = draw(st.sampled_from(("none", "none", "add", "concat")))
        if merge == "none":
            unfit = {_upsample} if x.shape[2] > 8 else set()
            unfit |= {_channel_shuffle} if x.shape[1] % 2 else set()
            unfit |= {_halves} if x.shape[1] < 2 else set()
            steps = [s for s in STEPS if s not in unfit]
            edges.append(draw(st.sampled_from(steps))(draw, b, x))
            continue
        other = draw(st.sampled_from(partners if merge == "add" else stackable))
        read.add(other.name)
        if merge == "concat":
            edges.append(_joined(draw, b, [x, other]))
            continue
        edges.append(b.finish(b.op("Add", [b.dq(x), b.dq(other)]), draw(st.sampled_from((None, "Relu")))))
    outputs = [e for e in edges if e.name not in read]
    extra = draw(st.sampled_from(edges))
    return outputs if extra in outputs else [*outputs, extra]


def check_graphs(scales: str, count: int, *, dynamic_batch: bool) -> None:
    """Every quantized tensor, each layer judged on the inputs that it got; the plain outputs come out the same."""
    tally = Tally()
    exact = scales == "power_of_two"

    @examples(count)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        draw = data.draw
        style = draw_style(draw, power_of_two=exact)
        style.dynamic_batch = dynamic_batch
        builder = ModelBuilder(style, seed=draw(st.integers(0, 2**16)))
        for edge in random_network(draw, builder):
            builder.output(edge)
        model, feeds = builder.build(), builder.feeds()
        exposed = expose_quantized(model)
        names = [o.name for o in exposed.graph.output]
        session, exposed_session = vaip_session(model), vaip_session(exposed)
        for batch in (1, 3, 1, 2) if dynamic_batch else (1,):
            batched = {n: np.concatenate([np.roll(v, i) for i in range(batch)]) for n, v in feeds.items()}
            observed = dict(zip(names, run(exposed_session, batched), strict=True))
            expected = evaluate(exposed, batched, observed)
            for name in names:
                if expected[name].dtype != np.float32:  # a float edge is the DQ of a tensor that is exposed too
                    tally.add(expected[name], observed[name], name, equal=exact)
            for output, got in zip(model.graph.output, run(session, batched), strict=True):
                np.testing.assert_array_equal(got, observed[output.name])

    check()
    tally.check()


@pytest.mark.parametrize("dynamic_batch", [False, True], ids=["static", "dynamic_batch"])
@pytest.mark.parametrize("scales", ["power_of_two", "any"])
def test_random_graph(scales: str, dynamic_batch: bool) -> None:
    check_graphs(scales, 25, dynamic_batch=dynamic_batch)


@pytest.mark.timeout(3600)
@pytest.mark.slow
@pytest.mark.parametrize("dynamic_batch", [False, True], ids=["static", "dynamic_batch"])
@pytest.mark.parametrize("scales", ["power_of_two", "any"])
def test_random_graph_thousands(scales: str, dynamic_batch: bool) -> None:
    check_graphs(scales, 500, dynamic_batch=dynamic_batch)
