"""How good a model is, and what it costs: the user's score, agreement with the float model, time on the device, size.

The float model runs on onnxruntime's CPU provider, a quantized one on VitisAIEP. The score is what a function of the
user says, `module:function`, called as function(session) or function(session, batches); more is better.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vaip.inputs import Arrays
from vaip.onnx_files import size_of
from vaip.python_objects import load_object
from vaip.quantize.errors import QuantizeError
from vaip.quantize.target import Target
from vaip.sessions import cpu_session

if TYPE_CHECKING:
    import onnxruntime

Outputs = Sequence[NDArray[Any]]
Score = Callable[[Any], float]  # of an InferenceSession


@dataclass(frozen=True)
class Agreement:
    """Outputs of a quantized model against the float model's on the same data."""

    sqnr_db: float | None  # of all outputs; None where they are equal or the float model's are all zero
    top1_percent: float | None  # rows with the same largest element; None without an output of rows and classes


@dataclass(frozen=True)
class Evaluation:
    score: float | None  # what the user's function says; None without one
    agreement: Agreement
    latency_us: float  # of one inference, of the part that the device runs
    size_bytes: int
    claimed_percent: float  # of the nodes, by VitisAIEP
    provider_options: dict[str, str] = field(default_factory=dict)  # with which it claims so many

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def load_score(reference: str, batches: Sequence[Arrays] = ()) -> Score:
    """The function that `module:function` names."""
    function = load_object(reference)
    if not callable(function):
        raise QuantizeError(f"'{reference}' is {type(function).__name__}, not a function")
    return as_score(function, reference, batches)


def as_score(function: Callable[..., Any], name: str, batches: Sequence[Arrays] = ()) -> Score:
    """`function` with the data bound that it asks for by a second parameter, and its result checked."""
    required = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    if len(required) not in (1, 2):
        raise QuantizeError(f"'{name}' takes {len(required)} arguments; (session) or (session, batches) are given")

    def score(session: onnxruntime.InferenceSession) -> float:
        value = function(session, batches) if len(required) == 2 else function(session)
        try:
            number = float(value)
        except (TypeError, ValueError) as error:
            raise QuantizeError(f"'{name}' must return a number, got {value!r}") from error
        if not math.isfinite(number):
            raise QuantizeError(f"'{name}' returned {number}: a score must be finite")
        return number

    return score


class Evaluator:
    """Evaluates quantized versions of one float model, whose score and outputs are computed once."""

    def __init__(
        self, float_model: Path, batches: Iterable[Arrays], score: Score | None = None, target: Target | None = None
    ) -> None:
        self.batches = list(batches)
        if not self.batches:
            raise QuantizeError("there is no data to compare the models on")
        self.target = target or Target()
        self._score = score
        session = cpu_session(float_model, threads=self.target.threads)
        self._one_inference = _one_inference(session, self.batches[0])
        self._reference = outputs_of(session, self.batches)
        self.float_score = score(session) if score is not None else None
        self.float_size_bytes = size_of(float_model)

    def agreement(self, session: onnxruntime.InferenceSession) -> Agreement:
        return compare(self._reference, outputs_of(session, self.batches))

    def score(self, session: onnxruntime.InferenceSession) -> float | None:
        return self._score(session) if self._score is not None else None

    def drop(self, evaluation: Evaluation) -> float | None:
        """What is lost of the float model's score."""
        if self.float_score is None or evaluation.score is None:
            return None
        return self.float_score - evaluation.score

    def __call__(self, model: Path) -> Evaluation:
        target, npu = self.target.fitted_to(model)
        agreement = self.agreement(npu.onnxruntime)
        nodes = npu.report().nodes
        return Evaluation(
            score=self.score(npu.onnxruntime),
            agreement=agreement,
            latency_us=target.latency_us(model, self._one_inference),
            size_bytes=size_of(model),
            claimed_percent=100.0 * nodes.ipu / nodes.total if nodes.total else 0.0,
            provider_options=dict(target.options),
        )


def outputs_of(session: onnxruntime.InferenceSession, batches: Iterable[Arrays]) -> list[Outputs]:
    return [session.run(None, batch) for batch in batches]


def compare(reference: Sequence[Outputs], actual: Sequence[Outputs]) -> Agreement:
    signal = noise = 0.0
    rows = same = 0
    for expected, got in zip(reference, actual, strict=True):
        for wanted, value in zip(expected, got, strict=True):
            wide = wanted.astype(np.float64)
            signal += float(np.sum(wide**2))
            noise += float(np.sum((value.astype(np.float64) - wide) ** 2))
        wanted, value = expected[0], got[0]
        if wanted.ndim == 2 and wanted.shape[1] > 1 and np.issubdtype(wanted.dtype, np.floating):
            rows += len(wanted)
            same += int(np.count_nonzero(np.argmax(wanted, axis=1) == np.argmax(value, axis=1)))
    return Agreement(sqnr_db(signal, noise), 100.0 * same / rows if rows else None)


def sqnr_db(signal: float, noise: float) -> float | None:
    """Signal to quantization noise, from sums of squares; None where it is no number."""
    return 10.0 * math.log10(signal / noise) if signal > 0 and noise > 0 else None


def _one_inference(session: onnxruntime.InferenceSession, batch: Arrays) -> Arrays:
    """The first sample of a batch where the model's first dimension is open: what a latency is predicted for."""
    declared = {value.name: value.shape for value in session.get_inputs()}
    return {
        name: array[:1] if array.ndim and not isinstance(declared[name][0], int) else array
        for name, array in batch.items()
    }
