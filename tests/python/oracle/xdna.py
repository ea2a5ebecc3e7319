"""The device's fixed-point arithmetic, layer by layer, in Python's integers: no float anywhere behind the scales.

A result is round(n / d) of integers n and d, with n an accumulator times a multiplier and d a power of two. Arrays hold
Python integers (dtype object), which do not overflow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[Any]  # of Python's int

MODES = (
    "floor",
    "ceil",
    "positive_inf",
    "negative_inf",
    "symmetric_inf",
    "symmetric_zero",
    "conv_even",
    "conv_odd",
)
SIXTH = Fraction(2731, 2**14)
WINDOWS = {
    3: Fraction(7, 64),
    5: Fraction(10, 256),
    6: Fraction(7, 256),
    7: Fraction(21, 1024),
    14: Fraction(21, 4096),
}
RANGES = {"uint8": (0, 255), "int8": (-128, 127), "uint16": (0, 65535), "int16": (-32768, 32767)}


@dataclass(frozen=True)
class Params:
    """Of one tensor; scales are float32 numbers."""

    scale: float
    zero_point: int
    dtype: str

    @property
    def exact(self) -> Fraction:
        return Fraction(float(np.float32(self.scale)))

    def centred(self, stored: npt.NDArray[Any]) -> Integers:
        return stored.astype(object) - self.zero_point

    def saturate(self, steps: Integers) -> npt.NDArray[Any]:
        low, high = RANGES[self.dtype]
        return np.clip(steps + self.zero_point, low, high).astype(self.dtype)


def _decide(numerator: int, denominator: int, mode: str) -> int:
    below, rest = divmod(numerator, denominator)
    if mode == "floor" or rest == 0:
        return below
    if mode == "ceil":
        return below + 1
    if 2 * rest != denominator:
        return below + (2 * rest > denominator)
    up = {
        "positive_inf": True,
        "negative_inf": False,
        "symmetric_inf": numerator > 0,
        "symmetric_zero": numerator < 0,
        "conv_even": below % 2 == 1,
        "conv_odd": below % 2 == 0,
    }[mode]
    return below + up


def round_fraction(x: Fraction, mode: str) -> int:
    return _decide(x.numerator, x.denominator, mode)


def multiplied(integers: Integers, factor: Fraction, mode: str) -> Integers:
    """round(integers * factor)"""
    if integers.size == 0:
        return integers
    flat = [_decide(int(n) * factor.numerator, factor.denominator, mode) for n in integers.reshape(-1)]
    return np.array(flat, dtype=object).reshape(integers.shape)


def multiplier(real: Fraction) -> Fraction:
    """The nearest m / 2^s with 2^15 <= m < 2^16; of two the even m."""
    sign, magnitude = (-1 if real < 0 else 1), abs(real)
    shift = 0
    while magnitude * Fraction(2) ** shift < 2**15:
        shift += 1
    while magnitude * Fraction(2) ** shift >= 2**16:
        shift -= 1
    return sign * Fraction(round_fraction(magnitude * Fraction(2) ** shift, "conv_even")) / Fraction(2) ** shift


def is_power_of_two(x: Fraction) -> bool:
    return min(x.numerator, x.denominator) == 1 and (max(x.numerator, x.denominator).bit_count() == 1)


def scaled(reals: Integers, px: Params, py: Params, mode: str) -> npt.NDArray[Any]:
    """Integers or fractions in units of x's scale, as y."""
    factor = multiplier(px.exact / py.exact)
    steps = [round_fraction(Fraction(r) * factor, mode) for r in reals.reshape(-1)]
    return py.saturate(np.array(steps, dtype=object).reshape(reals.shape))


def clip(x: npt.NDArray[Any], px: Params, py: Params, mode: str, low: float, high: float) -> npt.NDArray[Any]:
    factor = multiplier(px.exact / py.exact)
    bounds = [Fraction(low) / py.exact, Fraction(high) / py.exact]
    inside = [min(max(int(n) * factor, bounds[0]), bounds[1]) for n in px.centred(x).reshape(-1)]
    steps = [round_fraction(f, mode) for f in inside]
    return py.saturate(np.array(steps, dtype=object).reshape(x.shape))


def mean(x: npt.NDArray[Any], px: Params, py: Params, mode: str, axes: tuple[int, ...]) -> npt.NDArray[Any]:
    """Over the axes, which remain with one element."""
    count = math.prod(x.shape[axis] for axis in axes)
    sums = px.centred(x).sum(axis=axes, keepdims=True)
    return py.saturate(multiplied(sums, mean_factor(px.exact / py.exact, count, 0), mode))


def requantize(x: npt.NDArray[Any], px: Params, py: Params, mode: str) -> npt.NDArray[Any]:
    return py.saturate(multiplied(px.centred(x), multiplier(px.exact / py.exact), mode))


def relu(x: npt.NDArray[Any], px: Params, py: Params, mode: str) -> npt.NDArray[Any]:
    steps = multiplied(px.centred(x), multiplier(px.exact / py.exact), mode)
    return py.saturate(np.maximum(steps, 0))


