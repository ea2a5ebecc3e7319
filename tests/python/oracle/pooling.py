"""MaxPool and AveragePool with every attribute of the specification."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .linear import resolve_pads, windows
from .quant import Reals


def output_size(size: int, kernel: int, stride: int, dilation: int, begin: int, end: int, ceil_mode: bool) -> int:
    span = size + begin + end - ((kernel - 1) * dilation + 1)
    if not ceil_mode:
        return span // stride + 1
    out = -(-span // stride) + 1
    # A window that would start in the end padding (or behind it) is left out.
    return out - 1 if (out - 1) * stride >= size + begin else out


def pool(
    x: Reals,
    op: str,
    *,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int],
    auto_pad: str,
    ceil_mode: bool,
    count_include_pad: bool,
) -> Reals:
    rank = len(kernel)
    begins, ends = resolve_pads(x.shape[2:], kernel, strides, dilations, pads, auto_pad)
    out = [
        output_size(x.shape[2 + d], kernel[d], strides[d], dilations[d], begins[d], ends[d], ceil_mode)
        for d in range(rank)
    ]
    # In ceil mode the last window may reach beyond the padding: what lies there never counts.
    reach = [(out[d] - 1) * strides[d] + (kernel[d] - 1) * dilations[d] + 1 for d in range(rank)]
    beyond = [max(reach[d] - (x.shape[2 + d] + begins[d] + ends[d]), 0) for d in range(rank)]
    tail = [(begins[d], ends[d] + beyond[d]) for d in range(rank)]
    taps = tuple(range(2 + rank, 2 + 2 * rank))

    def view(a: Reals, fill: float) -> Reals:
        return windows(np.pad(a, [(0, 0), (0, 0), *tail], constant_values=fill), kernel, strides, dilations, out)

    if op == "max":
        return view(x, -math.inf).max(axis=taps)
    counted = np.ones((1, 1, *x.shape[2:]))
    if count_include_pad:
        counted = np.ones((1, 1, *(x.shape[2 + d] + begins[d] + ends[d] for d in range(rank))))
        counted = windows(np.pad(counted, [(0, 0), (0, 0), *((0, b) for b in beyond)]), kernel, strides, dilations, out)
    else:
        counted = view(counted, 0.0)
    return view(x, 0.0).sum(axis=taps) / counted.sum(axis=taps)
