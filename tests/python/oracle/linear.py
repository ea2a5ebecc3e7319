"""Conv, Gemm and MatMul: integer accumulation, then real scaling.

Integer products run through float64 matrix multiplication, which is exact as long as no partial sum reaches 2^53.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .quant import Ints, Reals, Tensor


def exact_matmul(a: Ints, b: Ints) -> Ints:
    """a @ b in exact integers."""
    bound = int(np.abs(a).max(initial=0)) * int(np.abs(b).max(initial=0)) * max(a.shape[-1], 1)
    if bound < 2**53:
        return np.matmul(a.astype(np.float64), b.astype(np.float64)).astype(np.int64)
    assert bound < 2**63, "the accumulator does not fit 64 bits"
    return np.matmul(a, b)


def _matmul(a: Ints | Reals, b: Ints | Reals) -> Reals:
    if a.dtype == np.int64 and b.dtype == np.int64:
        return exact_matmul(a, b).astype(np.float64)
    return np.matmul(a.astype(np.float64), b.astype(np.float64))


def resolve_pads(
    spatial: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int],
    auto_pad: str,
) -> tuple[list[int], list[int]]:
    """Begin and end pads per spatial dimension, as ONNX defines auto_pad."""
    rank = len(spatial)
    if auto_pad == "NOTSET":
        return list(pads[:rank]), list(pads[rank:])
    if auto_pad == "VALID":
        return [0] * rank, [0] * rank
    begins, ends = [], []
    for size, k, stride, dilation in zip(spatial, kernel, strides, dilations, strict=True):
        out = -(-size // stride)
        total = max((out - 1) * stride + (k - 1) * dilation + 1 - size, 0)
        small, large = total // 2, total - total // 2
        begins.append(small if auto_pad == "SAME_UPPER" else large)
        ends.append(large if auto_pad == "SAME_UPPER" else small)
    return begins, ends


def windows(
    x: Ints | Reals, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int], out: Sequence[int]
) -> Ints | Reals:
    """A view [N, C, out..., kernel...] of the windows of an already padded x [N, C, spatial...]."""
    rank = len(kernel)
    spatial = x.strides[2:]
    shape = (*x.shape[:2], *out, *kernel)
    steps = (
        *x.strides[:2],
        *(spatial[d] * strides[d] for d in range(rank)),
        *(spatial[d] * dilations[d] for d in range(rank)),
    )
    return np.lib.stride_tricks.as_strided(x, shape, steps, writeable=False)


def conv(
    x: Tensor,
    w: Tensor,
    bias: Tensor | None,
    *,
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int],
    auto_pad: str,
    group: int,
) -> Reals:
    integers = x.from_integers and w.from_integers and x.scale.ndim == 0 and _only_axis(w.scale, 0)
    xs, ws = (x.centred, w.centred) if integers else (x.real, w.real)
    kernel = ws.shape[2:]
    begins, ends = resolve_pads(xs.shape[2:], kernel, strides, dilations, pads, auto_pad)
    # Padding is real zero, which is integer zero once the zero point is off.
    padded = np.pad(xs, [(0, 0), (0, 0), *zip(begins, ends, strict=True)])
    out = [(padded.shape[2 + d] - ((kernel[d] - 1) * dilations[d] + 1)) // strides[d] + 1 for d in range(len(kernel))]
    assert min(out) > 0, "the window does not fit the padded input"
    view = windows(padded, kernel, strides, dilations, out)
    n, channels = xs.shape[:2]
    filters, per_group = ws.shape[:2]
    assert (per_group * group, filters % group) == (channels, 0)
    positions, taps = math.prod(out), per_group * math.prod(kernel)
    rank = len(kernel)
    # [N, group, C/group, out..., kernel...] -> [N, group, C/group * kernel, positions]
    view = view.reshape(n, group, per_group, *out, *kernel)
    order = (0, 1, 2, *range(3 + rank, 3 + 2 * rank), *range(3, 3 + rank))
    columns = view.transpose(order).reshape(n, group, taps, positions)
    acc = _matmul(ws.reshape(1, group, filters // group, taps), columns).reshape(n, filters, *out)
    if integers:
        acc = acc * (x.scale * _reshape_scale(w.scale, (1, -1) + (1,) * rank))
    return acc if bias is None else acc + bias.real.reshape(1, -1, *[1] * rank)


def conv_transpose(
    x: Tensor,
    w: Tensor,
    bias: Tensor | None,
    *,
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int],
    auto_pad: str,
    group: int,
    output_padding: Sequence[int],
    output_shape: Sequence[int] | None,
) -> Reals:
    """Every input pixel adds its multiple of the kernel to the output that it touches; pads cut the result."""
    integers = x.from_integers and w.from_integers and x.scale.ndim == 0 and _only_axis(w.scale, 1)
    xs, ws = (x.centred, w.centred) if integers else (x.real, w.real)
    spatial, kernel = xs.shape[2:], ws.shape[2:]
    rank = len(kernel)
    full = [(spatial[d] - 1) * strides[d] + (kernel[d] - 1) * dilations[d] + 1 for d in range(rank)]
    begins, out = [], []
    for d in range(rank):
        padded = full[d] + output_padding[d]
        if output_shape is None and not auto_pad.startswith("SAME"):
            begin, end = (pads[d], pads[rank + d]) if auto_pad == "NOTSET" else (0, 0)
            begins.append(begin)
            out.append(padded - begin - end)
            continue
        size = output_shape[d] if output_shape is not None else spatial[d] * strides[d]
        total = max(padded - size, 0)
        begins.append(total // 2 if auto_pad == "SAME_UPPER" else total - total // 2)
        out.append(size)
    n, channels = xs.shape[:2]
    per_group = ws.shape[1]
    grouped = ws.reshape(group, channels // group, per_group, *kernel)
    sums = np.zeros((n, group * per_group, *(max(full[d], begins[d] + out[d]) for d in range(rank))), xs.dtype)
    for tap in np.ndindex(*kernel):
        columns = xs.reshape(n, group, channels // group, -1)
        weights = grouped[(slice(None), slice(None), slice(None), *tap)].transpose(0, 2, 1)
        product = _matmul(weights[None], columns).reshape(n, group * per_group, *spatial).astype(xs.dtype)
        reach = tuple(
            slice(tap[d] * dilations[d], tap[d] * dilations[d] + (spatial[d] - 1) * strides[d] + 1, strides[d])
            for d in range(rank)
        )
        sums[(slice(None), slice(None), *reach)] += product
    cut = tuple(slice(begins[d], begins[d] + out[d]) for d in range(rank))
    acc = sums[(slice(None), slice(None), *cut)].astype(np.float64)
    if integers:
        scale = w.scale if w.scale.ndim == 0 else np.tile(w.scale.reshape(-1), group)
        acc = acc * (x.scale * _reshape_scale(scale, (1, -1) + (1,) * rank))
    return acc if bias is None else acc + bias.real.reshape(1, -1, *[1] * rank)


def matmul(a: Tensor, b: Tensor, *, transpose_a: bool = False, transpose_b: bool = False) -> Reals:
    """numpy.matmul's rules; per-channel scales of b along its columns (rows where it is transposed)."""
    columns = b.array.ndim - (2 if transpose_b else 1)
    integers = (
        a.from_integers
        and b.from_integers
        and a.scale.ndim == 0
        and (b.scale.ndim == 0 or (b.array.ndim > 1 and _only_axis(b.scale, columns)))
    )
    left, right = (a.centred, b.centred) if integers else (a.real, b.real)
    left = left.T if transpose_a else left
    right = right.T if transpose_b else right
    acc = _matmul(left, right)
    if not integers:
        return acc
    return acc * (a.scale * (b.scale if b.scale.ndim == 0 else b.scale.reshape(-1)))


def _only_axis(scale: Reals, axis: int) -> bool:
    return scale.ndim == 0 or all(size == 1 or d == axis for d, size in enumerate(scale.shape))


def _reshape_scale(scale: Reals, shape: tuple[int, ...]) -> Reals:
    return scale if scale.ndim == 0 else scale.reshape(shape)
