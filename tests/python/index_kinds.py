"""Random layers that repeat or pick elements, compare them, or make indices: one function per kind, as layer_kinds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from models import RANGES, Edge, ModelBuilder, PlainEdge

Draw = Callable[..., Any]
Edges = list[Edge | PlainEdge]


def _shape(draw: Draw, low_rank: int = 1, high_rank: int = 4, largest: int = 7) -> tuple[int, ...]:
    return tuple(draw(st.lists(st.integers(1, largest), min_size=low_rank, max_size=high_rank)))


def _axis(draw: Draw, shape: tuple[int, ...]) -> int:
    return draw(st.integers(-len(shape), len(shape) - 1))


def _q(draw: Draw, b: ModelBuilder, name: str, x: Edge) -> Edge:
    """Back to the input's parameters, or to those of a calibration."""
    return b.q(name, x.quant) if draw(st.booleans()) else b.q(name)


def _indices(draw: Draw, b: ModelBuilder, shape: tuple[int, ...], size: int | np.ndarray) -> str:
    """Indices below `size`, some of them counted from the end: a graph input or a constant, of either type."""
    values = b.rng.integers(-np.asarray(size), size, shape)
    dtype = draw(st.sampled_from(("int64", "int32")))
    if draw(st.booleans()):
        return b.constant(values, dtype, "indices")
    return b.plain_input(values.astype(dtype))


def _other(draw: Draw, b: ModelBuilder, x: Edge) -> str:
    """A second operand that broadcasts to x: a tensor, often of the same parameters, or a constant."""
    kept = tuple(1 if draw(st.sampled_from((False, False, True))) else size for size in x.shape)
    kind = draw(st.sampled_from(("same", "tensor", "constant", "float")))
    if kind == "constant":
        return b.quantized_constant(kept, dtype=b.style.dtype, symmetric=draw(st.booleans()))[0]
    if kind == "float":
        return b.constant(draw(st.sampled_from((0.0, 1.5, -0.75, -1e9))))
    return b.dq(b.input(kept, x.quant if kind == "same" else None))


def expand(draw: Draw, b: ModelBuilder) -> Edges:
    shape = _shape(draw)
    x = b.input(tuple(1 if draw(st.booleans()) else size for size in shape))
    # A 1 in the target leaves the input's dimension; leading dimensions may be missing or more.
    target = [size if x.shape[d] == 1 else draw(st.sampled_from((1, size))) for d, size in enumerate(shape)]
    target = draw(st.sampled_from((target, [2, *target])))
    return [_q(draw, b, b.op("Expand", [b.dq(x), b.constant(target, "int64")]), x)]


def tile(draw: Draw, b: ModelBuilder) -> Edges:
    x = b.input(_shape(draw))
    repeats = [draw(st.integers(1, 3)) for _ in x.shape]
    return [_q(draw, b, b.op("Tile", [b.dq(x), b.constant(repeats, "int64")]), x)]


def depth_to_space(draw: Draw, b: ModelBuilder) -> Edges:
    block = draw(st.integers(1, 3))
    channels, height, width = (draw(st.integers(1, 5)) for _ in range(3))
    mode = draw(st.sampled_from((None, "DCR", "CRD")))
    x = b.input((draw(st.integers(1, 2)), channels * block**2, height, width))
    return [_q(draw, b, b.op("DepthToSpace", [b.dq(x)], blocksize=block, mode=mode), x)]


def space_to_depth(draw: Draw, b: ModelBuilder) -> Edges:
    block = draw(st.integers(1, 3))
    channels, height, width = (draw(st.integers(1, 5)) for _ in range(3))
    x = b.input((draw(st.integers(1, 2)), channels, height * block, width * block))
    return [_q(draw, b, b.op("SpaceToDepth", [b.dq(x)], blocksize=block), x)]


def gather(draw: Draw, b: ModelBuilder) -> Edges:
    x = b.input(_shape(draw, 1, 3))
    axis = _axis(draw, x.shape)
    indices = _indices(draw, b, draw(st.sampled_from(((), (4,), (2, 3)))), x.shape[axis])
    return [_q(draw, b, b.op("Gather", [b.dq(x), indices], axis=axis), x)]


