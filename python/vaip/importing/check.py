"""Does the ONNX model compute what its source computes? On random input, the source's framework against onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from vaip.importing.errors import ModelImportError
from vaip.importing.source import Reference
from vaip.inputs import make_inputs
from vaip.sessions import cpu_session

TOLERANCE = 1e-3  # of the output's largest magnitude: frameworks sum in different orders, and approximate functions


@dataclass(frozen=True)
class Agreement:
    runs: int
    largest_difference: float  # relative to the output's largest magnitude


def compare(model: onnx.ModelProto, reference: Reference, *, seed: int) -> Agreement:
    """At all dynamic dimensions 1, and, if there are any, 2: an export may hold for one size only."""
    session = cpu_session(model, optimize=False)
    symbols = {dim for value in session.get_inputs() for dim in value.shape if not isinstance(dim, int)}
    sizes = (1, 2) if symbols else (1,)
    worst = 0.0
    for size in sizes:
        arrays = make_inputs(session, dims={d: size for d in symbols if isinstance(d, str)}, seed=seed)
        expected = reference(arrays)
        given = session.run(None, arrays)
        names = [value.name for value in session.get_outputs()]
        if len(expected) != len(given):
            raise ModelImportError(f"the ONNX model has {len(given)} outputs, its source {len(expected)}")
        worst = max([worst, *(_difference(*pair) for pair in zip(names, expected, given, strict=True))])
    return Agreement(len(sizes), worst)


def _difference(name: str, expected: NDArray[Any], given: NDArray[Any]) -> float:
    if expected.shape != given.shape:
        raise ModelImportError(
            f"output '{name}' has shape {_shown(given.shape)} in ONNX and {_shown(expected.shape)} in the source"
        )
    want, got = expected.astype(np.float64), given.astype(np.float64)
    if not np.array_equal(np.isfinite(want), np.isfinite(got)):
        raise ModelImportError(f"output '{name}' is not finite where the source is, or the other way round")
    finite = np.isfinite(want)
    if not finite.any():
        return 0.0
    scale = max(float(np.abs(want[finite]).max()), 1e-6)
    difference = float(np.abs(want - got)[finite].max()) / scale
    if difference > TOLERANCE:
        raise ModelImportError(
            f"output '{name}' of the ONNX model differs from the source's by {difference:.1e} of its largest value "
            f"(allowed: {TOLERANCE:g}); --no-check writes it all the same"
        )
    return difference


def _shown(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"
