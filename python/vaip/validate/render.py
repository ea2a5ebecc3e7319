"""Validations for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from vaip.validate.parameters import Parameter
from vaip.validate.registry import TABLES
from vaip.validate.rows import Residual, Skipped, TableResult, Validation


def summary(validation: Validation, *, rows: bool = False) -> RenderableType:
    table = Table(
        title="Published measurements against predictions", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("table", no_wrap=True, min_width=29)
    table.add_column("rows", justify="right")
    table.add_column("mean error", justify="right")
    table.add_column("worst", justify="right")
    table.add_column("worst row", overflow="ellipsis", no_wrap=True, max_width=44)
    table.add_column("skipped", justify="right")
    for result in validation.tables:
        worst = result.worst
        table.add_row(
            result.name,
            "cannot be read" if result.errors else str(len(result.residuals)),
            "" if result.mape is None else f"{result.mape:.1f} %",
            f"{worst.error_percent:+.1f} %" if worst else "",
            escape(worst.label) if worst else "",
            str(len(result.skipped)) if result.skipped else "",
        )
    parts: list[RenderableType] = [table]
    if rows:
        parts += [residuals_table(result) for result in validation.tables if result.residuals]
    parts += [skipped_table(result) for result in validation.tables if result.skipped]
    notes = [f"{result.name}: {result.note}" for result in validation.tables if result.note]
    parts += [Text(f"Note: {note}.") for note in (*notes, *validation.unknown)]
    return Group(*parts)


def residuals_table(result: TableResult) -> Table:
    title = f"{result.name}: {TABLES[result.name].title}" if result.name in TABLES else result.name
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("row", overflow="fold")
    table.add_column("device")
    table.add_column("measured", justify="right")
    table.add_column("predicted", justify="right")
    table.add_column("unit")
    table.add_column("error", justify="right")
    table.add_column("bound")
    for each in result.residuals:
        table.add_row(
            escape(each.label),
            each.device,
            number(each.measured),
            number(each.predicted),
            each.unit,
            Text(f"{each.error_percent:+.1f} %", style=_style(each)),
            each.bound,
        )
    return table


def skipped_table(result: TableResult) -> Table:
    """Rows without a prediction; those with the same reason in one row."""
    table = Table(title=f"{result.name}: not predicted", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("rows", overflow="fold", ratio=2)
    table.add_column("reason", overflow="fold", ratio=3)
    groups: dict[str, list[Skipped]] = {}
    for each in result.skipped:
        groups.setdefault(each.reason, []).append(each)
    for reason, members in groups.items():
        table.add_row(escape("; ".join(each.label for each in members)), escape(reason))
    return table


def parameters_table(parameters: Sequence[Parameter]) -> Table:
    table = Table(title="Fitted parameters", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("of", overflow="fold")
    table.add_column("parameter", overflow="fold")
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("fitted on", overflow="fold")
    for each in parameters:
        value = str(each.value) if isinstance(each.value, bool) else f"{each.value:g}"
        table.add_row(each.where, each.name, value, each.unit, escape(each.fitted_on))
    return table


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _style(residual: Residual) -> str:
    size = abs(residual.error_percent)
    return "green" if size <= 10 else "yellow" if size <= 20 else "red"
