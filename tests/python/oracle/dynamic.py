"""Dynamic quantization and weights in blocks, from ONNX's definitions: integers in int64, scales in float64."""

from __future__ import annotations

import numpy as np


def dynamic_quantize(x: np.ndarray) -> tuple[np.ndarray, np.float32, np.uint8]:
    """DynamicQuantizeLinear, which ONNX defines in float32."""
    low = min(np.float32(0), x.min(initial=0))
    high = max(np.float32(0), x.max(initial=0))
    scale = np.float32((high - low) / np.float32(255)) if high != low else np.float32(1)
    zero_point = np.uint8(np.rint(np.clip(np.float32(0) - low / scale, 0, 255)))
    stored = np.clip(np.rint(x / scale) + np.float32(zero_point), 0, 255).astype(np.uint8)
    return stored, scale, zero_point


def matmul_integer(a: np.ndarray, b: np.ndarray, zero_a: int, zero_b: np.ndarray) -> np.ndarray:
    """zero_b: a scalar, or one per column."""
    return (a.astype(np.int64) - zero_a) @ (b.astype(np.int64) - zero_b.astype(np.int64))


def conv_integer(
    x: np.ndarray,
    w: np.ndarray,
    zero_x: int,
    zero_w: np.ndarray,
    *,
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilations: tuple[int, int],
    groups: int,
) -> np.ndarray:
    """Two spatial dimensions; padding stands for the real number 0. zero_w: a scalar, or one per output channel."""
    top, left, bottom, right = pads
    centred = np.pad(x.astype(np.int64) - zero_x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    weights = w.astype(np.int64) - zero_w.astype(np.int64).reshape(-1, 1, 1, 1)
    out_channels, per_group, kernel_h, kernel_w = w.shape
    height = (centred.shape[2] - (kernel_h - 1) * dilations[0] - 1) // strides[0] + 1
    width = (centred.shape[3] - (kernel_w - 1) * dilations[1] - 1) // strides[1] + 1
    out = np.zeros((x.shape[0], out_channels, height, width), np.int64)
    for channel in range(out_channels):
        group = channel // (out_channels // groups)
        image = centred[:, group * per_group : (group + 1) * per_group]
        for row in range(kernel_h):
            for column in range(kernel_w):
                first, second = row * dilations[0], column * dilations[1]
                window = image[
                    :,
                    :,
                    first : first + (height - 1) * strides[0] + 1 : strides[0],
                    second : second + (width - 1) * strides[1] + 1 : strides[1],
                ]
                out[:, channel] += np.einsum("nchw,c->nhw", window, weights[channel, :, row, column])
    return out


def scaled(total: np.ndarray, scale_a: float, scale_b: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    """The float result of an integer product; scale_b and bias broadcast to it."""
    real = total.astype(np.float64) * (np.float64(scale_a) * scale_b.astype(np.float64))
    if bias is not None:
        real = real + bias.astype(np.float64)
    return real.astype(np.float32)


def dequantize_blocks(
    stored: np.ndarray, scale: np.ndarray, zero_point: np.ndarray | None, block: int, axis: int
) -> np.ndarray:
    """In float64."""
    length = stored.shape[axis]
    expanded = np.take(np.repeat(scale.astype(np.float64), block, axis=axis), range(length), axis=axis)
    values = stored.astype(np.float64)
    if zero_point is not None:
        values = values - np.take(np.repeat(zero_point.astype(np.float64), block, axis=axis), range(length), axis=axis)
    return values * expanded
