"""vaip sweep: a model or a matrix product predicted over a grid of device and stack fields."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from vaip import _core
from vaip._core import Error
from vaip.cli.common import (
    ConfigOption,
    DimOption,
    JsonOption,
    Output,
    ProviderOption,
    SetFileOption,
    dims_from,
    known_device,
    options_from,
    overrides_from,
)
from vaip.overrides import Overrides, read_texts, to_json
from vaip.sweep import Axis, Gemm, OnnxModel, Point, Workload, grid, parse_axis, plot, run, table
from vaip.sweep.workload import input_shapes

SHOWN_ROWS = 40


def add_to(app: typer.Typer) -> None:
    app.command(
        "sweep",
        epilog="Example: vaip sweep model.onnx --set dram.read_gbps=20:60:10 --set clock_ghz=1.0,1.4 --out sweep.csv",
    )(sweep)


def _axes(texts: list[str]) -> list[str]:
    for text in texts:
        try:
            parse_axis(text)
        except Error as error:
            raise typer.BadParameter(f"{error}.") from error
    return texts


def _sizes(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(r"[1-9]\d*x[1-9]\d*x[1-9]\d*", text):
        raise typer.BadParameter(f"'{text}' is not MxKxN.")
    return text


def _devices(text: str | None) -> str | None:
    for name in (text or "").split(","):
        known_device(name or None)
    return text


def sweep(
    model: Annotated[
        Path | None, typer.Argument(metavar="MODEL", exists=True, dir_okay=False, help="The ONNX model.")
    ] = None,
    axes: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="FIELD=VALUES",
            callback=_axes,
            help="Values of a device's or stack's field: 1,2,4 or 20:60:10 or 8:128:*2 or 1:100:log5.",
        ),
    ] = [],  # noqa: B006 (typer copies it)
    set_file: SetFileOption = None,
    device: Annotated[
        str | None, typer.Option("--device", "-d", callback=_devices, help="Devices, with commas between.")
    ] = None,
    config: ConfigOption = None,
    gemm: Annotated[
        str | None, typer.Option(metavar="MxKxN", callback=_sizes, help="A matrix product in place of a model.")
    ] = None,
    gemm_types: Annotated[str, typer.Option(metavar="A,B,OUT", help="Its number formats.")] = "int8,int8,int8",
    dims: DimOption = [],  # noqa: B006
    options: ProviderOption = [],  # noqa: B006
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="Write the rows as CSV.")] = None,
    plot_file: Annotated[
        Path | None, typer.Option("--plot", dir_okay=False, help="Draw the latency: .png, .svg, .pdf or .html.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=0, help="Processes; 0: as many as are worth it.")] = 0,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Run on a dask cluster: its scheduler, tcp://host:8786.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Predict a model over a grid of device and stack fields: one row per combination, in the order given.

    A point that cannot be predicted becomes a row with its error; the others go on, and the exit code is 1.
    """
    output = Output(as_json)
    swept = [parse_axis(text) for text in axes]
    if (model is None) == (gemm is None):
        raise typer.BadParameter("give a MODEL or --gemm MxKxN.", param_hint="'MODEL'")
    if plot_file is not None:
        if not swept:
            raise typer.BadParameter("a plot needs a field: --set FIELD=VALUES.", param_hint="'--plot'")
        plot.check(plot_file)
    for path in (out, plot_file):
        if path is not None and not path.parent.is_dir():  # before the work, not after it
            raise Error(f"{path}: there is no directory {path.parent}")
    session_options = options_from(options) | ({"config_file": str(config)} if config is not None else {})
    devices = device.split(",") if device else [_core.resolve_options(session_options)["device"]]
    fixed = overrides_from([], set_file)
    _check_fields(devices, swept, fixed, session_options)
    if model is not None:
        workload: Workload = OnnxModel(
            str(model.resolve()), tuple(session_options.items()), input_shapes(model, dims_from(dims))
        )
    else:
        workload, fixed = _gemm(gemm or "", gemm_types, devices[0], fixed, session_options)
    points = grid(devices, swept, fixed)
    rows = _predict(workload, points, jobs, dask)
    _show(output, model.name if model is not None else f"GEMM {gemm}", points, rows, swept, out, plot_file)


