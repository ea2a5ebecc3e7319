"""Predicted against measured times: a log-log scatter, a colour per table, bands of 10 and 20 %."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

from vaip._core import Error
from vaip.validate.rows import TableResult, Validation

BANDS = (20, 10)  # percent, the wider one below
FORMATS = (".png", ".svg", ".html")
TITLE = "Predicted against measured"


def check_plot_path(path: Path) -> None:
    """Raises vaip.Error for an ending that no writer knows and for a writer that is not installed."""
    if path.suffix.lower() not in FORMATS:
        raise Error(f"{path}: a plot's file name must end in {', '.join(FORMATS)}")
    _writer(path)


def plot(validation: Validation, path: Path) -> None:
    """Writes the scatter to `path`: .png and .svg by matplotlib, .html by plotly."""
    tables = [table for table in validation.tables if table.residuals]
    if not tables:
        raise Error(f"{path}: nothing to plot, no row was predicted")
    module = _writer(path)
    unfinished = path.with_name(f".{path.stem}.unfinished{path.suffix}")
    try:
        if path.suffix.lower() == ".html":
            _write_html(module, tables, unfinished)
        else:
            _write_image(module, tables, unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def points(table: TableResult) -> tuple[list[float], list[float]]:
    """Measured and predicted times in microseconds, whatever the table's unit."""
    return [each.measured_us for each in table.residuals], [each.predicted_us for each in table.residuals]


def name_of(table: TableResult) -> str:
    return f"{table.name}: {table.mape:.1f} %"


def _extent(tables: list[TableResult]) -> tuple[float, float]:
    values = [value for table in tables for side in points(table) for value in side]
    return min(values) / 2, max(values) * 2


def _writer(path: Path) -> ModuleType:
    name = "plotly.graph_objects" if path.suffix.lower() == ".html" else "matplotlib.figure"
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.split(".")[0]
        raise Error(f"{path}: plots need {package}, which is not installed: pip install 'vaip[plot]'") from error


def _write_image(module: ModuleType, tables: list[TableResult], path: Path) -> None:
    figure = module.Figure(figsize=(11, 7), layout="constrained")
    axes = figure.add_subplot()
    low, high = _extent(tables)
    for band in BANDS:
        axes.fill_between(
            [low, high],
            [low * (1 - band / 100), high * (1 - band / 100)],
            [low * (1 + band / 100), high * (1 + band / 100)],
            color=str(0.65 + band / 100),
            linewidth=0,
            label=f"within {band} %",
        )
    axes.plot([low, high], [low, high], color="0.3", linewidth=0.8)
    colours = importlib.import_module("matplotlib").colormaps["tab20"]
    for index, table in enumerate(tables):
        measured, predicted = points(table)
        axes.scatter(
            measured, predicted, s=18, color=colours(index % 20), marker="os^D"[index // 20 % 4], label=name_of(table)
        )
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), title=TITLE)
    axes.set_xlabel("measured time, µs")
    axes.set_ylabel("predicted time, µs")
    axes.grid(True, which="major", linewidth=0.3)
    figure.legend(loc="outside right upper", fontsize="small", title="table: mean error")
    figure.savefig(path, dpi=150)


def _write_html(module: ModuleType, tables: list[TableResult], path: Path) -> None:
    figure = module.Figure()
    low, high = _extent(tables)
    for band in BANDS:
        figure.add_scatter(
            x=[low, high, high, low],
            y=[low * (1 - band / 100), high * (1 - band / 100), high * (1 + band / 100), low * (1 + band / 100)],
            fill="toself",
            mode="none",
            fillcolor=f"rgba(128,128,128,{0.5 - band / 50})",
            hoverinfo="skip",
            name=f"within {band} %",
        )
    figure.add_scatter(x=[low, high], y=[low, high], mode="lines", line={"color": "#555", "width": 1}, showlegend=False)
    for table in tables:
        measured, predicted = points(table)
        figure.add_scatter(
            x=measured,
            y=predicted,
            mode="markers",
            name=name_of(table),
            text=[f"{each.label}<br>{each.error_percent:+.1f} %, {each.bound}" for each in table.residuals],
            hovertemplate="%{text}<br>measured %{x:.4g} µs<br>predicted %{y:.4g} µs",
        )
    figure.update_xaxes(type="log", title="measured time, µs")
    figure.update_yaxes(type="log", title="predicted time, µs")
    figure.update_layout(title=TITLE, legend_title="table: mean error", template="plotly_white")
    figure.write_html(path, include_plotlyjs=True)
