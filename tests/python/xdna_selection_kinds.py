"""Selections, data movement, sums and windows in the numerics "xdna", as xdna_kinds."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import strategies as st
from oracle import indexing, movement, pooling, xdna
from oracle.xdna import Params
from xdna_layer import (
    ACTIVATIONS,
    Case,
    Draw,
    OneLayer,
    Stored,
    add_bias,
    draw_params,
    draw_stored,
    draw_weights,
    largest_result,
    output_params,
    span,
)


def _ends(draw: Draw, exact: bool) -> tuple[Params, Params]:
    """Of a tensor and of what is selected from it: the same, or others."""
    px = draw_params(draw, exact)
    return px, px if draw(st.booleans()) else output_params(draw, exact, span(px), px.dtype)


def gather(draw: Draw, exact: bool, mode: str) -> Case:
    px, py = _ends(draw, exact)
    x = draw_stored(draw, px.dtype, (30, 7))
    indices = draw_stored(draw, "uint8", (11,)).astype(np.int64) % 60 - 30
    layer = OneLayer()
    y = layer.node("Gather", [layer.activation(x, px), layer.constant(indices)], axis=0)
    return layer.moves_to(y, py, xdna.requantize(x[indices], px, py, mode))


def split(draw: Draw, exact: bool, mode: str) -> Case:
    px, py = _ends(draw, exact)
    x = draw_stored(draw, px.dtype, (3, 40))
    at = draw(st.integers(1, 39))
    layer = OneLayer()
    sizes = layer.constant(np.array([at, 40 - at]))
    parts = layer.outputs_of("Split", [layer.activation(x, px), sizes], 2, axis=1)
    part = draw(st.integers(0, 1))
    return layer.moves_to(parts[part], py, xdna.requantize(np.split(x, [at], axis=1)[part], px, py, mode))


def top_k(draw: Draw, exact: bool, mode: str) -> Case:
    px, py = _ends(draw, exact)
    x = draw_stored(draw, px.dtype, (4, 30))
    k, largest = draw(st.integers(1, 30)), draw(st.booleans())
    layer = OneLayer()
    inputs = [layer.activation(x, px), layer.constant(np.array([k]))]
    values, _ = layer.outputs_of("TopK", inputs, 2, axis=1, largest=int(largest))
    ordered = np.sort(x, axis=1)
    chosen = ordered[:, ::-1][:, :k] if largest else ordered[:, :k]
    return layer.moves_to(values, py, xdna.requantize(chosen, px, py, mode))


def max_pool(draw: Draw, exact: bool, mode: str) -> Case:
    px, py = _ends(draw, exact)
    x = draw_stored(draw, px.dtype, (1, 5, 6, 7))
    kernel, strides = [draw(st.integers(1, 3)), 2], [draw(st.integers(1, 2)), 1]
    pads = [0, 1, 0, 0]
    layer = OneLayer()
    y = layer.node("MaxPool", [layer.activation(x, px)], kernel_shape=kernel, strides=strides, pads=pads)
    largest = pooling.pool(
        x.astype(np.float64),
        "max",
        kernel=kernel,
        strides=strides,
        pads=pads,
        dilations=[1, 1],
        auto_pad="NOTSET",
        ceil_mode=False,
        count_include_pad=False,
    )
    return layer.moves_to(y, py, xdna.requantize(largest.astype(px.dtype), px, py, mode))


def where(draw: Draw, exact: bool, mode: str) -> Case:
    dtype = draw(st.sampled_from(ACTIVATIONS))
    pa, pb = draw_params(draw, exact, dtype), draw_params(draw, exact, dtype)
    py = output_params(draw, exact, max(span(pa), span(pb)), dtype)
    a, b = draw_stored(draw, dtype, (3, 50)), draw_stored(draw, dtype, (50,))
    holds = draw_stored(draw, "uint8", (3, 1)) < 128
    layer = OneLayer()
    y = layer.node("Where", [layer.constant(holds), layer.activation(a, pa), layer.activation(b, pb)])
    return layer.ends(y, py), np.where(holds, xdna.requantize(a, pa, py, mode), xdna.requantize(b, pb, py, mode))


def extremes(draw: Draw, exact: bool, mode: str) -> Case:
    op = draw(st.sampled_from(["Min", "Max"]))
    dtype = draw(st.sampled_from(ACTIVATIONS))
    pa, pb = draw_params(draw, exact, dtype), draw_params(draw, exact, dtype)
    py = output_params(draw, exact, max(span(pa), span(pb)), dtype)
    a, b = draw_stored(draw, dtype, (2, 5, 40)), draw_stored(draw, dtype, (5, 1))
    layer = OneLayer()
    y = layer.node(op, [layer.activation(a, pa), layer.activation(b, pb)])
    return layer.ends(y, py), xdna.combine(op, [(a, pa), (b, pb)], py, mode)


def clip(draw: Draw, exact: bool, mode: str) -> Case:
    px = draw_params(draw, exact)
    py = output_params(draw, exact, span(px))
    x = draw_stored(draw, px.dtype, (3, 200))
    low, high = (np.float32(span(px) * f) for f in sorted([draw(st.floats(-1, 1)), draw(st.floats(-1, 1))]))
    layer = OneLayer()
    y = layer.node("Clip", [layer.activation(x, px), layer.constant(low), layer.constant(high)])
    return layer.ends(y, py), xdna.clip(x, px, py, mode, float(low), float(high))


def cum_sum(draw: Draw, exact: bool, mode: str) -> Case:
    px = draw_params(draw, exact)
    py = output_params(draw, exact, 8 * span(px))
    x = draw_stored(draw, px.dtype, (5, 20))
    flags = {"exclusive": draw(st.booleans()), "reverse": draw(st.booleans())}
    axis = draw(st.integers(0, 1))
    layer = OneLayer()
    inputs = [layer.activation(x, px), layer.constant(np.int64(axis))]
    y = layer.node("CumSum", inputs, **{name: int(flag) for name, flag in flags.items()})
    sums = indexing.cumulative_sum(x.astype(np.int64) - px.zero_point, axis, **flags)
    return layer.ends(y, py), xdna.scaled(sums.astype(object), px, py, mode)


def reduce_mean(draw: Draw, exact: bool, mode: str) -> Case:
    px = draw_params(draw, exact)
    py = output_params(draw, exact, span(px), px.dtype)
    if draw(st.booleans()):
        py = Params(px.scale, py.zero_point, py.dtype)
    x = draw_stored(draw, px.dtype, (4, draw(st.integers(1, 9)), draw(st.integers(1, 9))))
    axes = draw(st.sampled_from([(1,), (2,), (1, 2)]))
    layer = OneLayer()
    y = layer.node("ReduceMean", [layer.activation(x, px), layer.constant(np.array(axes))])
    return layer.ends(y, py), xdna.mean(x, px, py, mode, axes)


def resize(draw: Draw, exact: bool, mode: str) -> Case:
    """To multiples by powers of two: all weights of the interpolation are binary fractions."""
    px = draw_params(draw, exact)
    py = output_params(draw, exact, span(px), px.dtype)
    x = draw_stored(draw, px.dtype, (1, 3, 4, 6))
    scales = [1.0, 1.0, draw(st.sampled_from([0.5, 1.0, 2.0, 4.0])), draw(st.sampled_from([2.0, 4.0]))]
    modes = {"mode": "linear", "coordinate_mode": draw(st.sampled_from(["half_pixel", "asymmetric"]))}
    layer = OneLayer()
    y = layer.node(
        "Resize",
        [layer.activation(x, px), "", layer.constant(np.array(scales, np.float32))],
        mode="linear",
        coordinate_transformation_mode=modes["coordinate_mode"],
    )
    centred = (x.astype(np.int64) - px.zero_point).astype(np.float64)
    exact_reals = movement.resize(
        centred, **modes, nearest_mode="round_prefer_floor", scales=scales, sizes=None, axes=None
    )
    return layer.ends(y, py), xdna.scaled(np.vectorize(Fraction, otypes=[object])(exact_reals), px, py, mode)


def _transposed_accumulators(x: Stored, w: Stored, strides: tuple[int, int], pads: tuple[int, int, int, int]) -> Stored:
    """Every input pixel adds its taps to the output."""
    n, _, height, width = x.shape
    _, channels, kernel_height, kernel_width = w.shape
    full = ((height - 1) * strides[0] + kernel_height, (width - 1) * strides[1] + kernel_width)
    total = np.zeros((n, channels, *full), np.int64)
    for row, column in np.ndindex(height, width):
        taps = np.einsum("nc,cmij->nmij", x[:, :, row, column], w)
        top, left = row * strides[0], column * strides[1]
        total[:, :, top : top + kernel_height, left : left + kernel_width] += taps
    top, left, bottom, right = pads
    return total[:, :, top : full[0] - bottom, left : full[1] - right]


def conv_transpose(draw: Draw, exact: bool, mode: str) -> Case:
    px = draw_params(draw, exact, draw(st.sampled_from(["uint8", "int8", "uint16"])))
    channels = 5
    w, scales = draw_weights(draw, exact, (4, channels, 3, 2), channels)
    x = draw_stored(draw, px.dtype, (2, 4, 4, 3))
    strides, pads = (draw(st.integers(1, 3)), 2), draw(st.sampled_from([(0, 0, 0, 0), (1, 0, 0, 1)]))
    total = _transposed_accumulators(x.astype(np.int64) - px.zero_point, w.astype(np.int64), strides, pads)
    units = [px.exact * Fraction(float(s)) for s in np.broadcast_to(scales, channels)]
    layer = OneLayer()
    zero = np.zeros(scales.size if scales.size > 1 else (), w.dtype)
    weight = layer.dequantized(layer.constant(w), scales if scales.size > 1 else scales[0], zero, axis=1)
    inputs = [layer.activation(x, px), weight]
    acc = add_bias(draw, exact, mode, layer, inputs, np.moveaxis(total, 1, -1), units)
    py = output_params(draw, exact, largest_result(total, units))
    y = layer.node("ConvTranspose", inputs, strides=strides, pads=pads)
    expected = np.moveaxis(xdna.last_step(acc, units, py, mode, relu_follows=False), -1, 1)
    return layer.ends(y, py), expected


SELECTION = (
    gather,
    split,
    top_k,
    max_pool,
    where,
    extremes,
    clip,
    cum_sum,
    reduce_mean,
    resize,
    conv_transpose,
)