def leaky_relu(x: npt.NDArray[Any], px: Params, py: Params, mode: str, alpha: float) -> npt.NDArray[Any]:
    slope = round_fraction(Fraction(float(np.float32(alpha))) * 256, "conv_even")
    centred = px.centred(x)
    in_256ths = np.where(centred < 0, centred * slope, centred * 256)
    return py.saturate(multiplied(in_256ths, multiplier(px.exact / py.exact) / 256, mode))


def hard_sigmoid(x: npt.NDArray[Any], px: Params, py: Params, mode: str) -> npt.NDArray[Any]:
    three = round_fraction(3 / px.exact, mode)
    line = np.clip(px.centred(x) + three, 0, 2 * three)
    return py.saturate(multiplied(line, multiplier(px.exact * SIXTH / py.exact), mode))


def combine(op: str, inputs: Sequence[tuple[npt.NDArray[Any], Params]], py: Params, mode: str) -> npt.NDArray[Any]:
    """Add, Sub, Mul, Min and Max of two tensors."""
    (a, pa), (b, pb) = inputs
    if op == "Mul":
        product = pa.centred(a) * pb.centred(b)
        return py.saturate(multiplied(product, multiplier(pa.exact * pb.exact / py.exact), mode))
    ma, mb = multiplier(pa.exact / py.exact), multiplier(pb.exact / py.exact)
    position = math.lcm(ma.denominator, mb.denominator)  # to which both are shifted
    left = pa.centred(a) * int(ma * position)
    right = pb.centred(b) * int(mb * position)
    function = {"Add": np.add, "Sub": np.subtract, "Min": np.minimum, "Max": np.maximum}[op]
    return py.saturate(multiplied(function(left, right), Fraction(1, position), mode))


def bias_integers(
    bias: npt.NDArray[Any], scale: Sequence[Fraction] | None, units: Sequence[Fraction], mode: str
) -> Integers:
    """In units of the accumulators. scale: per element, of a bias that has one of its own; None: it is theirs."""
    if scale is None:
        return bias.astype(object)
    return np.array(
        [round_fraction(Fraction(float(b)) * s / u, mode) for b, s, u in zip(bias, scale, units, strict=True)],
        dtype=object,
    )


def last_step(
    accumulators: Integers, units: Sequence[Fraction], py: Params, mode: str, *, relu_follows: bool
) -> npt.NDArray[Any]:
    """accumulators: [..., channels]."""
    columns = [multiplied(accumulators[..., c], multiplier(unit / py.exact), mode) for c, unit in enumerate(units)]
    steps = np.stack(columns, axis=-1)
    return py.saturate(np.maximum(steps, 0) if relu_follows else steps)


def mean_factor(ratio: Fraction, count: int, side: int) -> Fraction:
    """What a sum of `count` elements is multiplied with. side: of a whole square window, else 0."""
    factor = multiplier(ratio)
    if not is_power_of_two(factor):
        return multiplier(factor / count)
    if side in WINDOWS:
        return factor * WINDOWS[side]
    candidates = [Fraction(round(2**n / count), 2**n) for n in range(7 + math.ceil(math.log2(count)))]
    return factor * min(candidates, key=lambda c: abs(c - Fraction(1, count)))


def average_pool(
    x: npt.NDArray[Any],
    px: Params,
    py: Params,
    mode: str,
    *,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    count_include_pad: bool,
) -> npt.NDArray[Any]:
    centred = px.centred(x)
    height, width = x.shape[2:]
    top, left, bottom, right = pads
    rows = (height + top + bottom - kernel[0]) // strides[0] + 1
    columns = (width + left + right - kernel[1]) // strides[1] + 1
    out = np.zeros((*x.shape[:2], rows, columns), dtype=object)
    whole = kernel[0] * kernel[1]
    for r in range(rows):
        for c in range(columns):
            first_row, first_column = r * strides[0] - top, c * strides[1] - left
            part = centred[
                :,
                :,
                max(first_row, 0) : max(first_row + kernel[0], 0),
                max(first_column, 0) : max(first_column + kernel[1], 0),
            ]
            count = whole if count_include_pad else part.shape[2] * part.shape[3]
            side = kernel[0] if kernel[0] == kernel[1] and count == whole else 0
            factor = mean_factor(px.exact / py.exact, count, side)
            out[:, :, r, c] = multiplied(part.sum(axis=(2, 3)), factor, mode)
    return py.saturate(out)


def quantize(x: npt.NDArray[Any], py: Params, mode: str) -> npt.NDArray[Any]:
    """Of a float tensor: the quotient in float32 as ONNX has it, rounded by the mode."""
    quotients = x.astype(np.float32) / np.float32(py.scale)
    steps = [round_fraction(Fraction(float(q)), mode) for q in quotients.reshape(-1)]
    return py.saturate(np.array(steps, dtype=object).reshape(x.shape))
