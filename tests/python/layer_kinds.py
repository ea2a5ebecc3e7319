"""Random layers of every kind that VitisAIEP claims, as hypothesis draws: one function per kind."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from index_kinds import INDEX_KINDS, INDEX_MOVEMENT
from models import QDQ_NAMES, RANGES, ZERO_POINTS, Edge, ModelBuilder, PlainEdge, Style

Draw = Callable[..., Any]


def examples(count: int) -> settings:
    """The same examples in every run, shrunk when one fails."""
    return settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )


# Activations that may fold into the layer before them.
FOLDED = (None, None, "Relu", "Relu6", "Clip", "LeakyRelu", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish")
UNARY = (
    "Relu", "Relu6", "Clip", "LeakyRelu", "PRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Elu", "Celu", "Selu",
    "Softsign", "Shrink", "ThresholdedRelu", "Sin", "Cos", "QuickGelu",
)  # fmt: skip


OPSETS = (17, 13, 11, 12, 14, 15, 16, 18, 19, 20, 21)
DOMAINS = tuple(QDQ_NAMES)


def draw_style(
    draw: Draw,
    *,
    power_of_two: bool,
    float_edges: bool | None = None,
    opsets: tuple[int, ...] = OPSETS,
    domains: tuple[str, ...] = DOMAINS,
    dtypes: tuple[str, ...] = ("uint8", "int8"),
) -> Style:
    return Style(
        opset=draw(st.sampled_from(opsets)),
        qdq_domain=draw(st.sampled_from(domains)),
        power_of_two=power_of_two,
        dtype=draw(st.sampled_from(dtypes)),
        zero_point=draw(st.sampled_from(ZERO_POINTS)),
        float_edges=draw(st.booleans()) if float_edges is None else float_edges,
    )


ALL_OPSETS = (*OPSETS, 22, 23, 24, 25)
MAGNITUDES = (1.0, 1.0, 2.0**-40, 2.0**-12, 2.0**12, 2.0**40)


def draw_rare_style(draw: Draw, *, power_of_two: bool) -> Style:
    """Every type of integer, scales far from one, outputs whose range was badly estimated, the newest opsets."""
    style = draw_style(draw, power_of_two=power_of_two, opsets=ALL_OPSETS, dtypes=("uint16", "int16", "uint8", "int8"))
    if style.opset < 21 and style.qdq_domain == "" and (style.dtype in ("uint16", "int16") or draw(st.booleans())):
        style.opset = draw(st.sampled_from([o for o in ALL_OPSETS if o >= 21]))
    if style.opset >= 21 or style.qdq_domain:
        style.weight_dtypes += ("int16", "uint16")
    if style.opset >= 21 and style.qdq_domain == "":
        style.weight_dtypes += ("int4", "uint4")
    style.input_magnitude = draw(st.sampled_from(MAGNITUDES))
    style.constant_magnitude = draw(st.sampled_from(MAGNITUDES))
    style.calibration_error = draw(st.sampled_from((1.0, 1.0, 1 / 32, 32.0)))
    return style


def allows_per_channel(style: Style) -> bool:
    return style.opset >= 13 or style.qdq_domain != ""


def _activation(draw: Draw, b: ModelBuilder) -> dict[str, Any]:
    kinds = [k for k in FOLDED if k != "HardSwish" or b.style.opset >= 14]
    return {"activation": draw(st.sampled_from(kinds)), "separate": draw(st.booleans())}


def _weights(draw: Draw, b: ModelBuilder, bias: str = "none") -> dict[str, Any]:
    # Not with a float bias before opset 13: onnxruntime's optimizer turns it into a DQ with an axis, which that opset
    # does not know, and finds the graph invalid.
    per_channel = allows_per_channel(b.style) and (bias != "float32" or b.style.opset >= 13)
    return {
        "per_channel": per_channel and draw(st.booleans()),
        "weight_dtype": draw(st.sampled_from(b.style.weight_dtypes)),
        "symmetric": draw(st.booleans()),
    }


def _draw_width(draw: Draw, b: ModelBuilder) -> None:
    """Activations of 8 or 16 bits from here on, where the model's Q and DQ know 16."""
    if (b.style.opset >= 21 or b.style.qdq_domain) and draw(st.booleans()):
        b.style.dtype = {"uint8": "uint16", "int8": "int16"}.get(b.style.dtype, b.style.dtype)