def embedding(draw: Draw, b: ModelBuilder) -> Edges:
    """Rows of a constant table, at indices that are an input of the model."""
    table = b.quantized_constant((draw(st.integers(2, 30)), draw(st.integers(1, 20))), dtype="int8")[0]
    shape = _shape(draw, 1, 2)
    indices = b.plain_input(b.rng.integers(0, b.sample(table).shape[0], shape))
    return [b.q(b.op("Gather", [table, indices]))]


def gather_elements(draw: Draw, b: ModelBuilder) -> Edges:
    x = b.input(_shape(draw, 1, 3))
    axis = _axis(draw, x.shape)
    shape = [draw(st.integers(1, size)) for size in x.shape]
    shape[axis] = draw(st.integers(1, 9))
    indices = _indices(draw, b, tuple(shape), x.shape[axis])
    return [_q(draw, b, b.op("GatherElements", [b.dq(x), indices], axis=axis), x)]


def gather_nd(draw: Draw, b: ModelBuilder) -> Edges:
    x = b.input(_shape(draw, 2, 4))
    batch = draw(st.integers(0, len(x.shape) - 2)) if b.style.opset >= 12 else 0
    # Not all the way to scalars: those would leave nothing for a batch to be.
    length = draw(st.integers(1, len(x.shape) - batch - 1))
    tuples = (*x.shape[:batch], *_shape(draw, 1, 2, 4), length)
    values = b.rng.integers(0, 2**16, tuples) % np.array(x.shape[batch : batch + length])
    indices = b.constant(values, "int64", "indices") if draw(st.booleans()) else b.plain_input(values)
    y = b.op("GatherND", [b.dq(x), indices], batch_dims=batch if b.style.opset >= 12 else None)
    return [_q(draw, b, y, x)]


def _compare(draw: Draw, b: ModelBuilder, x: Edge) -> str:
    ops = ["Equal", "Greater", "Less"] + (["GreaterOrEqual", "LessOrEqual"] if b.style.opset >= 12 else [])
    pair = [b.dq(x), _other(draw, b, x)]
    return b.op(draw(st.sampled_from(ops)), pair if draw(st.booleans()) else pair[::-1])


def comparison(draw: Draw, b: ModelBuilder) -> Edges:
    return [b.plain(_compare(draw, b, b.input(_shape(draw))))]


def logic(draw: Draw, b: ModelBuilder) -> Edges:
    x = b.input(_shape(draw))
    mask = _compare(draw, b, x)
    other = b.plain_input(b.rng.integers(0, 2, x.shape).astype(bool)) if draw(st.booleans()) else _compare(draw, b, x)
    y = b.op(draw(st.sampled_from(("And", "Or", "Xor"))), [mask, other])
    return [b.plain(b.op("Not", [y]) if draw(st.booleans()) else y)]


def where(draw: Draw, b: ModelBuilder) -> Edges:
    x = b.input(_shape(draw))
    kind = draw(st.sampled_from(("computed", "input", "constant")))
    mask = b.rng.integers(0, 2, x.shape).astype(bool)
    if kind == "computed":
        condition = _compare(draw, b, x)
    else:
        condition = b.plain_input(mask) if kind == "input" else b.constant(mask, "bool")
    pair = [b.dq(x), _other(draw, b, x)]
    y = b.op("Where", [condition, *(pair if draw(st.booleans()) else pair[::-1])])
    return [_q(draw, b, y, x)]


def masked(draw: Draw, b: ModelBuilder) -> Edges:
    """An attention mask of integers, turned into a condition on the way."""
    x = b.input((draw(st.integers(1, 2)), draw(st.integers(1, 4)), draw(st.integers(1, 5)), draw(st.integers(1, 5))))
    mask = b.plain_input(b.rng.integers(0, 2, (x.shape[0], x.shape[3])))
    if b.style.opset >= 13:
        wide = b.op("Unsqueeze", [mask, b.constant([1, 2], "int64")])
    else:
        wide = b.op("Unsqueeze", [mask], axes=[1, 2])
    condition = b.op("Cast", [wide], to=9)
    if draw(st.booleans()):
        condition = b.op("Expand", [condition, b.constant(x.shape, "int64")])
    return [b.q(b.op("Where", [condition, b.dq(x), b.constant(-8.0)]))]


