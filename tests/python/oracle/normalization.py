"""Normalizations in float64, written from the ONNX specification."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .quant import Reals, Tensor


def _units(x: Tensor) -> tuple[Reals, float]:
    """Numbers and the unit in which they are counted: integers where there are any, so that sums of them are exact."""
    if x.from_integers and x.scale.ndim == 0:
        return x.centred.astype(np.float64), float(x.scale)
    return x.real, 1.0


def _standardised(x: Reals, unit: float, axes: tuple[int, ...], epsilon: float) -> Reals:
    """(x - mean) / sqrt(variance + epsilon) with n * x - sum in place of x - mean."""
    n = math.prod(x.shape[a] for a in axes)
    deviations = n * x - x.sum(axis=axes, keepdims=True)
    variance = (deviations * deviations).sum(axis=axes, keepdims=True) / n**3
    return deviations / n / np.sqrt(variance + epsilon / unit**2)


def layer(x: Tensor, scale: Reals, bias: Reals | None, axis: int, epsilon: float) -> Reals:
    values, unit = _units(x)
    axes = tuple(range(axis % values.ndim, values.ndim))
    y = _standardised(values, unit, axes, epsilon) * scale
    return y if bias is None else y + bias


def root_mean_square(x: Tensor, scale: Reals, axis: int, epsilon: float) -> Reals:
    values, unit = _units(x)
    axes = tuple(range(axis % values.ndim, values.ndim))
    mean_square = (values * values).mean(axis=axes, keepdims=True)
    return values / np.sqrt(mean_square + epsilon / unit**2) * scale


def _per_channel(parameter: Reals, channels: int, rank: int) -> Reals:
    return np.repeat(parameter, channels // parameter.size).reshape(1, -1, *[1] * (rank - 2))


def group(x: Tensor, scale: Reals, bias: Reals, groups: int, epsilon: float) -> Reals:
    """Over `groups` runs of channels; scale and bias per channel, or per run."""
    values, unit = _units(x)
    n, channels = values.shape[:2]
    runs = values.reshape(n, groups, -1)
    y = _standardised(runs, unit, (2,), epsilon).reshape(values.shape)
    return y * _per_channel(scale, channels, values.ndim) + _per_channel(bias, channels, values.ndim)


def batch(x: Tensor, parameters: Sequence[Reals], epsilon: float) -> Reals:
    scale, bias, mean, variance = (p.reshape(1, -1, *[1] * (x.array.ndim - 2)) for p in parameters)
    return (x.real - mean) / np.sqrt(variance + epsilon) * scale + bias


def lp(x: Tensor, axis: int, p: int) -> Reals:
    """x over its norm along an axis; 0 where that is 0."""
    values, _ = _units(x)
    if p == 1:
        norm = np.abs(values).sum(axis=axis, keepdims=True)
    else:
        norm = np.sqrt((values * values).sum(axis=axis, keepdims=True))
    return values / np.where(norm == 0, 1.0, norm)
