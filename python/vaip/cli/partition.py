"""vaip partition: which nodes the NPU takes, and why not the others."""

from __future__ import annotations

import typer
from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from vaip.cli.common import (
    ConfigOption,
    DeviceOption,
    JsonOption,
    ModelArgument,
    Output,
    ProviderOption,
    SetFileOption,
    SetOption,
    options_from,
    options_with,
    overrides_from,
    what_if,
)
from vaip.report import Report
from vaip.report.render import partition_line, unclaimed_table, warnings
from vaip.sessions import NpuSession


def add_to(app: typer.Typer) -> None:
    app.command("partition", epilog="Example: vaip partition model.onnx --config vaip_config.json")(partition)


def partition(
    model: ModelArgument,
    device: DeviceOption = None,
    config: ConfigOption = None,
    options: ProviderOption = [],  # noqa: B006 (typer copies it)
    assignments: SetOption = [],  # noqa: B006
    set_file: SetFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show which nodes run on the NPU, in which clusters, and why the others do not.

    Counts are over the graph that ONNX Runtime hands over: after its level-1 optimizations, with a DequantizeLinear
    for each consumer.
    """
    output = Output(as_json)
    with output.working(f"Partitioning {model.name}"):
        provider_options = options_with(overrides_from(assignments, set_file), options_from(options))
        session = NpuSession(model, device=device, config=config, options=provider_options)
        report = session.report()
    values = report.to_dict() | {"model": str(model)}
    shown = (
        "model",
        "device",
        "config",
        "warnings",
        "overrides",
        "bf16_conversion",
        "nodes",
        "operators",
        "subgraphs",
        "clusters",
        "unclaimed",
    )
    output.result({key: values[key] for key in shown}, _shown(report))


def _shown(report: Report) -> RenderableType:
    parts: list[RenderableType] = [
        *what_if(report.details.get("overrides", {})),
        *warnings(report),
        Text(f"{report.device}: {partition_line(report)}"),
        _operators(report),
    ]
    if report.clusters:
        parts.append(_clusters(report))
    if report.unclaimed:
        parts.append(unclaimed_table(report.unclaimed))
    return Group(*parts)


def _operators(report: Report) -> Table:
    table = Table(title="Operators", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("op")
    table.add_column("NPU", justify="right")
    table.add_column("CPU", justify="right")
    for op, counts in sorted(report.operators.items(), key=lambda item: (-sum(item[1].values()), item[0])):
        table.add_row(escape(op), str(counts["ipu"] or ""), str(counts["cpu"] or ""))
    return table


def _clusters(report: Report) -> Table:
    table = Table(title="Clusters", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("cluster")
    table.add_column("layers", justify="right")
    table.add_column("input shapes")
    table.add_column("weights", justify="right")
    for cluster in report.clusters:
        compiled = cluster.programs > 0
        shapes = ", ".join("x".join(map(str, shape)) for shape in cluster.input_shapes)
        table.add_row(
            escape(cluster.name),
            str(cluster.layers) if compiled else "",
            shapes if compiled else "dynamic: compiled at the first run",
            f"{cluster.packed_weight_bytes / 1024:.1f} KiB" if compiled else "",
        )
    return table
