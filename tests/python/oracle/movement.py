"""Operators that move elements, and Resize."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from .quant import Array, Reals


def pad(x: Array, pads: Sequence[int], axes: Sequence[int] | None, mode: str, value: float) -> Array:
    axes = range(x.ndim) if axes is None else [a % x.ndim for a in axes]
    widths = [(0, 0)] * x.ndim
    for i, axis in enumerate(axes):
        widths[axis] = (pads[i], pads[i + len(axes)])
    # Negative pads crop; they come off first.
    crop = tuple(slice(max(-b, 0), x.shape[d] - max(-e, 0)) for d, (b, e) in enumerate(widths))
    grow = [(max(b, 0), max(e, 0)) for b, e in widths]
    if mode == "constant":
        return np.pad(x[crop], grow, constant_values=value)
    return np.pad(x[crop], grow, mode=mode)


def reshape(x: Array, target: Sequence[int], allow_zero: bool) -> Array:
    shape = [x.shape[i] if size == 0 and not allow_zero else size for i, size in enumerate(target)]
    return x.reshape(shape)


def flatten(x: Array, axis: int) -> Array:
    axis = axis + x.ndim if axis < 0 else axis
    return x.reshape(math.prod(x.shape[:axis]), -1)


def squeeze(x: Array, axes: Sequence[int] | None) -> Array:
    return np.squeeze(x) if axes is None else np.squeeze(x, axis=tuple(axes))


def slice_(
    x: Array, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int] | None, steps: Sequence[int] | None
) -> Array:
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = x.shape[axis]
        start = start + size if start < 0 else start
        end = end + size if end < 0 else end
        if step > 0:
            indices = range(min(max(start, 0), size), min(max(end, 0), size), step)
        else:  # ONNX: start in [0, size - 1], end in [-1, size - 1]
            indices = range(min(max(start, 0), size - 1), min(max(end, -1), size - 1), step)
        x = np.take(x, np.array(indices, np.int64), axis=axis)
    return x


def split(x: Array, axis: int, sizes: Sequence[int] | None, parts: int) -> list[Array]:
    if sizes is None:
        part = -(-x.shape[axis] // parts)  # the last one may be smaller
        sizes = [min(part, x.shape[axis] - i * part) for i in range(parts)]
    return np.split(x, np.cumsum(sizes)[:-1], axis=axis)


# ---- Resize: coordinates as exact fractions, so that ties and borders are decided, not guessed ----


def _coordinates(size: int, out: int, scale: Fraction, mode: str) -> list[Fraction]:
    half = Fraction(1, 2)
    if mode == "align_corners":
        return [Fraction(x * (size - 1), out - 1) if out > 1 else Fraction(0) for x in range(out)]
    if mode == "asymmetric":
        return [Fraction(x) / scale for x in range(out)]
    if mode == "pytorch_half_pixel" and out <= 1:
        return [Fraction(0)] * out
    offset = Fraction(0)
    if mode == "half_pixel_symmetric":
        offset = Fraction(size, 2) * (1 - Fraction(out) / (scale * size))
    elif mode not in ("half_pixel", "pytorch_half_pixel"):
        raise NotImplementedError(f"Resize coordinate_transformation_mode {mode}")
    return [offset + (x + half) / scale - half for x in range(out)]


def _nearest(coordinate: Fraction, mode: str) -> int:
    if mode == "floor":
        return math.floor(coordinate)
    if mode == "ceil":
        return math.ceil(coordinate)
    half = Fraction(1, 2)
    return math.ceil(coordinate - half) if mode == "round_prefer_floor" else math.floor(coordinate + half)


def resize(
    x: Reals,
    *,
    mode: str,
    coordinate_mode: str,
    nearest_mode: str,
    scales: Sequence[float] | None,
    sizes: Sequence[int] | None,
    axes: Sequence[int] | None,
) -> Reals:
    axes = list(range(x.ndim)) if axes is None else [a % x.ndim for a in axes]
    denominator = 1
    for i, axis in enumerate(axes):
        size = x.shape[axis]
        if sizes is not None:
            out, scale = int(sizes[i]), Fraction(int(sizes[i]), size)
        else:
            # floor(size * scale) of float32, as shape inference has it: 10 * 0.7f is 7.
            out = math.floor(np.float32(scales[i]) * np.float32(size))
            scale = Fraction(float(np.float32(scales[i])))
        if out == size and scale == 1:
            continue
        coordinates = _coordinates(size, out, scale, coordinate_mode)
        if mode == "nearest":
            x = np.take(x, [min(max(_nearest(c, nearest_mode), 0), size - 1) for c in coordinates], axis=axis)
        else:
            x, common = _interpolate(x, axis, coordinates)
            denominator *= common
    return x / denominator


def _interpolate(x: Reals, axis: int, coordinates: Sequence[Fraction]) -> tuple[Reals, int]:
    """Linear interpolation along an axis, times the weights' common denominator (1 where that would be huge).

    Over one denominator the products are integers, so that the division at the end is the only rounding.
    """
    last = x.shape[axis] - 1
    clamped = [min(max(c, Fraction(0)), Fraction(last)) for c in coordinates]
    left = [math.floor(c) for c in clamped]
    right = [min(i + 1, last) for i in left]
    weights = [c - i for c, i in zip(clamped, left, strict=True)]
    common = math.lcm(*(w.denominator for w in weights)) if weights else 1
    common = common if common < 2**12 else 1
    shape = [-1 if d == axis else 1 for d in range(x.ndim)]
    w_left = np.array([float((1 - w) * common) for w in weights]).reshape(shape)
    w_right = np.array([float(w * common) for w in weights]).reshape(shape)
    return np.take(x, left, axis=axis) * w_left + np.take(x, right, axis=axis) * w_right, common
