"""Host time of runs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from vaip.inputs import Arrays

TYPE_CHECKING = False
if TYPE_CHECKING:
    import onnxruntime


@dataclass
class RunTimes:
    median_ms: float
    min_ms: float
    p95_ms: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> RunTimes:
        ordered = sorted(seconds)
        p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
        return cls(1e3 * statistics.median(ordered), 1e3 * ordered[0], 1e3 * p95)

    def to_dict(self) -> dict[str, float]:
        return asdict(self)


def timed_run(session: onnxruntime.InferenceSession, inputs: Arrays) -> float:
    """Seconds of one run."""
    start = time.perf_counter()
    session.run(None, inputs)
    return time.perf_counter() - start
