"""vaip run: one model on a device, its predicted time layer by layer."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Group, RenderableType
from rich.text import Text

from vaip.cli.common import (
    ConfigOption,
    DeviceOption,
    DimOption,
    InputOption,
    JsonOption,
    ModelArgument,
    Output,
    ProviderOption,
    SeedOption,
    SetFileOption,
    SetOption,
    ThreadsOption,
    dims_from,
    inputs_from,
    options_from,
    options_with,
    overrides_from,
    what_if,
)
from vaip.cli.timing import RunTimes, timed_run
from vaip.host_memory import HostMemory
from vaip.inputs import make_inputs
from vaip.sessions import NpuSession
from vaip.throughput import work_of


def add_to(app: typer.Typer) -> None:
    app.command("run", epilog="Example: vaip run model.onnx --device strix --set dram.read_gbps=30 --trace trace.json")(
        run
    )


def run(
    model: ModelArgument,
    device: DeviceOption = None,
    config: ConfigOption = None,
    runs: Annotated[int, typer.Option(min=1, help="How many times to run it.")] = 5,
    threads: ThreadsOption = 0,
    seed: SeedOption = 0,
    inputs: InputOption = [],  # noqa: B006 (typer copies it)
    dims: DimOption = [],  # noqa: B006
    options: ProviderOption = [],  # noqa: B006
    assignments: SetOption = [],  # noqa: B006
    set_file: SetFileOption = None,
    mode: Annotated[
        str | None,
        typer.Option(help="steady (extrapolated, the default) or event (played lock by lock): how layers are timed."),
    ] = None,
    trace: Annotated[Path | None, typer.Option(help="Write a timeline for chrome://tracing or Perfetto.")] = None,
    host_profile: Annotated[
        bool, typer.Option("--host-profile", help="Show what each step takes on this host, and whose code it is.")
    ] = False,
    output_dir: Annotated[Path | None, typer.Option(help="Write each output as a .npy file here.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run a model on the simulated NPU and show what it would take there.

    Inputs that are not given are random, by the model's declared types and shapes.
    """
    output = Output(as_json)
    sizes, given = dims_from(dims), inputs_from(inputs)
    overrides = overrides_from(assignments, set_file)
    provider_options = options_with(overrides, options_from(options))
    if mode is not None:
        provider_options["mode"] = mode
    if host_profile:
        provider_options["host_profile"] = "true"
    with output.working(f"Running {model.name}"):
        start = time.perf_counter()
        session = NpuSession(model, device=device, config=config, options=provider_options, threads=threads)
        load_ms = 1e3 * (time.perf_counter() - start)
        loaded = HostMemory.of_this_process()
        arrays = make_inputs(session.onnxruntime, given, dims=sizes, seed=seed)
        results = session.onnxruntime.run(None, arrays)
        times = RunTimes.of([timed_run(session.onnxruntime, arrays) for _ in range(runs)])
        report = session.report()
    host_ms = {"session_load": load_ms, "run_median": times.median_ms, "run_min": times.min_ms, "run_p95": times.p95_ms}
    peak = HostMemory.of_this_process().peak_bytes
    host_memory = {"loaded_bytes": loaded.resident_bytes, "peak_bytes": peak}
    values: dict[str, Any] = report.to_dict() | {"model": str(model), "host_ms": host_ms, "host_memory": host_memory}
    shown: list[RenderableType] = [*what_if(values["overrides"]), report]
    if report.latency_ms:
        work = work_of(arrays)
        rate = work.per_second(report.latency_ms)
        values["throughput"] = {"unit": work.unit, "per_run": work.count, "per_second": rate}
        shown.append(Text(f"Throughput: {rate:,.1f} {work.unit}s/s predicted, {work.count:,} in a run"))
    on_host = f"load {load_ms:.1f} ms, run {times.median_ms:.2f} ms (median of {runs}), at most {peak / 2**20:,.0f} MiB"
    shown.append(Text(f"On this host: {on_host}"))
    shown += [cluster.host_profile for cluster in report.clusters if cluster.host_profile is not None]
    if trace is not None:
        report.trace(trace)
        values["trace"] = str(trace)
        shown.append(Text(f"Timeline: {trace}"))
    if output_dir is not None:
        names = [value.name for value in session.onnxruntime.get_outputs()]
        values["outputs"] = _save(dict(zip(names, results, strict=True)), output_dir)
        shown.append(Text(f"Outputs: {output_dir}"))
    output.result(values, Group(*shown))


def _save(arrays: dict[str, Any], directory: Path) -> dict[str, str]:
    """One .npy file per output; characters that file names do not take become '_'."""
    directory.mkdir(parents=True, exist_ok=True)
    paths: dict[str, str] = {}
    for position, (name, array) in enumerate(arrays.items()):
        path = directory / f"{re.sub(r'[^A-Za-z0-9_.-]', '_', name) or position}.npy"
        if str(path) in paths.values():
            path = path.with_stem(f"{path.stem}_{position}")
        np.save(path, np.asarray(array), allow_pickle=False)
        paths[name] = str(path)
    return paths
