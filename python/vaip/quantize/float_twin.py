"""The float model that a quantizer has quantized: after its rewrites and equalization, before any rounding.

A quantizer does not keep it, but both tools can leave constants float with Q and DQ behind them. Its tensors have the
names of the quantized model's, so layers can be exchanged between the two.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from vaip.inputs import Arrays
from vaip.quantize.calibration import CalibrationData
from vaip.quantize.errors import QuantizeError
from vaip.quantize.quantized_graph import QuantizedGraph, Surgery
from vaip.quantize.recipe import Recipe
from vaip.quantize.static import quantize_static

# Only the outcome's names and weights matter; but for SmoothQuant, scales are chosen from a single batch.
_FLOAT_CONSTANTS = {"AddQDQPairToWeight": True}


class FloatTwin:
    def __init__(self, model: Path, calibration: CalibrationData, recipe: Recipe) -> None:
        if recipe.quark_config is not None:
            raise QuantizeError(
                "layers can be exchanged where a preset says how to quantize, not a Quark configuration"
            )
        plain = recipe.replace(
            preset=recipe.preset.removesuffix("_ADAROUND").removesuffix("_ADAQUANT").replace("_ACCURATE", "_DEFAULT"),
            fast_finetune=None,
            precisions={},
            extra_options={**recipe.extra_options, **_FLOAT_CONSTANTS},
        )
        batches = calibration.batches if recipe.smooth_quant is not None else calibration.batches[:1]
        with tempfile.TemporaryDirectory(prefix="vaip-") as directory:
            path = Path(directory) / "pairs.onnx"
            quantize_static(model, path, CalibrationData(batches), plain)
            self.graph = QuantizedGraph(onnx.load(path))
        self.constants = {
            name: value for name in self.graph.constants if (value := _float_value(self.graph, name)) is not None
        }

    def constant(self, name: str) -> NDArray[Any]:
        """The float value of a constant of the quantized model."""
        if name not in self.constants:
            raise QuantizeError(f"the quantizer keeps no float value of '{name}'; exclude its layer instead")
        return self.constants[name]

    def with_quantized(self, quantized: QuantizedGraph, constants: Iterable[str], activations: Iterable[str]) -> Any:
        """The float model with these tensors quantized as in `quantized`: a model."""
        kept_constants, kept_activations = set(constants), set(activations)
        surgery = Surgery(quantized)
        for name in quantized.constants:
            if name not in kept_constants and name in self.constants:
                surgery.float_constant(name, self.constants[name])
        for name in quantized.activations:
            if name not in kept_activations:
                surgery.float_activation(name)
        return surgery.result()

    def ranges(self, batches: Iterable[Arrays]) -> dict[str, tuple[float, float]]:
        """Least and largest value of every activation that is quantized, in the float model."""
        from vaip.sessions import cpu_session

        model = self.with_quantized(self.graph, (), ())
        names = list(self.graph.activations)
        # Found in the graph: all activations of a batch at once may be gigabytes.
        ends = [(name, f"{name}/{op}", op) for name in names for op in ("ReduceMin", "ReduceMax")]
        model.graph.node.extend(helper.make_node(op, [name], [end], keepdims=0) for name, end, op in ends)
        model.graph.output.extend(onnx.ValueInfoProto(name=end) for _, end, _ in ends)
        session = cpu_session(model)
        found = dict.fromkeys(names, (0.0, 0.0))
        for batch in batches:
            values = iter(session.run([end for _, end, _ in ends], batch))
            for name, low, high in zip(names, values, values, strict=True):
                found[name] = (min(found[name][0], float(low)), max(found[name][1], float(high)))
        return found


def _float_value(graph: QuantizedGraph, name: str) -> NDArray[Any] | None:
    constant = graph.constants[name]
    if constant.quantize is not None:
        return graph.value(constant.quantize.input[0])
    stored = graph.value(constant.dequantize.input[0])
    if stored.dtype != np.int32:  # a bias of 32 bits is as good as float
        return None
    return (stored * graph.scale(name).astype(np.float64)).astype(np.float32)