def _shape(draw: Draw, low_rank: int = 2, high_rank: int = 4, largest: int = 9) -> tuple[int, ...]:
    return tuple(draw(st.lists(st.integers(1, largest), min_size=low_rank, max_size=high_rank)))


def _window(draw: Draw, spatial: tuple[int, ...], largest: int) -> dict[str, Any]:
    """kernel, strides, dilations and pads that leave at least one position, and every window partly inside."""
    rank = len(spatial)
    per_axis = st.lists(st.integers(1, largest), min_size=rank, max_size=rank)
    kernel = draw(per_axis)
    strides = draw(st.lists(st.integers(1, 3), min_size=rank, max_size=rank))
    dilations = draw(st.lists(st.sampled_from((1, 1, 2)), min_size=rank, max_size=rank))
    auto_pad = draw(st.sampled_from(("NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")))
    pads: list[int] | None = None
    for d, size in enumerate(spatial):
        kernel[d] = min(kernel[d], size)
        if (kernel[d] - 1) * dilations[d] + 1 > size:
            dilations[d] = 1
    if auto_pad == "NOTSET":
        pads = [draw(st.integers(0, (kernel[d % rank] - 1) * dilations[d % rank])) for d in range(2 * rank)]
    elif auto_pad.startswith("SAME"):  # onnxruntime has no dilation with these
        dilations = [1] * rank
    return {"kernel": kernel, "strides": strides, "dilations": dilations, "pads": pads, "auto_pad": auto_pad}


def _image(draw: Draw, channels: int | None = None, ranks: tuple[int, ...] = (2, 2, 1, 3)) -> tuple[int, ...]:
    rank = draw(st.sampled_from(ranks))
    largest = {1: 40, 2: 14, 3: 7}[rank]
    spatial = draw(st.lists(st.integers(1, largest), min_size=rank, max_size=rank))
    return (draw(st.integers(1, 3)), channels or draw(st.integers(1, 20)), *spatial)


def conv(draw: Draw, b: ModelBuilder) -> list[Edge]:
    group = draw(st.sampled_from((1, 1, 1, 2, 3)))
    shape = _image(draw, channels=group * draw(st.integers(1, 17)))
    window = _window(draw, shape[2:], 5)
    bias = draw(st.sampled_from(("int32", "float32", "none")))
    filters = group * draw(st.integers(1, 20))
    y = b.conv(b.input(shape), filters, group=group, bias=bias, **window, **_weights(draw, b, bias))
    return [b.finish(y, **_activation(draw, b))]


def conv_transpose(draw: Draw, b: ModelBuilder) -> list[Edge]:
    group = draw(st.sampled_from((1, 1, 1, 2, 3)))
    shape = _image(draw, channels=group * draw(st.integers(1, 17)))
    rank = len(shape) - 2
    kernel = [draw(st.integers(1, 4)) for _ in range(rank)]
    strides = [draw(st.sampled_from((1, 2, 2, 3))) for _ in range(rank)]
    dilations = [draw(st.sampled_from((1, 1, 2))) for _ in range(rank)]
    attributes: dict[str, Any] = {"strides": strides, "dilations": dilations}
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    full = [(size - 1) * s + e for size, s, e in zip(shape[2:], strides, extents, strict=True)]
    form = draw(st.sampled_from(("pads", "pads", "output_shape", "SAME_UPPER", "SAME_LOWER")))
    if form == "pads":
        attributes["output_padding"] = [draw(st.integers(0, s - 1)) for s in strides]  # onnxruntime's limit
        attributes["pads"] = [draw(st.integers(0, min(extents[d % rank], full[d % rank] - 1) // 2))
                              for d in range(2 * rank)]  # fmt: skip
    elif form == "output_shape":
        attributes["output_shape"] = [draw(st.integers(max(1, size - 2), size)) for size in full]
    else:
        # The whole of it must reach the size that SAME asks for.
        attributes["strides"] = [min(s, e) for s, e in zip(strides, extents, strict=True)]
        attributes["auto_pad"] = form
    _draw_width(draw, b)
    bias = draw(st.sampled_from(("int32", "float32", "none")))
    y = b.conv_transpose(
        b.input(shape),
        draw(st.integers(1, 20)),
        kernel,
        group=group,
        bias=bias,
        **attributes,
        **_weights(draw, b, bias),
    )
    return [b.finish(y, **_activation(draw, b))]


def depthwise_conv(draw: Draw, b: ModelBuilder) -> list[Edge]:
    channels, multiplier = draw(st.integers(1, 24)), draw(st.sampled_from((1, 1, 2)))
    shape = _image(draw, channels=channels)
    window = _window(draw, shape[2:], 5)
    bias = draw(st.sampled_from(("int32", "float32", "none")))
    y = b.conv(b.input(shape), channels * multiplier, group=channels, bias=bias, **window, **_weights(draw, b, bias))
    return [b.finish(y, **_activation(draw, b))]


def pointwise_conv(draw: Draw, b: ModelBuilder) -> list[Edge]:
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 70)), draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    strides = [draw(st.integers(1, 2))] * 2
    y = b.conv(b.input(shape), draw(st.integers(1, 70)), [1, 1], strides=strides, **_weights(draw, b))
    return [b.finish(y, **_activation(draw, b))]


