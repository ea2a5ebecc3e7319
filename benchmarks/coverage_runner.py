"""Runs the cells of coverage.py, each in a process of its own, and keeps their results."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import vaip
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

JsonObject = dict[str, Any]
Cell = tuple[str, str]  # network, quantizer

HERE = Path(__file__).parent
MEASURING = ("coverage_cell.py", "layerwise.py", "qoperator.py")  # what a kept result depends on, beside the library


class Runner:
    """Measures cells, each in a process of its own, and keeps the results."""

    def __init__(self, models: Path, threads: int, timeout: int, *, fresh: bool = False, claims: bool = False) -> None:
        self.models, self.threads, self.timeout, self.fresh, self.claims = models, threads, timeout, fresh, claims
        digest = hashlib.sha256(Path(vaip.get_library_path()).read_bytes())
        for name in MEASURING:
            digest.update((HERE / name).read_bytes())
        self.results = models / ("claims" if claims else "results") / digest.hexdigest()[:16]
        self.results.mkdir(parents=True, exist_ok=True)

    def run(self, cell: Cell) -> JsonObject:
        network, quantizer = cell
        kept = self.results / f"{network}.{quantizer}.json"
        if kept.exists() and not self.fresh:
            result: JsonObject = json.loads(kept.read_text())
            return result
        result = self._measure(network, quantizer)
        unfinished = kept.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(result))
        unfinished.replace(kept)
        return result

    def command(self, network: str, quantizer: str) -> list[str]:
        script = str(HERE / "coverage_cell.py")
        options = ["--models", str(self.models), "--threads", str(self.threads)]
        return [sys.executable, script, network, quantizer, *options, *(["--claims"] if self.claims else [])]

    def _measure(self, network: str, quantizer: str) -> JsonObject:
        log = self.models / f"{network}.{quantizer}.log"
        with (
            log.open("w") as errors,
            subprocess.Popen(
                self.command(network, quantizer), stdout=subprocess.PIPE, stderr=errors, text=True
            ) as process,
        ):
            try:
                answer, _ = process.communicate(timeout=self.timeout)
                problem = _ending(process.returncode)
            except subprocess.TimeoutExpired:
                process.kill()
                answer, _ = process.communicate()
                problem = f"not done in {self.timeout} s"
        lines = answer.splitlines()
        result: JsonObject = {"network": network, "quantizer": quantizer} | (json.loads(lines[-1]) if lines else {})
        if problem:
            said = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
            message = f"{problem}: {said[-1][:300]}" if said else problem
            result["error"] = {"stage": "process", "message": message}
        return result


def _ending(code: int) -> str:
    """What there is to say of a process that did not end well."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}" if code else ""


def run_all(runner: Runner, cells: list[Cell], jobs: int) -> Iterator[JsonObject]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        Progress(*columns, console=Console(stderr=True), transient=True) as progress,
        ThreadPoolExecutor(jobs) as pool,
    ):
        task = progress.add_task("coverage", total=len(cells))

        def measured(cell: Cell) -> JsonObject:
            progress.update(task, description=" ".join(cell))
            result = runner.run(cell)
            progress.advance(task)
            return result

        yield from pool.map(measured, cells)