def _often_equal(draw: Draw, b: ModelBuilder) -> Edge:
    """A tensor many of whose elements are equal, now and then."""
    x = b.input(_shape(draw))
    if draw(st.booleans()) and not b.style.float_edges:
        low, high = RANGES[b.style.dtype]
        step = (high - low + 1) // 4
        b.samples[x.name] = (b.samples[x.name].astype(np.int64) // step * step).astype(b.style.dtype)
    return x


def arg(draw: Draw, b: ModelBuilder) -> Edges:
    x = _often_equal(draw, b)
    last = draw(st.booleans()) if b.style.opset >= 12 else False
    attributes = {"keepdims": draw(st.sampled_from((None, 0, 1))), "select_last_index": 1 if last else None}
    if len(x.shape) == 1:
        attributes["keepdims"] = 1
    return [
        b.plain(b.op(draw(st.sampled_from(("ArgMax", "ArgMin"))), [b.dq(x)], axis=_axis(draw, x.shape), **attributes))
    ]


def top_k(draw: Draw, b: ModelBuilder) -> Edges:
    x = _often_equal(draw, b)
    axis = _axis(draw, x.shape)
    values, indices = b.top_k(x, draw(st.integers(1, x.shape[axis])), axis, largest=draw(st.booleans()))
    return [_q(draw, b, values, x), b.plain(indices)]


def cum_sum(draw: Draw, b: ModelBuilder) -> Edges:
    x = b.input(_shape(draw))
    flags = {name: draw(st.sampled_from((None, 0, 1))) for name in ("exclusive", "reverse")}
    axis = b.constant(_axis(draw, x.shape), "int64")
    return [b.q(b.op("CumSum", [b.dq(x), axis], **flags))]


def positions(draw: Draw, b: ModelBuilder) -> Edges:
    """Indices that are computed on the way to a Gather, or from those of an ArgMax."""
    x = b.input(_shape(draw, 1, 3))
    axis = _axis(draw, x.shape)
    dtype = draw(st.sampled_from(("int64", "int32")))
    ops = ["Add", "Sub", "Mul", "Div", "Mod"] + (["Min", "Max"] if b.style.opset >= 12 else [])

    def combined(a: str, shape: tuple[int, ...]) -> str:
        values = b.rng.integers(1, 20, shape) * b.rng.choice([-1, 1], shape)
        other = b.constant(values, dtype) if draw(st.booleans()) else b.plain_input(values.astype(dtype))
        return b.op(draw(st.sampled_from(ops)), [a, other])

    computed = combined(
        b.plain_input(b.rng.integers(-50, 50, (4, 3)).astype(dtype)), draw(st.sampled_from(((3,), (4, 1))))
    )
    # Like C's the remainder may be negative, which counts from the end.
    indices = b.op("Mod", [computed, b.constant(x.shape[axis], dtype)], fmod=draw(st.sampled_from((None, 1))))
    y = _q(draw, b, b.op("Gather", [b.dq(x), indices], axis=axis), x)
    if dtype == "int32":
        return [y]
    largest = b.op("ArgMax", [b.dq(x)], axis=axis, keepdims=1)
    return [y, b.plain(combined(largest, (1,)))]


INDEX_KINDS = (
    expand, tile, depth_to_space, space_to_depth, gather, embedding, gather_elements, gather_nd, comparison, logic,
    where, masked, arg, top_k, cum_sum, positions,
)  # fmt: skip

# Kinds without arithmetic: see layer_kinds.MOVEMENT.
INDEX_MOVEMENT = {
    *(
        "expand",
        "tile",
        "depth_to_space",
        "space_to_depth",
        "gather",
        "embedding",
        "gather_elements",
        "gather_nd",
        "positions",
    )
}
