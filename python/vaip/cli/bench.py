"""vaip bench: host speed of VitisAIEP against another provider, in turns, on the same input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from vaip import host_memory
from vaip.cli.common import (
    ConfigOption,
    DeviceOption,
    DimOption,
    InputOption,
    JsonOption,
    Output,
    ProviderOption,
    SeedOption,
    ThreadsOption,
    dims_from,
    inputs_from,
    options_from,
)
from vaip.cli.timing import RunTimes, timed_run
from vaip.inputs import Arrays, make_inputs
from vaip.operators import uses_quark_operators
from vaip.registration import EP_NAME, get_library_path
from vaip.sessions import NpuSession, cpu_saturates, cpu_session

if TYPE_CHECKING:
    import onnxruntime
    from numpy.typing import NDArray

WARM_UPS = 3
# Worker threads of a session that has just run spin for a moment: the other one must not share cores with them.
SETTLE_SECONDS = 0.005
PRECISE_NOTE = (
    "this CPU has no VNNI, so onnxruntime's u8·s8 kernels saturate: outputs are compared with a CPU session that has "
    "session.x64quantprecision=1 (timed as cpu_precise); cpu is onnxruntime's default"
)
UNOPTIMIZED_NOTE = (
    "onnxruntime cannot load {model} with session.x64quantprecision=1 (layers share an int8 weight): its outputs are "
    "compared with a CPU session without graph optimizations, in float32 between Q and DQ (timed as cpu_precise)"
)
# What onnxruntime says of such models.
SHARED_WEIGHT = "Attempt to replace the existing tensor"


class Opponent(StrEnum):
    cpu = "cpu"


@dataclass
class Agreement:
    """Outputs of the two providers, over all outputs and elements."""

    elements: int
    equal: int
    max_abs_difference: float | None  # None where an element is finite on one side only
    max_relative_difference: float | None  # of the largest magnitude in the same output

    @property
    def percent(self) -> float:
        return 100.0 * self.equal / self.elements if self.elements else 100.0


def add_to(app: typer.Typer) -> None:
    app.command("bench", epilog="Example: vaip bench a.onnx b.onnx --against cpu --threads 1 --runs 30 --json")(bench)


def bench(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL...", exists=True, dir_okay=False, help="ONNX models.")],
    against: Annotated[Opponent, typer.Option(help="The provider to compare with.")] = Opponent.cpu,
    device: DeviceOption = None,
    config: ConfigOption = None,
    runs: Annotated[int, typer.Option(min=1, help="Timed runs of each provider.")] = 30,
    threads: ThreadsOption = 1,
    seed: SeedOption = 0,
    inputs: InputOption = [],  # noqa: B006 (typer copies it)
    dims: DimOption = [],  # noqa: B006
    options: ProviderOption = [],  # noqa: B006
    memory: Annotated[
        bool, typer.Option("--memory", help="Also measure each provider's memory, in a process of its own.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Time models on VitisAIEP and on onnxruntime's CPU provider, on this host.

    Both run in one process, in turns, on the same input. The ratio is cpu/vaip of the medians: above 1, VAIP is faster.
    """
    output = Output(as_json)
    sizes, given, provider_options = dims_from(dims), inputs_from(inputs), options_from(options)
    results = []
    for model in models:
        with output.working(f"Timing {model.name}"):
            results.append(
                measure(
                    model,
                    runs=runs,
                    threads=threads,
                    device=device,
                    config=config,
                    options=provider_options,
                    given=given,
                    dims=sizes,
                    seed=seed,
                    memory=memory,
                )
            )
    values = {"against": against.value, "threads": threads, "runs": runs, "models": results}
    output.result(values, _shown(results, runs, threads))


def measure(
    model: Path,
    *,
    runs: int,
    threads: int,
    device: str | None = None,
    config: Path | None = None,
    options: Mapping[str, Any] | None = None,
    given: Arrays | None = None,
    dims: Mapping[str, int] | None = None,
    seed: int = 0,
    memory: bool = False,
) -> dict[str, Any]:
    """What --json prints of one model."""
    start = perf_counter()
    npu = NpuSession(model, device=device, config=config, options=options, threads=threads)
    load_ms = {"vaip": 1e3 * (perf_counter() - start)}
    start = perf_counter()
    sessions = {"vaip": npu.onnxruntime, "cpu": cpu_session(model, threads=threads)}
    load_ms["cpu"] = 1e3 * (perf_counter() - start)
    notes = []
    if cpu_saturates():
        start = perf_counter()
        sessions["cpu_precise"], note = precise_session(model, threads)
        load_ms["cpu_precise"] = 1e3 * (perf_counter() - start)
        notes.append(note)
    arrays = make_inputs(npu.onnxruntime, given, dims=dims, seed=seed)
    agreement = compare(
        sessions["vaip"].run(None, arrays), sessions.get("cpu_precise", sessions["cpu"]).run(None, arrays)
    )
    times = _in_turns(sessions, arrays, runs, threads)
    report = npu.report()
    taken = _memory(model, npu, arrays, threads) if memory else {}
    return {
        "model": str(model),
        **{name: times[name].to_dict() | {"load_ms": load_ms[name]} | taken.get(name, {}) for name in sessions},
        "ratio": times["cpu"].median_ms / times["vaip"].median_ms,
        "agreement": asdict(agreement) | {"percent": agreement.percent},
        "nodes": report.nodes.to_dict(),
        "latency_ms": report.latency_ms,
        "device": report.device,
        "notes": notes,
    }


