"""vaip demo: does it work here, and what does it do? In a few seconds, with the data that VAIP ships."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer
from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from vaip.cli.common import ConfigOption, DeviceOption, JsonOption, Output
from vaip.demo import DemoResult, run_demo
from vaip.report.render import partition_line
from vaip.report.render import time as shown_time


def add_to(app: typer.Typer) -> None:
    app.command("demo", epilog="Example: vaip demo --device krackan")(demo)


def demo(
    device: DeviceOption = None,
    config: ConfigOption = None,
    output_dir: Annotated[Path, typer.Option(help="Where the report and the timeline go.")] = Path("vaip_demo"),
    as_json: JsonOption = False,
) -> None:
    """Classify 600 handwritten digits: FP32 and INT8 on the CPU, INT8 on the simulated NPU."""
    output = Output(as_json)
    start = perf_counter()
    with output.working("Classifying handwritten digits"):
        result = run_demo(device=device, config=config)
    seconds = perf_counter() - start
    output_dir.mkdir(parents=True, exist_ok=True)
    report_file, trace_file = output_dir / "report.json", output_dir / "trace.json"
    result.report.to_json(report_file)
    result.report.trace(trace_file)
    values = result.to_dict() | {"seconds": seconds, "report_file": str(report_file), "trace_file": str(trace_file)}
    output.result(values, _shown(result, seconds, report_file, trace_file))


def _shown(result: DemoResult, seconds: float, report_file: Path, trace_file: Path) -> RenderableType:
    accuracy = Table(title=f"Accuracy on {result.images} held-out images", title_justify="left", box=box.SIMPLE_HEAD)
    accuracy.add_column("model")
    accuracy.add_column("provider")
    accuracy.add_column("accuracy", justify="right")
    for row in result.accuracies:
        accuracy.add_row(row.model, row.provider, f"{row.percent:.2f} %")

    devices = Table(title="Predicted, one image at a time", title_justify="left", box=box.SIMPLE_HEAD)
    devices.add_column("device")
    devices.add_column("latency", justify="right")
    devices.add_column("throughput", justify="right")
    for prediction in result.predictions:
        devices.add_row(
            escape(prediction.device),
            shown_time(prediction.latency_us),
            f"{prediction.images_per_second:,.0f} images/s",
        )

    notes = [
        f"INT8, VitisAIEP against the CPU: {result.equal_elements} of {result.elements} outputs and "
        f"{result.equal_labels} of {result.images} labels equal"
    ]
    if result.cpu_is_precise:
        notes.append("(The CPU session has session.x64quantprecision=1: without VNNI its default kernels saturate.)")
    notes.append(f"Partition on {result.report.device}: {partition_line(result.report)}")
    return Group(
        accuracy,
        *map(Text, notes),
        devices,
        Text(f"Report: {report_file}, timeline for ui.perfetto.dev: {trace_file}. Done in {seconds:.1f} s."),
    )
