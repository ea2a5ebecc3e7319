"""Which layers of a model lose the accuracy when it is quantized, and what a higher precision of each would change.

Two questions about each layer:

- its own damage: the float model with this layer alone quantized (its constants and what it writes), against the float
  model, at the outputs. Comparing inner tensors of the two whole models would charge a layer for all before it.
- the what-if: the quantized model with this layer alone at 16 bit or bfloat16, on VitisAIEP: score and signal to noise
  gained, microseconds lost.

The layers are exchanged between the quantized model and its float twin (float_twin), so the quantizer runs twice, not
once per layer.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx

from vaip import onnx_files
from vaip.inputs import Arrays
from vaip.quantize import preflight
from vaip.quantize.calibration import CalibrationData
from vaip.quantize.errors import QuantizeError
from vaip.quantize.evaluation import Evaluation, Evaluator, Outputs, Score, compare, outputs_of
from vaip.quantize.float_twin import FloatTwin
from vaip.quantize.mixed_precision import MOVES, raised
from vaip.quantize.quantized_graph import Layer, QuantizedGraph
from vaip.quantize.recipe import PRECISIONS, Recipe
from vaip.quantize.static import quantize_static
from vaip.quantize.target import Target
from vaip.sessions import cpu_session

Progress = Callable[[str, int, int], None]
COMPARED_BATCHES = 16
WHAT_IF_LAYERS = 20
# Below, what is left of the float model is another network; the NPU's own forms of Sigmoid and pools stay above.
_LEAST_LIKENESS_DB = 10.0


@dataclass(frozen=True)
class WhatIf:
    """The quantized model with one layer at another precision."""

    precision: str
    score_gained: float | None  # None without a score
    sqnr_gained_db: float | None
    us_lost: float  # negative: it is faster so
    evaluation: Evaluation


@dataclass(frozen=True)
class LayerSensitivity:
    layer: str
    op: str  # of the layer's main node; "input" for what quantizing an input of the model costs
    sqnr_db: float | None  # None: quantizing it changes nothing
    what_if: tuple[WhatIf, ...] = ()


@dataclass(frozen=True)
class Sensitivity:
    """Layers with the most sensitive first."""

    recipe: Recipe
    float_score: float | None
    quantized: Evaluation
    layers: tuple[LayerSensitivity, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe.to_dict(),
            "float_score": self.float_score,
            "quantized": self.quantized.to_dict(),
            "layers": [asdict(layer) for layer in self.layers],
        }


class Analysis:
    """A quantized model and its float twin, whose layers are exchanged."""

    def __init__(self, model: Path, quantized: Path, calibration: CalibrationData, recipe: Recipe) -> None:
        self.graph = QuantizedGraph(onnx.load(quantized))
        if not self.graph.layers:
            raise QuantizeError(f"{recipe.describe()}: the quantized model has no layer with QuantizeLinear around it")
        self.twin = FloatTwin(model, calibration, recipe)
        self.batches: Sequence[Arrays] = calibration.batches[:COMPARED_BATCHES]
        self.ranges = self.twin.ranges(calibration)
        self._reference = self._run((), ())
        self._check(model)

    @property
    def layers(self) -> list[Layer]:
        """Those that compute: what only moves values has no damage of its own."""
        return [layer for layer in self.graph.layers if layer.op not in MOVES]

    def damage(self, constants: Iterable[str], activations: Iterable[str]) -> float | None:
        """SQNR of the float model with only these tensors quantized."""
        return compare(self._reference, self._run(constants, activations)).sqnr_db

    def ranking(self, progress: Progress | None = None) -> list[LayerSensitivity]:
        layers = self.layers
        inputs = {value.name for value in self.graph.model.graph.input} & set(self.graph.activations)
        found = [LayerSensitivity(name, "input", self.damage((), [name])) for name in sorted(inputs)]
        for index, layer in enumerate(layers):
            if progress is not None:
                progress(f"alone quantized: {layer.name}", index, len(layers))
            written = [layer.output] if layer.output is not None else []
            found.append(LayerSensitivity(layer.name, layer.op, self.damage(layer.constants, written)))
        return sorted(found, key=lambda row: math.inf if row.sqnr_db is None else row.sqnr_db)

    def raised(self, precisions: dict[str, str]) -> onnx.ModelProto:
        return raised(self.graph, self.twin, self.ranges, precisions)

    def _check(self, model: Path) -> None:
        source = outputs_of(cpu_session(model), self.batches)
        likeness = compare(source, self._reference).sqnr_db
        if likeness is not None and likeness < _LEAST_LIKENESS_DB:
            raise QuantizeError(
                f"the quantizer rewrites the network before it quantizes ({likeness:.0f} dB to the float model): what "
                "single layers lose cannot be told"
            )

    def _run(self, constants: Iterable[str], activations: Iterable[str]) -> list[Outputs]:
        model = self.twin.with_quantized(self.graph, constants, activations)
        # Unoptimized: every operator in float32 between its Q and DQ.
        return outputs_of(cpu_session(model, optimize=False), self.batches)


def layer_sensitivity(
    model: Path,
    calibration: CalibrationData,
    recipe: Recipe | None = None,
    *,
    score: Score | None = None,
    target: Target | None = None,
    precisions: Sequence[str] = PRECISIONS,
    what_if_layers: int = WHAT_IF_LAYERS,
    progress: Progress | None = None,
) -> Sensitivity:
    """Every layer's damage, and the what-ifs of the `what_if_layers` most sensitive ones at each of `precisions`."""
    recipe = recipe or Recipe()
    preflight.check_on_npu(recipe)
    report: Progress = progress or (lambda step, done, total: None)
    target = target or Target()
    with tempfile.TemporaryDirectory(prefix="vaip-") as directory:
        quantized = Path(directory) / "quantized.onnx"
        quantize_static(model, quantized, calibration, recipe, progress=report)
        report("finding the float model", 0, 0)
        analysis = Analysis(model, quantized, calibration, recipe)
        evaluate = Evaluator(model, analysis.batches, score, target)
        base = evaluate(quantized)
        rows = analysis.ranking(report)
        chosen = [row for row in rows if row.op != "input"][:what_if_layers]
        answers: dict[str, tuple[WhatIf, ...]] = {}
        for index, row in enumerate(chosen):
            report(f"what if: {row.layer}", index, len(chosen))
            answers[row.layer] = tuple(
                _what_if(analysis, evaluate, base, row.layer, precision, Path(directory)) for precision in precisions
            )
    layers = tuple(LayerSensitivity(r.layer, r.op, r.sqnr_db, answers.get(r.layer, ())) for r in rows)
    return Sensitivity(recipe, evaluate.float_score, base, layers)


def _what_if(
    analysis: Analysis, evaluate: Evaluator, base: Evaluation, layer: str, precision: str, directory: Path
) -> WhatIf:
    path = directory / "what_if.onnx"
    onnx_files.save(analysis.raised({layer: precision}), path)
    value = evaluate(path)
    return WhatIf(
        precision=precision,
        score_gained=_difference(value.score, base.score),
        sqnr_gained_db=_difference(value.agreement.sqnr_db, base.agreement.sqnr_db),
        us_lost=value.latency_us - base.latency_us,
        evaluation=value,
    )


def _difference(a: float | None, b: float | None) -> float | None:
    return a - b if a is not None and b is not None else None
