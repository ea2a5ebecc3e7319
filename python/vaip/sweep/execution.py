"""The points of a sweep over processes of this machine, or over a dask cluster, in the order of the grid."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from vaip._core import Error
from vaip.sweep.grid import Point
from vaip.sweep.workload import Outcome, Workload

POINTS_PER_PROCESS = 16  # starting a process, importing and reading a model takes as long as some tens of points
Result = Outcome | str  # or what went wrong


def evaluate(workload: Workload, point: Point) -> Result:
    """What a worker does. A point that fails is a result too: the others go on."""
    try:
        return workload.predict(point)
    except Error as error:
        return " ".join(str(error).split())


def run(workload: Workload, points: Sequence[Point], *, jobs: int = 0, dask: str | None = None) -> Iterator[Result]:
    """One result per point, in their order, as they come.

    jobs: processes; 0 takes one per core, and fewer where there are few points. dask: the address of a scheduler
    ("tcp://host:8786") whose workers have VAIP and see the model under the same path.
    """
    if dask is None:
        jobs = jobs or min(os.cpu_count() or 1, -(-len(points) // POINTS_PER_PROCESS))
        if jobs <= 1:
            yield from (evaluate(workload, point) for point in points)
            return
    import joblib

    with ExitStack() as stack:
        if dask is not None:
            _connect(dask, stack)
        tasks = (joblib.delayed(evaluate)(workload, point) for point in points)
        yield from joblib.Parallel(n_jobs=-1 if dask else jobs, return_as="generator")(tasks)


def _connect(address: str, stack: ExitStack) -> None:
    """Makes joblib use the cluster until the stack is closed."""
    try:
        distributed: Any = importlib.import_module("distributed")  # typed where it is installed only
    except ImportError as error:
        raise Error(f"a dask cluster needs the extra 'cluster' ({error}): pip install 'vaip[cluster]'") from error
    import joblib

    try:
        stack.enter_context(distributed.Client(address, timeout=10))
    except (OSError, ValueError, TimeoutError) as error:
        raise Error(f"no dask scheduler answers at {address}: {error}") from error
    stack.enter_context(joblib.parallel_config(backend="dask"))