def _memory(model: Path, npu: NpuSession, inputs: Arrays, threads: int) -> dict[str, dict[str, int]]:
    """By provider; a precise CPU session is measured by nobody who minds its memory."""
    operators = get_library_path() if uses_quark_operators(model) else None
    ours = host_memory.measure(model, [[EP_NAME, npu.options], "CPUExecutionProvider"], inputs, threads=threads)
    theirs = host_memory.measure(
        model, ["CPUExecutionProvider"], inputs, threads=threads, operators=operators, imports_vaip=False
    )
    return {"vaip": ours.to_dict(), "cpu": theirs.to_dict()}


def precise_session(model: Path, threads: int) -> tuple[onnxruntime.InferenceSession, str]:
    """A CPU session whose 8-bit products do not saturate, and what it is."""
    try:
        return cpu_session(model, threads=threads, precise=True), PRECISE_NOTE
    except Exception as error:  # onnxruntime's own types are not known before it is imported
        if SHARED_WEIGHT not in str(error):
            raise
    return cpu_session(model, threads=threads, optimize=False), UNOPTIMIZED_NOTE.format(model=model.name)


def compare(actual: Sequence[NDArray[Any]], expected: Sequence[NDArray[Any]]) -> Agreement:
    total = Agreement(0, 0, 0.0, 0.0)
    for ours, theirs in zip(actual, expected, strict=True):
        same = ours == theirs
        if np.issubdtype(ours.dtype, np.floating):
            same |= np.isnan(ours) & np.isnan(theirs)
        total.elements += ours.size
        total.equal += int(np.count_nonzero(same))
        if not np.all(same):
            wide, reference = ours[~same].astype(np.float64), theirs[~same].astype(np.float64)
            difference = float(np.max(np.abs(wide - reference)))
            magnitude = float(np.max(np.abs(theirs.astype(np.float64))))
            total.max_abs_difference = _larger(total.max_abs_difference, difference)
            total.max_relative_difference = _larger(total.max_relative_difference, difference / (magnitude or 1.0))
    return total


def _larger(largest: float | None, difference: float) -> float | None:
    return max(largest, difference) if largest is not None and np.isfinite(difference) else None


def _in_turns(
    sessions: dict[str, onnxruntime.InferenceSession], inputs: Arrays, runs: int, threads: int
) -> dict[str, RunTimes]:
    seconds: dict[str, list[float]] = {name: [] for name in sessions}
    for turn in range(WARM_UPS + runs):
        for name, session in sessions.items():
            if threads != 1:
                sleep(SETTLE_SECONDS)
            elapsed = timed_run(session, inputs)
            if turn >= WARM_UPS:
                seconds[name].append(elapsed)
    return {name: RunTimes.of(values) for name, values in seconds.items()}


def _shown(results: list[dict[str, Any]], runs: int, threads: int) -> RenderableType:
    threads_shown = "all cores" if threads == 0 else f"{threads} thread{'s' if threads > 1 else ''}"
    table = Table(
        title=f"Host time in ms, {runs} runs of each in turns, {threads_shown}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    for column in ("model", "provider"):
        table.add_column(column)
    with_memory = any("peak_bytes" in result["vaip"] for result in results)
    for column in ("median", "min", "p95", "load", *(["peak MiB"] if with_memory else []), "cpu/vaip", "equal outputs"):
        table.add_column(column, justify="right")
    for result in results:
        for name in ("vaip", "cpu", "cpu_precise"):
            if name not in result:
                continue
            times = result[name]
            first = name == "vaip"
            table.add_row(
                escape(Path(result["model"]).name) if first else "",
                name,
                *(f"{times[key]:.3f}" for key in ("median_ms", "min_ms", "p95_ms")),
                f"{times['load_ms']:.0f}",
                *([f"{times['peak_bytes'] / 2**20:,.0f}" if "peak_bytes" in times else ""] if with_memory else []),
                f"{result['ratio']:.2f}" if first else "",
                f"{result['agreement']['percent']:.3f} %" if first else "",
            )
    notes = sorted({note for result in results for note in result["notes"]})
    return Group(table, *(Text(f"Note: {note}.") for note in notes))