def gemm(draw: Draw, b: ModelBuilder) -> list[Edge]:
    x = b.input((draw(st.integers(1, 9)), draw(st.integers(1, 80))))
    bias = draw(st.sampled_from(("int32", "float32", "none")))
    y = b.gemm(
        x,
        draw(st.integers(1, 40)),
        trans_a=draw(st.sampled_from((False, False, True))),
        trans_b=draw(st.booleans()),
        bias=bias,
        alpha=draw(st.sampled_from((None, None, 0.5, 1.75))),
        beta=draw(st.sampled_from((None, None, 0.25, 3.0))),
        **_weights(draw, b, bias),
    )
    return [b.finish(y, **_activation(draw, b))]


def matmul(draw: Draw, b: ModelBuilder) -> list[Edge]:
    x = b.input((*_shape(draw, 1, 3), draw(st.integers(1, 80))))
    return [b.finish(b.matmul(x, draw(st.integers(1, 40)), **_weights(draw, b)), **_activation(draw, b))]


def matmul_of_activations(draw: Draw, b: ModelBuilder) -> list[Edge]:
    _draw_width(draw, b)
    batch, inner = _shape(draw, 0, 2, 4), draw(st.integers(1, 80))
    other = draw(st.sampled_from((batch, tuple(1 for _ in batch), ())))
    left = b.input((*batch, draw(st.integers(1, 9)), inner))
    right = b.input((*other, inner, draw(st.integers(1, 9))))
    return [b.finish(b.op("MatMul", [b.dq(left), b.dq(right)]), **_activation(draw, b))]


def matmul_of_constants(draw: Draw, b: ModelBuilder) -> list[Edge]:
    """A constant on the left, or a stack of them on the right."""
    batch, inner, outer = _shape(draw, 1, 2, 3), draw(st.integers(1, 40)), draw(st.integers(1, 9))
    left = draw(st.booleans())
    shape = (
        (outer, inner) if left and draw(st.booleans()) else (*batch, outer, inner) if left else (*batch, inner, outer)
    )
    dtype = draw(st.sampled_from(b.style.weight_dtypes))
    constant = b.quantized_constant(shape, dtype=dtype, symmetric=draw(st.booleans()))[0]
    x = b.dq(b.input((*batch, *((inner, 5) if left else (5, inner)))))
    return [b.finish(b.op("MatMul", [constant, x] if left else [x, constant]), **_activation(draw, b))]


