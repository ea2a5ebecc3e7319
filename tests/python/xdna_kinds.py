"""Arithmetic in the numerics "xdna": one function per kind of layer draws it, and says what should come out."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import strategies as st
from oracle import dynamic, xdna
from oracle.xdna import Params
from xdna_layer import (
    ACTIVATIONS,
    Case,
    Draw,
    OneLayer,
    add_bias,
    draw_params,
    draw_scale,
    draw_stored,
    draw_weights,
    largest_result,
    output_params,
    span,
)


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
    return layer.moves_to(converted, py, expected)


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


def conv(draw: Draw, exact: bool, mode: str) -> Case:
    px = draw_params(draw, exact, draw(st.sampled_from(["uint8", "int8", "uint16"])))
    groups = draw(st.sampled_from([1, 1, 2]))
    channels, per_group = 6, 3
    w, scales = draw_weights(draw, exact, (channels, per_group, 3, 2), channels)
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
    acc = add_bias(draw, exact, mode, layer, inputs, np.moveaxis(total, 1, -1), units)
    py = output_params(draw, exact, largest_result(total, units))
    y = layer.node("Conv", inputs, strides=strides, pads=pads, group=groups)
    follows = draw(st.booleans())
    if follows:
        y = layer.node("Relu", [y])
    expected = np.moveaxis(xdna.last_step(acc, units, py, mode, relu_follows=follows), -1, 1)
    return layer.ends(y, py), expected


def gemm(draw: Draw, exact: bool, mode: str) -> Case:
    px = draw_params(draw, exact)
    depth, columns = draw(st.integers(1, 24)), draw(st.integers(1, 20))
    w, scales = draw_weights(draw, exact, (depth, columns), columns)
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
        acc = add_bias(draw, exact, mode, layer, inputs, total, units)
    py = output_params(draw, exact, largest_result(total, units))
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
    py = output_params(draw, exact, largest_result(total, [unit]))
    layer = OneLayer()
    y = layer.node("MatMul", [layer.activation(a, pa), layer.activation(b, pb)])
    expected = xdna.last_step(total.astype(object), [unit] * 6, py, mode, relu_follows=False)
    return layer.ends(y, py), expected


ARITHMETIC = (
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
