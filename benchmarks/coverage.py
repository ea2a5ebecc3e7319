"""Which nodes of quantized models VitisAIEP claims, why not the others, and how its numbers compare: docs/coverage.md.

python coverage.py [--only NETWORK] [--quantizer NAME] [--models DIR] [--jobs N] [--json]

Every network of models/collection.py by every quantizer of models/quantizers.py. DIR keeps the float and quantized
models and, for as long as the VitisAIEP library is the same, the results: a run that was stopped goes on. A whole run
writes the page; one of a part does where --out names a file. Needs AMD Quark and PyTorch: pip install 'vaip[quark]'.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import vaip
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

sys.path.insert(0, str(Path(__file__).parent / "models"))

from collection import NETWORKS, PARITY_NETWORKS
from coverage_page import page, summary
from quantizers import QUANTIZERS

JsonObject = dict[str, Any]
Cell = tuple[str, str]

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "coverage.md"
PARITY_QUANTIZER = "quark_xint8"
MEASURING = ("coverage_cell.py", "layerwise.py", "qoperator.py")  # what a kept result depends on, beside the library


def all_cells() -> list[Cell]:
    cells = [(network, quantizer) for network in NETWORKS for quantizer in QUANTIZERS]
    return cells + [(network, PARITY_QUANTIZER) for network in PARITY_NETWORKS if network not in NETWORKS]


def default_directory() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vaip" / "coverage"


class Runner:
    """Measures cells, each in a process of its own, and keeps the results."""

    def __init__(self, models: Path, threads: int, timeout: int, fresh: bool) -> None:
        self.models, self.threads, self.timeout, self.fresh = models, threads, timeout, fresh
        digest = hashlib.sha256(Path(vaip.get_library_path()).read_bytes())
        for name in MEASURING:
            digest.update((HERE / name).read_bytes())
        self.results = models / "results" / digest.hexdigest()[:16]
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

    def _measure(self, network: str, quantizer: str) -> JsonObject:
        command = [sys.executable, str(HERE / "coverage_cell.py"), network, quantizer]
        command += ["--models", str(self.models), "--threads", str(self.threads)]
        log = self.models / f"{network}.{quantizer}.log"
        died = {"network": network, "quantizer": quantizer}
        with log.open("w") as errors:
            try:
                done = subprocess.run(
                    command, stdout=subprocess.PIPE, stderr=errors, text=True, timeout=self.timeout, check=False
                )
            except subprocess.TimeoutExpired:
                return died | {"error": {"stage": "process", "message": f"not done in {self.timeout} s"}}
        if done.returncode != 0 or not done.stdout:
            lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
            message = f"exit code {done.returncode}: {lines[-1][:300] if lines else ''}"
            return died | {"error": {"stage": "process", "message": message}}
        result: JsonObject = json.loads(done.stdout.splitlines()[-1])
        return result


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    networks = tuple(dict.fromkeys((*NETWORKS, *PARITY_NETWORKS)))
    parser.add_argument(
        "--only", action="append", choices=networks, metavar="NETWORK", help=f"one of {', '.join(networks)}; repeatable"
    )
    parser.add_argument(
        "--quantizer", action="append", choices=QUANTIZERS, metavar="NAME", help=f"one of {', '.join(QUANTIZERS)}"
    )
    parser.add_argument("--models", type=Path, default=default_directory(), help="default: %(default)s")
    parser.add_argument("--jobs", type=int, default=1, help="cells at a time")
    parser.add_argument("--threads", type=int, default=1, help="of each session")
    parser.add_argument("--timeout", type=int, default=1800, help="seconds for a cell")
    parser.add_argument("--fresh", action="store_true", help="measure again what was measured with this library")
    parser.add_argument("--out", type=Path, help="the page; default for a whole run: docs/coverage.md")
    parser.add_argument("--json", action="store_true", help="print all results as one JSON object")
    arguments = parser.parse_args()

    cells = [
        (network, quantizer)
        for network, quantizer in all_cells()
        if network in (arguments.only or networks) and quantizer in (arguments.quantizer or QUANTIZERS)
    ]
    runner = Runner(arguments.models, arguments.threads, arguments.timeout, arguments.fresh)
    results = list(run_all(runner, cells, arguments.jobs))
    out = arguments.out or (PAGE if len(cells) == len(all_cells()) else None)
    if out is not None:
        out.write_text(page(results), encoding="utf-8")
    if arguments.json:
        print(json.dumps({"cells": results}, indent=1))
    else:
        Console().print(summary(results))


if __name__ == "__main__":
    main()
