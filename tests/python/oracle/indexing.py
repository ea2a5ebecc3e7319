"""Operators that repeat elements, pick them by index or condition, compare them, or make indices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .quant import Array, Ints, Reals


def depth_to_space(x: Array, block: int, mode: str) -> Array:
    n, c, h, w = x.shape
    out = np.empty((n, c // block**2, h * block, w * block), x.dtype)
    for row in range(block):
        for column in range(block):
            position = row * block + column
            if mode == "CRD":
                channels = x[:, position :: block**2]
            else:
                channels = x[:, position * out.shape[1] : (position + 1) * out.shape[1]]
            out[:, :, row::block, column::block] = channels
    return out


def space_to_depth(x: Array, block: int) -> Array:
    parts = [x[:, :, row::block, column::block] for row in range(block) for column in range(block)]
    return np.concatenate(parts, axis=1)


def gather(data: Array, indices: Ints, axis: int) -> Array:
    return np.take(data, np.where(indices < 0, indices + data.shape[axis], indices), axis=axis)


def gather_elements(data: Array, indices: Ints, axis: int) -> Array:
    out = np.empty(indices.shape, data.dtype)
    for at in np.ndindex(indices.shape):
        place = list(at)
        place[axis % data.ndim] = int(indices[at])
        out[at] = data[tuple(place)]
    return out


def gather_nd(data: Array, indices: Ints, batch_dims: int) -> Array:
    out = np.empty(indices.shape[:-1] + data.shape[batch_dims + indices.shape[-1] :], data.dtype)
    for at in np.ndindex(indices.shape[:-1]):
        out[at] = data[at[:batch_dims] + tuple(int(i) for i in indices[at])]
    return out


COMPARE: dict[str, Callable[[Array, Array], Array]] = {
    "Equal": np.equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
}

LOGIC: dict[str, Callable[..., Array]] = {
    "And": np.logical_and,
    "Or": np.logical_or,
    "Xor": np.logical_xor,
    "Not": np.logical_not,
    "BitwiseAnd": np.bitwise_and,
    "BitwiseOr": np.bitwise_or,
    "BitwiseXor": np.bitwise_xor,
    "BitwiseNot": np.bitwise_not,
}


def _quotient(a: Array, b: Array) -> Array:
    """Cut off towards zero."""
    return np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))


INTEGER: dict[str, Callable[[Array, Array], Array]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": _quotient,
    "Min": np.minimum,
    "Max": np.maximum,
}


def modulus(a: Array, b: Array, *, like_c: bool) -> Array:
    return np.fmod(a, b) if like_c else np.mod(a, b)


def bit_shift(x: Array, places: Array, direction: str) -> Array:
    return np.left_shift(x, places) if direction == "LEFT" else np.right_shift(x, places)


def arg(x: Reals, axis: int, *, largest: bool, keepdims: bool, last: bool) -> Ints:
    axis %= x.ndim
    best = x.max(axis=axis, keepdims=True) if largest else x.min(axis=axis, keepdims=True)
    position = np.arange(x.shape[axis]).reshape([-1 if d == axis else 1 for d in range(x.ndim)])
    if last:
        index = np.where(x == best, position, -1).max(axis=axis, keepdims=True)
    else:
        index = np.where(x == best, position, x.shape[axis]).min(axis=axis, keepdims=True)
    return (index if keepdims else index.squeeze(axis)).astype(np.int64)


def top_k(x: Reals, k: int, axis: int, *, largest: bool) -> tuple[Reals, Ints]:
    order = np.argsort(-x if largest else x, axis=axis, kind="stable")
    indices = np.take(order, np.arange(k), axis=axis)
    return np.take_along_axis(x, indices, axis=axis), indices.astype(np.int64)


def cumulative_sum(x: Array, axis: int, *, exclusive: bool, reverse: bool) -> Array:
    x = np.flip(x, axis) if reverse else x
    total = np.cumsum(x, axis=axis, dtype=x.dtype)
    if exclusive:
        total = total - x
    return np.flip(total, axis) if reverse else total
