"""The grid: what each field takes, and every combination of that."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from vaip._core import Error
from vaip.overrides import Overrides, value_of

MOST_POINTS = 1_000_000  # of an axis and of a grid: more is a slip of the pen
_RANGE = re.compile(r"([^:]+):([^:]+):(log|\*)?([^:]+)")


@dataclass(frozen=True)
class Axis:
    """A field and the values that it takes, in the order in which they were given."""

    field: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Point:
    """One row of the result: a device with some of its fields, or its stack's, replaced."""

    device: str
    overrides: Overrides


def parse_axis(text: str) -> Axis:
    """FIELD=VALUES, values being numbers, flags and ranges between commas: 1,2,4 or 20:60:10 or 8:128:*2 or 1:100:log5.

    A range includes its end where a step meets it; `*2` multiplies, `log5` spaces five values evenly in the logarithm.
    """
    field, separator, listed = text.partition("=")
    if not (field and separator and listed):
        raise Error(f"'{text}' is not FIELD=VALUES")
    values = [value for item in listed.split(",") for value in _values(item.strip(), text)]
    repeated = next((value for position, value in enumerate(values) if value in values[:position]), None)
    if repeated is not None:
        raise Error(f"'{text}': the value {repeated} occurs twice")
    return Axis(field, tuple(values))


def grid(devices: Sequence[str], axes: Sequence[Axis], fixed: Overrides | None = None) -> list[Point]:
    """Every combination, the last axis varying fastest. `fixed` overrides hold wherever no axis says else."""
    fields = [axis.field for axis in axes]
    for field in fields:
        if fields.count(field) > 1:
            raise Error(f"{field} is swept twice: give all of its values in one --set {field}=...")
    size = len(devices) * math.prod(len(axis.values) for axis in axes)
    if size > MOST_POINTS:
        raise Error(f"the grid has {size:,} points; at most {MOST_POINTS:,} are taken")
    combinations = itertools.product(*(axis.values for axis in axes))
    settings = [{**(fixed or {}), **dict(zip(fields, values, strict=True))} for values in combinations]
    return [Point(device, overrides) for device in devices for overrides in settings]


def _values(item: str, text: str) -> list[Any]:
    if ":" not in item:
        if not item:
            raise Error(f"'{text}': a value is missing")
        return [value_of(item)]
    match = _RANGE.fullmatch(item)
    if match is None:
        raise Error(f"'{text}': '{item}' is not START:STOP:STEP, START:STOP:*FACTOR or START:STOP:logCOUNT")
    start, stop, step = (_decimal(part, text) for part in (match[1], match[2], match[4]))
    if match[3] == "log":
        return _logarithmic(start, stop, step, text)
    return _multiplied(start, stop, step, text) if match[3] == "*" else _stepped(start, stop, step, text)


def _stepped(start: Decimal, stop: Decimal, step: Decimal, text: str) -> list[Any]:
    if step == 0 or (stop - start) / step < 0:
        raise Error(f"'{text}': steps of {step} do not lead from {start} to {stop}")
    count = int((stop - start) / step) + 1
    _check_count(count, text)
    return [_plain(start + n * step) for n in range(count)]


def _multiplied(start: Decimal, stop: Decimal, factor: Decimal, text: str) -> list[Any]:
    if start <= 0 or stop <= 0 or factor <= 0 or factor == 1 or (stop > start and factor < 1):
        raise Error(f"'{text}': multiplying by {factor} does not lead from {start} to {stop}")
    if stop < start and factor > 1:
        raise Error(f"'{text}': multiplying by {factor} does not lead from {start} to {stop}")
    values, value = [], start
    while value <= stop if factor > 1 else value >= stop:
        values.append(_plain(value))
        value *= factor
        _check_count(len(values), text)
    return values


def _logarithmic(start: Decimal, stop: Decimal, count: Decimal, text: str) -> list[Any]:
    if start <= 0 or stop <= 0 or start == stop or count != int(count) or count < 2:
        raise Error(f"'{text}': a log range takes two different positive ends and a count of at least 2")
    _check_count(int(count), text)
    ratio = float(stop) / float(start)
    inner = [Decimal(f"{float(start) * ratio ** (n / (int(count) - 1)):.6g}") for n in range(1, int(count) - 1)]
    return [_plain(value) for value in (start, *inner, stop)]


def _decimal(text: str, whole: str) -> Decimal:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise Error(f"'{whole}': '{text}' is not a number")
    return number


def _plain(number: Decimal) -> int | float:
    return int(number) if number == number.to_integral_value() else float(number)


def _check_count(count: int, text: str) -> None:
    if count > MOST_POINTS:
        raise Error(f"'{text}': more than {MOST_POINTS:,} values")
