"""Quantization arithmetic in numpy int64/float64: the definition that everything else is held against.

A `Tensor` is a value of the model: its ONNX array, and, where the numerics need more than that array can hold, the real
numbers behind it. DequantizeLinear yields both the float32 array that a float operator would read and the exact real
numbers (q - zero_point) * scale, kept apart as integers and scales so that a convolution can accumulate integers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper

Array = npt.NDArray[np.generic]
Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

# 4-bit and 16-bit types have ranges that numpy's own types do not tell.
_RANGES: dict[int, tuple[int, int]] = {
    TensorProto.UINT8: (0, 255),
    TensorProto.INT8: (-128, 127),
    TensorProto.UINT16: (0, 65535),
    TensorProto.INT16: (-32768, 32767),
    TensorProto.UINT4: (0, 15),
    TensorProto.INT4: (-8, 7),
}


@dataclass
class Tensor:
    array: Array
    exact: Reals | None = None  # the real numbers, where array is their float32 rounding
    centred: Ints | None = None  # exact == centred * scale, for the output of DequantizeLinear
    scale: Reals | None = None  # rank 0 per tensor; otherwise broadcastable to centred

    @property
    def real(self) -> Reals:
        """The real numbers that a quantized layer computes with."""
        return self.exact if self.exact is not None else self.array.astype(np.float64)

    @property
    def from_integers(self) -> bool:
        return self.centred is not None


def from_real(real: Reals, *, keep_exact: bool) -> Tensor:
    """A layer's result: rounded to float32 where it stays float, exact where Q or the layer's activation follows."""
    with np.errstate(over="ignore"):
        return Tensor(real.astype(np.float32), exact=real if keep_exact else None)


def _expand(parameter: Array, rank: int, axis: int, shape: tuple[int, ...], block_size: int) -> Array:
    """A scale or zero point, made broadcastable to `shape`: per tensor, per axis, or blocked along the axis."""
    if parameter.ndim == 0 or (parameter.ndim == 1 and parameter.size == 1 and rank != 1):
        return parameter.reshape(())
    axis %= rank
    if parameter.ndim == 1 and block_size == 0:
        return parameter.reshape([-1 if d == axis else 1 for d in range(rank)])
    repeated = np.repeat(parameter, block_size, axis=axis)
    return np.take(repeated, np.arange(shape[axis]), axis=axis)


def dequantize(q: Tensor, scale: Array, zero_point: Array | None, axis: int = 1, block_size: int = 0) -> Tensor:
    rank, shape = q.array.ndim, q.array.shape
    zp = np.zeros((), np.int64) if zero_point is None else zero_point.astype(np.int64)
    s = _expand(scale.astype(np.float64), rank, axis, shape, block_size)
    centred = q.array.astype(np.int64) - _expand(zp, rank, axis, shape, block_size)
    exact = centred * s  # at most 17 + 24 significant bits: no rounding
    return Tensor(exact.astype(np.float32), exact=exact, centred=centred, scale=s)


def quantize(x: Tensor, scale: Array, zero_point: Array | None, axis: int, block_size: int, elem_type: int) -> Tensor:
    """Half to even once, zero point, saturation: of a layer's real numbers, or as ONNX in float32 of a float tensor."""
    rank, shape = x.array.ndim, x.array.shape
    low, high = _RANGES[elem_type]
    zp = np.zeros((), np.int64) if zero_point is None else zero_point.astype(np.int64)
    precision = np.float32 if x.exact is None else np.float64
    s = _expand(scale.astype(precision), rank, axis, shape, block_size)
    with np.errstate(over="ignore"):
        steps = np.rint((x.array.astype(np.float32) if x.exact is None else x.exact) / s)
    # Saturating before the conversion to integers keeps infinities defined; the zero point is within the range.
    steps = np.clip(steps.astype(np.float64), -(2.0**31), 2.0**31).astype(np.int64)
    q = np.clip(steps + _expand(zp, rank, axis, shape, block_size), low, high)
    return Tensor(q.astype(helper.tensor_dtype_to_np_dtype(elem_type)))
