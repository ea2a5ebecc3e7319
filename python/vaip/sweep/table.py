"""A sweep as a table: one row per point, as CSV and as JSON."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from typing import Any

from vaip.files import written_whole
from vaip.sweep.execution import Result
from vaip.sweep.grid import Point
from vaip.sweep.workload import BOUNDS

SHARES = (*BOUNDS, "host")
RESULTS = (
    "latency_us",
    "cycles",
    *(f"share_{bound}" for bound in SHARES),
    "tops_effective",
    "dominating_layer",
    "dominating_share",
    "error",
)
Row = dict[str, Any]  # columns() -> value; None where there is none


def columns(points: Sequence[Point]) -> list[str]:
    """The device, every field that is overridden somewhere, the results."""
    fields = list(dict.fromkeys(field for point in points for field in point.overrides))
    return ["device", *fields, *RESULTS]


def row(point: Point, result: Result) -> Row:
    values: Row = {"device": point.device, **point.overrides, **dict.fromkeys(RESULTS)}
    if isinstance(result, str):
        return values | {"error": result}
    shares = {f"share_{bound}": result.shares.get(bound, 0.0) for bound in SHARES}
    return values | shares | {
        "latency_us": result.latency_us,
        "cycles": result.cycles,
        "tops_effective": result.tops_effective,
        "dominating_layer": result.dominating_layer,
        "dominating_share": result.dominating_share,
    }  # fmt: skip


def write_csv(path: str | os.PathLike[str], names: Sequence[str], rows: Sequence[Row]) -> None:
    """RFC 4180 but for its line ends; cells without a value are empty."""
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()  # as --set takes it
    return f"{value:.9g}" if isinstance(value, float) else value
