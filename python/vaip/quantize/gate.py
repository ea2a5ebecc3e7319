"""The accuracy gate: stronger and stronger methods until a quantized model is good enough.

Rungs: the recipe as asked; other calibration methods; cross-layer equalization; fast finetuning (AdaRound, AdaQuant);
mixed precision for the most sensitive layers. Each builds on the best of those before. A rung costs more than the one
below, in tuning time first and in device time last, so the first that passes is the cheapest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vaip import onnx_files
from vaip.inputs import Arrays
from vaip.quantize import preflight
from vaip.quantize.calibration import CalibrationData
from vaip.quantize.errors import QuantizeError
from vaip.quantize.evaluation import Evaluation, Evaluator, Score
from vaip.quantize.recipe import PRECISIONS, Recipe
from vaip.quantize.sensitivity import Analysis
from vaip.quantize.static import quantize_static
from vaip.quantize.target import Target

Progress = Callable[[str, int, int], None]
_POWER_OF_TWO = ("minmse", "nonoverflow")
_FLOAT_SCALE = ("minmax", "percentile", "entropy")
_INTEGERS = ("int8", "uint8", "int16", "uint16")
# A score of at most 1 is a fraction; this much of it in `max_drop` means that percent were thought of.
_LARGE_DROP_OF_A_FRACTION = 0.1


@dataclass(frozen=True)
class Attempt:
    """One rung: a quantized model and how good it is, or why there is none."""

    recipe: Recipe
    seconds: float  # quantization, tuning and search; not the evaluation
    evaluation: Evaluation | None = None
    drop: float | None = None
    passed: bool = False
    error: str | None = None
    model: Path | None = field(default=None, repr=False)

    @property
    def method(self) -> str:
        return self.recipe.describe()

    def to_dict(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "recipe": self.recipe.to_dict(),
            "seconds": self.seconds,
            "drop": self.drop,
            "passed": self.passed,
            "error": self.error,
            "evaluation": self.evaluation.to_dict() if self.evaluation is not None else None,
        }


@dataclass(frozen=True)
class GateResult:
    path: Path
    float_score: float
    float_size_bytes: int
    max_drop: float
    attempts: tuple[Attempt, ...]
    kept: Attempt

    @property
    def passed(self) -> bool:
        return self.kept.passed

    @property
    def provider_options(self) -> dict[str, str]:
        """What a session of the kept model needs so that VitisAIEP takes all of its layers."""
        return {} if self.kept.evaluation is None else self.kept.evaluation.provider_options

    def to_dict(self) -> dict[str, Any]:
        return {
            "model": str(self.path),
            "passed": self.passed,
            "float_score": self.float_score,
            "float_size_bytes": self.float_size_bytes,
            "max_drop": self.max_drop,
            "kept": self.attempts.index(self.kept),
            "provider_options": self.provider_options,
            "attempts": [attempt.to_dict() for attempt in self.attempts],
        }


def climb(
    model: Path,
    output: Path,
    calibration: CalibrationData,
    recipe: Recipe,
    score: Score,
    max_drop: float,
    *,
    target: Target | None = None,
    dims: Mapping[str, int] | None = None,
    batches: Sequence[Arrays] | None = None,
    progress: Progress | None = None,
) -> GateResult:
    """Quantizes `model` into `output` by the cheapest method that loses at most `max_drop` of its score.

    If none does, the best is kept, and the result says that it has not passed. Agreement is measured on `batches`, by
    default the calibration data. Raises QuantizeError where the recipe itself cannot be followed.
    """
    preflight.check_writable(output)
    preflight.check_on_npu(recipe)
    if output.exists() and output.samefile(model):
        raise QuantizeError(f"{output}: is the model that is to be quantized; name another output")
    if max_drop < 0:
        raise QuantizeError(f"the drop must be at least 0, not {max_drop:g}")
    report: Progress = progress or (lambda step, done, total: None)
    with onnx_files.scratch_beside(output) as scratch:
        if dims:
            model = _with_dimensions(model, dims, scratch)
        report("evaluating the float model", 0, 0)
        evaluator = Evaluator(model, batches or calibration.batches, score, target)
        _check_units(evaluator.float_score, max_drop)
        climber = _Climber(model, scratch, output.name, calibration, evaluator, max_drop, report)
        for attempt in climber.rungs(recipe):
            if attempt.passed:
                break
        kept = climber.best
        assert kept.model is not None
        assert evaluator.float_score is not None
        onnx_files.move(kept.model, output)
    return GateResult(
        path=output,
        float_score=evaluator.float_score,
        float_size_bytes=evaluator.float_size_bytes,
        max_drop=max_drop,
        attempts=tuple(climber.attempts),
        kept=kept,
    )


def _with_dimensions(model: Path, dims: Mapping[str, int], directory: Path) -> Path:
    fixed = preflight.read_model(model)
    preflight.fix_dimensions(fixed, dims)
    path = directory / "float.onnx"
    onnx_files.save(fixed, path)
    return path


def _check_units(float_score: float | None, max_drop: float) -> None:
    if float_score is not None and 0 < float_score <= 1 and max_drop >= _LARGE_DROP_OF_A_FRACTION:
        raise QuantizeError(
            f"the float model's score is {float_score:.4g}, which reads as a fraction, and a drop of {max_drop:g} "
            f"would be {100 * max_drop / float_score:.0f} % of it: let the function return percent, or give the drop "
            "as a fraction, too (0.005 for half a point)"
        )


class _Climber:
    def __init__(
        self,
        model: Path,
        scratch: Path,
        file_name: str,
        calibration: CalibrationData,
        evaluator: Evaluator,
        max_drop: float,
        report: Progress,
    ) -> None:
        self.attempts: list[Attempt] = []
        self._model = model
        self._scratch = scratch
        self._file_name = file_name
        self._calibration = calibration
        self._evaluator = evaluator
        self._max_drop = max_drop
        self._report = report

    @property
    def best(self) -> Attempt:
        """The fastest of those that passed; before one has, that with the least drop."""
        passed = [attempt for attempt in self.attempts if attempt.passed]
        if passed:
            return min(passed, key=lambda a: a.evaluation.latency_us if a.evaluation is not None else 0.0)
        return min(
            (a for a in self.attempts if a.drop is not None), key=lambda a: a.drop if a.drop is not None else 0.0
        )

    def rungs(self, recipe: Recipe) -> Iterator[Attempt]:
        """Attempts, one after the other, for as long as somebody asks for the next."""
        yield self._quantized(recipe, required=True)
        base = recipe.base
        if recipe.quark_config is not None or not base.calibrated or base.activation not in _INTEGERS:
            return
        if recipe.calibration is None:
            for method in _other_methods(base.name):
                yield self._quantized(self.best.recipe.replace(calibration=method))
        if not recipe.cross_layer_equalization:
            yield self._quantized(self.best.recipe.replace(cross_layer_equalization=True))
        if not recipe.finetunes:
            before = self.best.recipe
            for method in ("adaround", "adaquant"):
                yield self._quantized(before.replace(fast_finetune=method))
        if base.activation in ("int8", "uint8") and not recipe.precisions:
            yield from self._mixed(self.best)

    def _quantized(self, recipe: Recipe, *, required: bool = False) -> Attempt:
        start = time.perf_counter()
        path = self._path()

        def report(step: str, done: int, total: int) -> None:
            self._report(f"{recipe.describe()}: {step}", done, total)

        try:
            quantize_static(self._model, path, self._calibration, recipe, progress=report)
        except QuantizeError as error:
            if required:
                raise
            return self._add(Attempt(recipe, time.perf_counter() - start, error=str(error)))
        return self._evaluated(recipe, path, time.perf_counter() - start)

    def _mixed(self, base: Attempt) -> Iterator[Attempt]:
        """1, 2, 4, ... of the most sensitive layers at each of the higher precisions."""
        start = time.perf_counter()
        assert base.model is not None
        self._report("finding the most sensitive layers", 0, 0)
        try:
            analysis = Analysis(self._model, base.model, self._calibration, base.recipe)
            ranking = [row.layer for row in analysis.ranking(self._report) if row.op != "input"]
        except QuantizeError as error:
            yield self._add(Attempt(base.recipe.replace(precisions={}), time.perf_counter() - start, error=str(error)))
            return
        search = time.perf_counter() - start
        for count in _doubling(len(ranking)):
            both = []
            for precision in PRECISIONS:
                start = time.perf_counter()
                recipe = base.recipe.replace(precisions=dict.fromkeys(ranking[:count], precision))
                path = self._path()
                onnx_files.save(analysis.raised(dict(recipe.precisions)), path)
                both.append(self._evaluated(recipe, path, base.seconds + search + time.perf_counter() - start))
            yield max(both, key=lambda attempt: attempt.passed)

    def _evaluated(self, recipe: Recipe, path: Path, seconds: float) -> Attempt:
        self._report(f"{recipe.describe()}: evaluating on VitisAIEP", 0, 0)
        evaluation = self._evaluator(path)
        drop = self._evaluator.drop(evaluation)
        assert drop is not None
        return self._add(Attempt(recipe, seconds, evaluation, drop, drop <= self._max_drop, model=path))

    def _add(self, attempt: Attempt) -> Attempt:
        self.attempts.append(attempt)
        return attempt

    def _path(self) -> Path:
        """In a directory of its own, under the output's name, which a file of weights beside it bears, too."""
        directory = self._scratch / str(len(self.attempts))
        directory.mkdir()
        return directory / self._file_name


def _other_methods(preset: str) -> tuple[str, ...]:
    """Beside the preset's own, which has been tried."""
    if preset.startswith(("XINT8", "VINT8")):
        return _POWER_OF_TWO[1:]
    own = "percentile" if "AAW" in preset or "ASWS" in preset else "minmax"
    return tuple(method for method in _FLOAT_SCALE if method != own)


def _doubling(count: int) -> list[int]:
    """1, 2, 4, ... and `count`."""
    steps = [1 << exponent for exponent in range(count.bit_length())]
    return sorted({*(step for step in steps if step < count), *([count] if count else [])})
