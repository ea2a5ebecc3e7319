"""Latency over the first swept field, a line for each combination of everything else."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaip._core import Error
from vaip.files import written_whole
from vaip.sweep.table import Row

if TYPE_CHECKING:
    import matplotlib.figure
    import plotly.graph_objects

PICTURES = (".png", ".svg", ".pdf")
PAGES = (".html",)
LATENCY = "predicted latency (ms)"


@dataclass(frozen=True)
class Line:
    label: str
    x: list[Any]
    latency_ms: list[float]


def check(path: str | os.PathLike[str]) -> None:
    """Raises vaip.Error, before the work, where a plot at `path` could not be drawn."""
    suffix = Path(path).suffix.lower()
    if suffix not in (*PICTURES, *PAGES):
        raise Error(f"{os.fspath(path)}: a plot is one of {', '.join((*PICTURES, *PAGES))}")
    try:
        if suffix in PAGES:
            import plotly  # noqa: F401
        else:
            import matplotlib  # noqa: F401
    except ImportError as error:
        raise Error(f"a plot needs the extra 'plot' ({error}): pip install 'vaip[plot]'") from error


def lines(rows: Sequence[Row], fields: Sequence[str]) -> list[Line]:
    """Over the first of `fields`; devices and the other fields tell the lines apart. Failed points have no mark."""
    varying = [name for name in ("device", *fields[1:]) if len({row[name] for row in rows}) > 1]
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        if row["error"] is None:
            groups.setdefault(tuple(row[name] for name in varying), []).append(row)
    result = []
    for key, members in groups.items():
        label = ", ".join(
            str(value) if name == "device" else f"{name}={value}" for name, value in zip(varying, key, strict=True)
        )
        ordered = sorted(members, key=lambda row: row[fields[0]])
        latencies = [row["latency_us"] / 1e3 for row in ordered]
        result.append(Line(label, [row[fields[0]] for row in ordered], latencies))
    return result


def draw(path: str | os.PathLike[str], title: str, field: str, drawn: Sequence[Line]) -> None:
    check(path)
    with written_whole(path) as temporary:
        if Path(path).suffix.lower() in PAGES:
            page(title, field, drawn).write_html(temporary, include_plotlyjs=True)
        else:
            picture(title, field, drawn).savefig(temporary, dpi=150)


def picture(title: str, field: str, drawn: Sequence[Line]) -> matplotlib.figure.Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for line in drawn:
        axes.plot(line.x, line.latency_ms, marker="o", label=line.label or None)
    axes.set(title=title, xlabel=field, ylabel=LATENCY, ylim=(0, None))
    if _spans_magnitudes(drawn):
        axes.set_xscale("log")
    if any(line.label for line in drawn):
        axes.legend()
    axes.grid(alpha=0.3)
    return figure


def page(title: str, field: str, drawn: Sequence[Line]) -> plotly.graph_objects.Figure:
    import plotly.graph_objects as go

    figure = go.Figure(
        [go.Scatter(x=line.x, y=line.latency_ms, mode="lines+markers", name=line.label) for line in drawn]
    )
    figure.update_layout(title=title, xaxis_title=field, yaxis_title=LATENCY, yaxis_rangemode="tozero")
    if _spans_magnitudes(drawn):
        figure.update_xaxes(type="log")
    return figure


def _spans_magnitudes(drawn: Sequence[Line]) -> bool:
    """Three or more values whose ratios are nearer to each other than their differences: a logarithmic axis."""
    values = sorted({value for line in drawn for value in line.x})
    if len(values) < 3 or any(isinstance(value, bool) or value <= 0 for value in values):
        return False
    ratios = [math.log(b / a) for a, b in pairwise(values)]
    steps = [float(b - a) for a, b in pairwise(values)]
    return max(ratios) / min(ratios) < max(steps) / min(steps)
