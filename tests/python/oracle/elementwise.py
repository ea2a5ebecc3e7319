"""Scalar functions R -> R in float64, arithmetic with broadcasting, Softmax and reductions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .quant import Reals

Attributes = Mapping[str, Any]

_erf = np.vectorize(math.erf, otypes=[np.float64])


def _sigmoid(x: Reals) -> Reals:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1.0 + e)


def _softplus(x: Reals) -> Reals:
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def _hard_swish(x: Reals) -> Reals:
    # x * max(0, min(1, x/6 + 1/2)), written with one division so that a tie is a tie.
    return x * np.clip(x + 3.0, 0.0, 6.0) / 6.0


def _gelu(x: Reals, attributes: Attributes) -> Reals:
    if attributes.get("approximate", b"none") == b"tanh":
        return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1.0 + _erf(x / math.sqrt(2.0)))


def _f32(attributes: Attributes, name: str, default: float) -> float:
    """Attributes are float32 in the file, and so is the default of a float attribute."""
    return float(np.float32(attributes.get(name, default)))


# Unary operators without further inputs, by ONNX name.
UNARY: dict[str, Callable[[Reals, Attributes], Reals]] = {
    "Relu": lambda x, a: np.maximum(x, 0.0),
    "LeakyRelu": lambda x, a: np.where(x < 0, _f32(a, "alpha", 0.01) * x, x),
    "Elu": lambda x, a: np.where(x < 0, _f32(a, "alpha", 1.0) * np.expm1(np.minimum(x, 0.0)), x),
    "Sigmoid": lambda x, a: _sigmoid(x),
    "HardSigmoid": lambda x, a: np.clip(_f32(a, "alpha", 0.2) * x + _f32(a, "beta", 0.5), 0.0, 1.0),
    "HardSwish": lambda x, a: _hard_swish(x),
    "Swish": lambda x, a: x * _sigmoid(_f32(a, "alpha", 1.0) * x),
    "Tanh": lambda x, a: np.tanh(x),
    "Gelu": _gelu,
    "Softplus": lambda x, a: _softplus(x),
    "Mish": lambda x, a: x * np.tanh(_softplus(x)),
    "Exp": lambda x, a: np.exp(x),
    "Log": lambda x, a: np.log(x),
    "Sqrt": lambda x, a: np.sqrt(x),
    "Reciprocal": lambda x, a: 1.0 / x,
    "Neg": lambda x, a: -x,
    "Abs": lambda x, a: np.abs(x),
    "Erf": lambda x, a: _erf(x),
    "Floor": lambda x, a: np.floor(x),
    "Ceil": lambda x, a: np.ceil(x),
    "Round": lambda x, a: np.rint(x),
    "Sign": lambda x, a: np.sign(x),
    "Celu": lambda x, a: np.where(
        x < 0, _f32(a, "alpha", 1.0) * np.expm1(np.minimum(x, 0.0) / _f32(a, "alpha", 1.0)), x
    ),
    "Selu": lambda x, a: (
        _f32(a, "gamma", 1.05070102214813232421875)
        * np.where(x < 0, _f32(a, "alpha", 1.67326319217681884765625) * np.expm1(np.minimum(x, 0.0)), x)
    ),
    "Softsign": lambda x, a: x / (1.0 + np.abs(x)),
    "Shrink": lambda x, a: np.where(np.abs(x) > _f32(a, "lambd", 0.5), x - np.sign(x) * _f32(a, "bias", 0.0), 0.0),
    "ThresholdedRelu": lambda x, a: np.where(x > _f32(a, "alpha", 1.0), x, 0.0),
    "QuickGelu": lambda x, a: x * _sigmoid(_f32(a, "alpha", 1.702) * x),
    "Sin": lambda x, a: np.sin(x),
    "Cos": lambda x, a: np.cos(x),
    "Identity": lambda x, a: x,
}


def clip(x: Reals, low: float | None, high: float | None) -> Reals:
    """max first, then min, as ONNX orders them when low > high."""
    x = x if low is None else np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


# Two inputs, or more where ONNX has a variadic operator.
BINARY: dict[str, Callable[[Reals, Reals], Reals]] = {
    "Add": np.add,
    "Sum": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Min": np.minimum,
    "Max": np.maximum,
    "Pow": np.power,
    "PRelu": lambda x, slope: np.where(x < 0, slope * x, x),
}


def _log_sum_exp(x: Reals, axes: tuple[int, ...], keep: bool) -> Reals:
    largest = x.max(axis=axes, keepdims=True)
    total = np.log(np.exp(x - largest).sum(axis=axes, keepdims=True)) + largest
    return total if keep else np.squeeze(total, axis=axes)


REDUCE: dict[str, Callable[[Reals, tuple[int, ...], bool], Reals]] = {
    # A sum and one division, not a product with a rounded 1/n.
    "ReduceMean": lambda x, axes, keep: x.sum(axis=axes, keepdims=keep) / math.prod(x.shape[a] for a in axes),
    "ReduceSum": lambda x, axes, keep: x.sum(axis=axes, keepdims=keep),
    "ReduceMax": lambda x, axes, keep: x.max(axis=axes, keepdims=keep),
    "ReduceMin": lambda x, axes, keep: x.min(axis=axes, keepdims=keep),
    "ReduceProd": lambda x, axes, keep: x.prod(axis=axes, keepdims=keep),
    "ReduceL1": lambda x, axes, keep: np.abs(x).sum(axis=axes, keepdims=keep),
    "ReduceL2": lambda x, axes, keep: np.sqrt((x * x).sum(axis=axes, keepdims=keep)),
    "ReduceSumSquare": lambda x, axes, keep: (x * x).sum(axis=axes, keepdims=keep),
    "ReduceLogSum": lambda x, axes, keep: np.log(x.sum(axis=axes, keepdims=keep)),
    "ReduceLogSumExp": lambda x, axes, keep: _log_sum_exp(x, axes, keep),
}


def softmax(x: Reals, axis: int, *, log: bool, flatten_to_2d: bool) -> Reals:
    if flatten_to_2d:  # opset < 13
        split = axis % x.ndim
        rows = math.prod(x.shape[:split])
        return softmax(x.reshape(rows, -1), 1, log=log, flatten_to_2d=False).reshape(x.shape)
    shifted = x - x.max(axis=axis, keepdims=True)
    e = np.exp(shifted)
    total = e.sum(axis=axis, keepdims=True)
    return shifted - np.log(total) if log else e / total


def local_response_normalization(x: Reals, attributes: Attributes) -> Reals:
    size = attributes["size"]
    squares = x * x
    total = np.zeros_like(x)
    channels = x.shape[1]
    for c in range(channels):
        first, last = max(0, c - (size - 1) // 2), min(channels - 1, c + size // 2)
        total[:, c] = squares[:, first : last + 1].sum(axis=1)
    alpha, beta, bias = (_f32(attributes, n, d) for n, d in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0)))
    return x / (bias + alpha / size * total) ** beta