def _broadcast(draw: Draw, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape itself, or one that broadcasts to it: ones in places, leading dimensions missing."""
    kept = tuple(1 if draw(st.sampled_from((False, False, True))) else size for size in shape)
    return draw(st.sampled_from((shape, shape, kept, kept[draw(st.integers(0, len(kept) - 1)) :])))


def arithmetic(draw: Draw, b: ModelBuilder) -> list[Edge]:
    op = draw(st.sampled_from(("Add", "Sub", "Mul")))
    shape = _shape(draw)
    x, other = b.dq(b.input(shape)), _broadcast(draw, shape)
    if draw(st.sampled_from((False, False, True))):
        y = b.quantized_constant(other, dtype=b.style.dtype, symmetric=draw(st.booleans()))[0]
    else:
        y = b.dq(b.input(other))
    pair = [y, x] if draw(st.booleans()) else [x, y]
    return [b.finish(b.op(op, pair), **_activation(draw, b))]


def same_input_twice(draw: Draw, b: ModelBuilder) -> list[Edge]:
    x = b.dq(b.input(_shape(draw)))
    return [b.finish(b.op(draw(st.sampled_from(("Add", "Mul"))), [x, x]), **_activation(draw, b))]


def sum_of_many(draw: Draw, b: ModelBuilder) -> list[Edge]:
    shape = _shape(draw)
    others = [_broadcast(draw, shape) for _ in range(draw(st.integers(0, 3)))]
    return [b.finish(b.op("Sum", [b.dq(b.input(s)) for s in (shape, *others)]), **_activation(draw, b))]


def concat(draw: Draw, b: ModelBuilder) -> list[Edge]:
    shape = list(_shape(draw, 1))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    parts = []
    shared = b.quant_for(-2.0, 2.0) if draw(st.booleans()) else None
    for _ in range(draw(st.integers(1, 4))):
        shape[axis] = draw(st.integers(1, 6))
        parts.append(b.input(shape, shared))
    y = b.op("Concat", [b.dq(p) for p in parts], axis=axis)
    return [b.q(y, shared) if shared and draw(st.booleans()) else b.q(y)]


def max_pool(draw: Draw, b: ModelBuilder) -> list[Edge]:
    return _pool(draw, b, "MaxPool")


def average_pool(draw: Draw, b: ModelBuilder) -> list[Edge]:
    return _pool(draw, b, "AveragePool")


def _pool(draw: Draw, b: ModelBuilder, op: str) -> list[Edge]:
    shape = _image(draw)
    window = _window(draw, shape[2:], 4)
    kernel = window.pop("kernel")
    dilated = op == "MaxPool" or b.style.opset >= 19
    if not dilated:
        window.pop("dilations")
    if window["auto_pad"] == "NOTSET":
        # Every window must hold at least one element, so pads stay below the kernel, not below its dilated extent.
        window["pads"] = [min(p, kernel[d % len(kernel)] - 1) for d, p in enumerate(window["pads"])]
        window["ceil_mode"] = draw(st.sampled_from((None, 0, 1)))
        if dilated and window["ceil_mode"]:
            window["dilations"] = [1] * len(kernel)
    elif window["auto_pad"].startswith("SAME"):  # onnxruntime rejects a stride that skips elements here
        window["strides"] = [min(s, k) for s, k in zip(window["strides"], kernel, strict=True)]
    if op == "AveragePool":
        window["count_include_pad"] = draw(st.sampled_from((None, 0, 1)))
    x = b.input(shape)
    y = b.op(op, [b.dq(x)], kernel_shape=kernel, **window)
    return [b.q(y, x.quant) if draw(st.booleans()) else b.q(y)]


def global_pool(draw: Draw, b: ModelBuilder) -> list[Edge]:
    x = b.input(_image(draw))
    return [b.finish(b.op("GlobalAveragePool", [b.dq(x)]), **_activation(draw, b))]


def reduce_mean(draw: Draw, b: ModelBuilder) -> list[Edge]:
    x = b.input(_image(draw))
    rank = len(x.shape)
    axes = draw(st.sampled_from(([*range(2, rank)], [*range(2 - rank, 0)], [rank - 1], [-1])))
    return [b.finish(b.reduce("ReduceMean", x, axes, draw(st.booleans())), **_activation(draw, b))]


def reduce(draw: Draw, b: ModelBuilder) -> list[Edge]:
    ops = ["L1", "L2", "SumSquare", "LogSumExp", "LogSum", "Sum", "Max", "Min"]
    ops += ["Prod"] if b.style.input_magnitude == 1.0 else []  # elsewhere float32 may not hold it
    op = draw(st.sampled_from(ops))
    _draw_width(draw, b)
    if b.style.opset < 18 and op == "Sum":  # its axes became an input earlier than the others'
        b.style.opset = max(b.style.opset, 18)
    shape = _shape(draw, 1, 4, 4 if op == "Prod" else 9)
    x = b.input(shape)
    if op == "LogSum":  # of numbers that are positive
        x = b.q(b.op("Sigmoid", [b.dq(x)]), b.quant_for(0.0, 1.0, zero_point="lowest"))
    axes = draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, unique=True))
    axes = [a - len(shape) if draw(st.booleans()) else a for a in axes]
    return [b.finish(b.reduce(f"Reduce{op}", x, axes, draw(st.booleans())), **_activation(draw, b))]


def _parameter(draw: Draw, b: ModelBuilder, shape: tuple[int, ...], low: float, high: float) -> str:
    """A constant: float, or quantized with whatever parameters."""
    low, high = low * b.style.constant_magnitude, high * b.style.constant_magnitude
    values = b.rng.uniform(low, high, shape)
    if draw(st.booleans()):
        return b.constant(values)
    scale = float(np.float32((high - low) / 200))
    if b.style.power_of_two:
        scale = 2.0 ** math.ceil(math.log2(scale))
    zero = draw(st.sampled_from((0, 7, -20)))
    integers = np.clip(np.rint(values / scale) + zero, -128, 127)
    inputs = [b.constant(integers, "int8"), b.constant(scale), b.constant(zero, "int8")]
    return b.op(QDQ_NAMES[b.style.qdq_domain][1], inputs, domain=b.style.qdq_domain)


def layer_norm(draw: Draw, b: ModelBuilder) -> list[Edge]:
    op = draw(st.sampled_from(("LayerNormalization", "LayerNormalization", "RMSNormalization")))
    b.style.opset = max(b.style.opset, 17 if op == "LayerNormalization" else 23)
    _draw_width(draw, b)
    shape = (*_shape(draw, 1, 3), draw(st.sampled_from((2, 7, 24, 64, 300))))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    normalised = shape[axis % len(shape) :]
    inputs = [b.dq(b.input(shape)), _parameter(draw, b, normalised, 0.2, 2.0)]
    if op == "LayerNormalization" and draw(st.booleans()):
        inputs.append(_parameter(draw, b, normalised, -1.0, 1.0))
    y = b.op(op, inputs, axis=axis, epsilon=draw(st.sampled_from((None, 1e-3))))
    return [b.finish(y, **_activation(draw, b))]


def _spread_out(b: ModelBuilder, x: Edge) -> Edge:
    """The last input, with both ends of its range in each channel: of next to no variance float32 makes noise."""
    sample = b.samples[b.inputs[-1].name]
    of_channels = sample.reshape(*x.shape[:2], -1)
    for i, end in enumerate(RANGES[x.quant.dtype]):
        of_channels[..., i] = (end - x.quant.zero_point) * x.quant.scale if b.style.float_edges else end
    return x


def instance_norm(draw: Draw, b: ModelBuilder) -> list[Edge]:
    _draw_width(draw, b)
    shape = _image(draw)
    if math.prod(shape[2:]) == 1:
        shape = (*shape[:2], *(size + 1 for size in shape[2:]))
    x = _spread_out(b, b.input(shape))
    parameters = [_parameter(draw, b, (x.shape[1],), *span) for span in ((0.2, 2.0), (-1.0, 1.0))]
    y = b.op("InstanceNormalization", [b.dq(x), *parameters], epsilon=draw(st.sampled_from((None, 1e-3))))
    return [b.finish(y, **_activation(draw, b))]


def group_norm(draw: Draw, b: ModelBuilder) -> list[Edge]:
    # Version 18 has other parameters and is deprecated: test_frontend_ops reads it.
    b.style.opset = max(b.style.opset, 21)
    _draw_width(draw, b)
    groups, per_group = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    x = _spread_out(b, b.input((*_image(draw, channels=groups * per_group)[:3], draw(st.integers(2, 7)))))
    parameters = [_parameter(draw, b, (x.shape[1],), *span) for span in ((0.2, 2.0), (-1.0, 1.0))]
    y = b.op("GroupNormalization", [b.dq(x), *parameters], num_groups=groups)
    return [b.finish(y, **_activation(draw, b))]


def batch_norm(draw: Draw, b: ModelBuilder) -> list[Edge]:
    _draw_width(draw, b)
    x = b.input(draw(st.sampled_from((_image(draw), (3, 12)))))
    spans = ((-2.0, 2.0), (-1.0, 1.0), (-1.0, 1.0), (0.1, 4.0))
    parameters = [_parameter(draw, b, (x.shape[1],), *span) for span in spans[:3]]
    variance = b.constant(b.rng.uniform(*spans[3], x.shape[1]))
    y = b.op("BatchNormalization", [b.dq(x), *parameters, variance], epsilon=draw(st.sampled_from((None, 1e-3))))
    return [b.finish(y, **_activation(draw, b))]


def lp_norm(draw: Draw, b: ModelBuilder) -> list[Edge]:
    _draw_width(draw, b)
    x = b.input(_shape(draw, 1))
    attributes = {"p": draw(st.sampled_from((None, 1, 2))), "axis": draw(st.integers(-len(x.shape), len(x.shape) - 1))}
    return [b.finish(b.op("LpNormalization", [b.dq(x)], **attributes), **_activation(draw, b))]


def pad(draw: Draw, b: ModelBuilder) -> list[Edge]:
    x = b.input(_shape(draw, 1))
    mode = draw(st.sampled_from(("constant", "constant", "reflect", "edge")))
    limit = [size - 1 if mode == "reflect" else 3 for size in x.shape]
    pads = [draw(st.integers(0, limit[d % len(limit)])) for d in range(2 * len(limit))]
    if mode == "constant":
        cropped = draw(st.booleans())
        pads = [-draw(st.integers(0, (x.shape[d % len(limit)] - 1) // 2)) if cropped and p == 0 else p
                for d, p in enumerate(pads)]  # fmt: skip
    value = draw(st.sampled_from((None, 0.0, 1.25, -0.5))) if mode == "constant" else None
    y = b.pad(x, pads, mode, value)
    return [b.q(y, x.quant) if draw(st.booleans()) else b.q(y)]


def reshape(draw: Draw, b: ModelBuilder) -> list[Edge]:
    shape = _shape(draw, 1)
    op = draw(st.sampled_from(("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose")))
    if op == "Squeeze":
        at = draw(st.integers(0, len(shape)))
        y = b.squeeze_or_unsqueeze(op, x := b.input((*shape[:at], 1, *shape[at:])), [at])
    elif op == "Unsqueeze":
        y = b.squeeze_or_unsqueeze(op, x := b.input(shape), [draw(st.integers(0, len(shape))), len(shape) + 1])
    elif op == "Flatten":
        y = b.op(op, [b.dq(x := b.input(shape))], axis=draw(st.integers(-len(shape), len(shape))))
    elif op == "Transpose":
        perm = draw(st.sampled_from((None, list(draw(st.permutations(range(len(shape))))))))
        y = b.op(op, [b.dq(x := b.input(shape))], perm=perm)
    else:
        target = draw(st.sampled_from(([-1], [0, -1] if len(shape) > 1 else [-1, 1], [1, -1, shape[-1]])))
        y = b.op(op, [b.dq(x := b.input(shape)), b.constant(target, "int64")])
    return [b.q(y, x.quant) if draw(st.booleans()) else b.q(y)]


def slice_(draw: Draw, b: ModelBuilder) -> list[Edge]:
    x = b.input(_shape(draw, 1))
    axes = draw(st.lists(st.integers(0, len(x.shape) - 1), min_size=1, unique=True))
    starts, ends, steps = [], [], []
    for axis in axes:
        size = x.shape[axis]
        first, step = draw(st.integers(0, size - 1)), draw(st.sampled_from((1, 1, 2, 3, -1, -2)))
        last = draw(st.integers(first, size - 1) if step > 0 else st.integers(0, first))
        end = last + 1 if step > 0 else last - 1
        if end < 0 or draw(st.booleans()):
            end = 2**31 - 1 if step > 0 else -(2**31)
        starts.append(first - size if draw(st.booleans()) else first)
        ends.append(end)
        steps.append(step)
    named = [a - len(x.shape) if draw(st.booleans()) else a for a in axes]
    y = b.slice(x, starts, ends, named, steps)
    return [b.q(y, x.quant) if draw(st.booleans()) else b.q(y)]


def split(draw: Draw, b: ModelBuilder) -> list[Edge]:
    sizes = draw(st.lists(st.integers(1, 5), min_size=2, max_size=4))
    shape = list(_shape(draw, 1))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    shape[axis] = sum(sizes)
    x = b.input(shape)
    return [b.q(y, x.quant) if draw(st.booleans()) else b.q(y) for y in b.split(x, axis, sizes)]


def resize(draw: Draw, b: ModelBuilder) -> list[Edge]:
    mode = draw(st.sampled_from(("nearest", "linear")))
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 5)), draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    x = b.input(shape)
    coordinates = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
    coordinates += ["half_pixel_symmetric"] if b.style.opset >= 19 else []
    nearest = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    arguments: dict[str, Any] = {
        "mode": mode,
        "coordinates": draw(st.sampled_from(coordinates)),
        "nearest": draw(st.sampled_from(nearest)) if mode == "nearest" else None,
    }
    # Factors whose coordinates float32 holds exactly: elsewhere the choice at a border is onnxruntime's rounding.
    if draw(st.booleans()):
        scales = [1.0, 1.0] + [draw(st.sampled_from((1.0, 2.0, 4.0, 0.5))) for _ in range(2)]
        scales = [1.0 if size * scale < 1 else scale for size, scale in zip(shape, scales, strict=True)]
        y = b.resize(x, scales=scales, **arguments)
    else:
        sizes = [*shape[:2], *(size * draw(st.sampled_from((1, 2, 4))) for size in shape[2:])]
        y = b.resize(x, sizes=sizes, **arguments)
    return [b.q(y, x.quant) if draw(st.booleans()) else b.q(y)]


def _known(b: ModelBuilder, kinds: tuple[str, ...]) -> list[str]:
    """Those that the model's opsets have."""
    unknown = {"HardSwish": b.style.opset < 14, "Celu": b.style.opset < 12, "QuickGelu": not b.style.qdq_domain}
    return [k for k in kinds if not unknown.get(k)]


def unary(draw: Draw, b: ModelBuilder) -> list[Edge]:
    kind = draw(st.sampled_from(_known(b, UNARY)))
    return [b.q(b.activation(b.dq(b.input(_shape(draw, 2))), kind))]


def swish(draw: Draw, b: ModelBuilder) -> list[Edge]:
    """x * sigmoid(x) as exporters write it, with Q/DQ behind the sigmoid."""
    x = b.input(_shape(draw))
    gate = b.q(b.op("Sigmoid", [b.dq(x)]))
    return [b.q(b.op("Mul", [b.dq(x), b.dq(gate)]))]


def softmax(draw: Draw, b: ModelBuilder) -> list[Edge]:
    x = b.input(_shape(draw, 1))
    return [b.q(b.softmax(x, draw(st.integers(-len(x.shape), len(x.shape) - 1))))]


def requantize(draw: Draw, b: ModelBuilder) -> list[Edge]:
    """Only Q and DQ: integers to integers of other parameters, or of another type."""
    x = b.dq(b.input(_shape(draw, 1)))
    other = draw(st.sampled_from(("uint8", "int8")))
    return [b.q(x, b.calibrate(x, other, draw(st.sampled_from(ZERO_POINTS))))]


KINDS: dict[str, Callable[[Draw, ModelBuilder], list[Any]]] = {
    f.__name__.rstrip("_"): f
    for f in (
        conv, conv_transpose, depthwise_conv, pointwise_conv, gemm, matmul, matmul_of_activations,
        matmul_of_constants, arithmetic,
        same_input_twice, sum_of_many, concat, max_pool, average_pool, global_pool, reduce_mean, reduce, layer_norm,
        instance_norm, group_norm, batch_norm, lp_norm, pad, reshape, slice_, split, resize, unary, swish, softmax,
        requantize,
        *INDEX_KINDS,
    )
}  # fmt: skip

# Kinds without arithmetic: by themselves not worth a transfer to the device, so VitisAIEP leaves them to the CPU.
MOVEMENT = {"concat", "pad", "reshape", "slice", "split", "requantize", *INDEX_MOVEMENT}


def draw_layer(draw: Draw, b: ModelBuilder, kind: str) -> list[Edge | PlainEdge]:
    """A layer of the kind, as the model's outputs; behind one that only moves elements comes one that computes."""
    edges = KINDS[kind](draw, b)
    if kind in MOVEMENT:
        edges += [b.finish(b.dq(edge), "LeakyRelu") for edge in edges if isinstance(edge, Edge)]
    for edge in edges:
        b.plain_output(edge) if isinstance(edge, PlainEdge) else b.output(edge)
    return edges
