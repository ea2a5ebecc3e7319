"""Sensitivity as a picture: each layer's SQNR alone quantized, and what the what-ifs gain, as bars."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from vaip.files import written_whole
from vaip.quantize.sensitivity import LayerSensitivity, Sensitivity
from vaip.sweep.plot import PAGES, check

if TYPE_CHECKING:
    import matplotlib.figure
    import plotly.graph_objects

ALONE = "SQNR with this layer alone quantized (dB)"
GAINED = "SQNR gained by this layer's precision (dB)"


def draw(path: str | os.PathLike[str], title: str, result: Sensitivity) -> None:
    """A picture (.png, .svg, .pdf: matplotlib) or a page (.html: plotly)."""
    check(path)
    with written_whole(path) as temporary:
        if Path(path).suffix.lower() in PAGES:
            page(title, result).write_html(temporary, include_plotlyjs=True)
        else:
            picture(title, result).savefig(temporary, dpi=150)


def picture(title: str, result: Sensitivity) -> matplotlib.figure.Figure:
    from matplotlib.figure import Figure

    rows = _rows(result)
    names = [row.layer for row in rows]
    gains = _gains(rows)
    figure = Figure(figsize=(11, 2 + 0.3 * len(rows)), layout="constrained")
    alone, gained = figure.subplots(1, 2, sharey=True)
    alone.barh(names, [row.sqnr_db for row in rows])
    alone.invert_yaxis()
    height = 0.8 / max(len(gains), 1)
    for index, (precision, values) in enumerate(gains.items()):
        offset = (index - (len(gains) - 1) / 2) * height
        gained.barh([place + offset for place in range(len(rows))], values, height, label=precision)
    alone.set(title=title, xlabel=ALONE)
    gained.set(xlabel=GAINED)
    if gains:
        gained.legend()
    for axes in (alone, gained):
        axes.grid(alpha=0.3, axis="x")
    return figure


def page(title: str, result: Sensitivity) -> plotly.graph_objects.Figure:
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    rows = _rows(result)
    names = [row.layer for row in rows]
    figure = make_subplots(1, 2, shared_yaxes=True, subplot_titles=(ALONE, GAINED))
    figure.add_trace(go.Bar(x=[row.sqnr_db for row in rows], y=names, orientation="h", name="alone quantized"), 1, 1)
    for precision, values in _gains(rows).items():
        figure.add_trace(go.Bar(x=values, y=names, orientation="h", name=precision), 1, 2)
    figure.update_layout(title=title, height=200 + 28 * len(rows))
    figure.update_yaxes(autorange="reversed")
    return figure


def _rows(result: Sensitivity) -> list[LayerSensitivity]:
    """Without those whose quantization changes nothing."""
    return [row for row in result.layers if row.sqnr_db is not None]


def _gains(rows: list[LayerSensitivity]) -> dict[str, list[float]]:
    precisions = dict.fromkeys(what_if.precision for row in rows for what_if in row.what_if)
    return {
        precision: [
            next((w.sqnr_gained_db or 0.0 for w in row.what_if if w.precision == precision), 0.0) for row in rows
        ]
        for precision in precisions
    }
