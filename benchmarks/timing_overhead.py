"""What predicting costs a run: ResNet-50 (XINT8) as a session of VitisAIEP, which is timed and reported, against the
executor of the same program alone, which does neither.

python timing_overhead.py [--runs N] [--mode steady|event] [--threads N] [--json]

Both compute in turns in one process, on the same input, each first in every other pair. The overhead is the median over
the pairs of how much longer the session takes, with a bootstrap interval around it. It is an upper bound: onnxruntime's
own part of a run is in it. With one thread, processor time is compared too: other work on this host disturbs it less.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from vaip import _core
from vaip.inputs import make_inputs
from vaip.networks import build
from vaip.sessions import NpuSession

WARM_UPS = 3
RESAMPLES = 10_000
INTERVAL = (0.025, 0.975)  # 95 %
Clock = Callable[[], float]


@dataclass(frozen=True)
class Overhead:
    """Of the session over the executor, by one clock."""

    executor_ms: float  # medians
    session_ms: float
    ratio: float  # median over the pairs
    ratio_low: float  # its confidence interval
    ratio_high: float

    @classmethod
    def of(cls, executor: list[float], session: list[float]) -> Overhead:
        ratios = np.array(session) / np.array(executor)
        rng = np.random.default_rng(0)
        medians = np.median(rng.choice(ratios, (RESAMPLES, len(ratios))), axis=1)
        low, high = np.quantile(medians, INTERVAL)
        return cls(
            1e3 * statistics.median(executor),
            1e3 * statistics.median(session),
            float(np.median(ratios)),
            float(low),
            float(high),
        )


def measure(runs: int, mode: str, threads: int) -> dict[str, object]:
    model = build("resnet50")
    options = {"mode": mode, "num_threads": str(threads)}
    session = NpuSession(model, options=options, threads=threads)
    report = session.report()
    if report.unclaimed:
        raise SystemExit(f"error: onnxruntime's CPU provider would compute {len(report.unclaimed)} of the nodes")
    executor = _core.Model.from_bytes(model.SerializeToString(), options)
    feeds = make_inputs(session.onnxruntime, {}, dims={}, seed=0)
    arrays = [feeds[name] for name, _, _ in executor.inputs]

    contestants: dict[str, Callable[[], list[np.ndarray]]] = {
        "executor": lambda: executor.run(arrays),
        "session": lambda: session.onnxruntime.run(None, feeds),
    }
    for alone, timed in zip(contestants["executor"](), contestants["session"](), strict=True):
        if not np.array_equal(alone, timed):
            raise SystemExit("error: session and executor do not compute the same")
    clocks: dict[str, Clock] = {"wall": time.perf_counter} | ({"processor": time.process_time} if threads == 1 else {})
    seconds = _in_turns(contestants, clocks, runs)
    return {
        "model": "resnet50 (XINT8)",
        "mode": mode,
        "threads": threads,
        "runs": runs,
        "predicted_ms": report.latency_ms,
        "layers": len(report.layers),
        "compile_ms": sum(cluster.compile_ms for cluster in report.clusters),
        **{clock: asdict(Overhead.of(taken["executor"], taken["session"])) for clock, taken in seconds.items()},
    }


def _in_turns(
    contestants: dict[str, Callable[[], list[np.ndarray]]], clocks: dict[str, Clock], runs: int
) -> dict[str, dict[str, list[float]]]:
    seconds: dict[str, dict[str, list[float]]] = {clock: {name: [] for name in contestants} for clock in clocks}
    for turn in range(WARM_UPS + runs):
        order = list(contestants) if turn % 2 else list(reversed(contestants))
        for name in order:
            start = {clock: read() for clock, read in clocks.items()}
            contestants[name]()
            taken = {clock: read() - start[clock] for clock, read in clocks.items()}
            if turn >= WARM_UPS:
                for clock in clocks:
                    seconds[clock][name].append(taken[clock])
    return seconds


def show(result: dict[str, object]) -> None:
    print(f"{result['model']}, {result['threads']} thread(s), {result['runs']} runs each, mode {result['mode']}")
    for clock in ("wall", "processor"):
        figures = result.get(clock)
        if isinstance(figures, dict):
            low, high = (100 * (figures[key] - 1) for key in ("ratio_low", "ratio_high"))
            print(
                f"{clock} time: executor {figures['executor_ms']:.2f} ms, session {figures['session_ms']:.2f} ms; "
                f"overhead {100 * (figures['ratio'] - 1):+.2f} % (95 %: {low:+.2f} to {high:+.2f} %)"
            )
    print(
        f"Once, at the session's start: compiling and predicting {result['layers']} layers took "
        f"{result['compile_ms']:.1f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100, help="timed runs of each")
    parser.add_argument("--mode", choices=["steady", "event"], default="steady", help="how the session is timed")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.runs < 1 or arguments.threads < 1:
        parser.error("--runs and --threads must be at least 1")
    result = measure(arguments.runs, arguments.mode, arguments.threads)
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)


if __name__ == "__main__":
    main()