def _check_fields(devices: list[str], swept: list[Axis], fixed: Overrides, options: dict[str, str]) -> None:
    """A field that does not exist fails at once; a value that is out of range is the business of its row."""
    for device in devices:
        chosen = {**options, "device": device}
        known = set(_core.override_paths(device, _core.resolve_options(chosen)["stack"]))
        for field in [*(axis.field for axis in swept), *fixed]:
            if field not in known:
                _core.resolve_options({**chosen, "overrides": to_json({field: 1})})  # says which ones are near


def _gemm(sizes: str, types: str, device: str, fixed: Overrides, options: dict[str, str]) -> tuple[Gemm, Overrides]:
    """The product, and what the configuration overrides, which a model's own options would bring along."""
    resolved = _core.resolve_options({**options, "device": device})
    formats = tuple(types.split(","))
    if len(formats) != 3:
        raise typer.BadParameter(f"'{types}' is not A,B,OUT.", param_hint="'--gemm-types'")
    m, k, n = (int(size) for size in sizes.split("x"))
    rows, columns = (int(resolved[name]) if resolved[name] else None for name in ("rows", "columns"))
    of_stack = {f"stack.{path}": value for path, value in read_texts(resolved["stack_overrides"]).items()}
    overrides = read_texts(resolved["device_overrides"]) | of_stack | fixed
    a, b, c = formats
    return Gemm((m, k, n), (a, b, c), resolved["stack"], rows, columns), overrides


def _predict(workload: Workload, points: list[Point], jobs: int, dask: str | None) -> list[table.Row]:
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("Sweeping"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    with progress:
        results = progress.track(run(workload, points, jobs=jobs, dask=dask), total=len(points))
        return [table.row(point, result) for point, result in zip(points, results, strict=True)]


def _show(
    output: Output,
    title: str,
    points: list[Point],
    rows: list[table.Row],
    swept: list[Axis],
    out: Path | None,
    plot_file: Path | None,
) -> None:
    failed = [row for row in rows if row["error"] is not None]
    names = table.columns(points)
    written: list[RenderableType] = []
    if out is not None:
        table.write_csv(out, names, rows)
        written.append(Text(f"Rows: {out}"))
    if plot_file is not None and len(failed) < len(rows):
        fields = [axis.field for axis in swept]
        plot.draw(plot_file, title, fields[0], plot.lines(rows, fields))
        written.append(Text(f"Plot: {plot_file}"))
    values = {"workload": title, "fields": [axis.field for axis in swept], "failed": len(failed), "points": rows}
    output.result(values, Group(_table(title, names, rows), *written))
    if failed:
        raise Error(f"{len(failed)} of {len(rows)} points failed; the first: {failed[0]['error']}")


def _table(title: str, names: list[str], rows: list[table.Row]) -> Table:
    more = f" (the first {SHOWN_ROWS} of {len(rows)} points)" if len(rows) > SHOWN_ROWS else ""
    shown = Table(title=f"{escape(title)}{more}", title_justify="left", box=box.SIMPLE_HEAD)
    fields = [name for name in names if name not in table.RESULTS]
    for name in fields:
        shown.add_column(escape(name), justify="left" if name == "device" else "right")
    for name in ("latency", "TOPS"):
        shown.add_column(name, justify="right")
    for name in ("bound", "dominating layer"):
        shown.add_column(name)
    for row in rows[:SHOWN_ROWS]:
        shown.add_row(*(escape(_text(row.get(name))) for name in fields), *_results(row))
    return shown


def _results(row: table.Row) -> tuple[str, str, str, str]:
    if row["error"] is not None:
        return "", "", "", f"[red]{escape(row['error'])}[/red]"
    share, bound = max((row[f"share_{bound}"], bound) for bound in table.SHARES)
    layer = f"{escape(row['dominating_layer'])} ({100 * row['dominating_share']:.0f} %)"
    return f"{row['latency_us'] / 1e3:.3f} ms", f"{row['tops_effective']:.2f}", f"{bound} {100 * share:.0f} %", layer


def _text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
