"""Recipes for onnxruntime.quantization, which is always there: float scales, native Q/DQ."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from onnxruntime.quantization import CalibrationDataReader

from vaip.inputs import Arrays
from vaip.quantize.calibration import CalibrationData
from vaip.quantize.console import quiet
from vaip.quantize.errors import QuantizeError, missing
from vaip.quantize.recipe import Recipe, Subgraph

Progress = Callable[[str, int, int], None]
_METHODS = {"minmax": "MinMax", "percentile": "Percentile", "entropy": "Entropy", "distribution": "Distribution"}
_TYPES = {"int8": "QInt8", "uint8": "QUInt8", "int16": "QInt16", "uint16": "QUInt16"}
_SYMMETRIC = ("A8W8", "A16W8", "S16S8_ASWS")
_PERCENTILE = {
    "S8S8_AAWS": 99.9999,
    "U8S8_AAWS": 99.999,
    "U8U8_AAWA": 99.999,
    "S16S8_ASWS": 99.999,
    "U16S8_AAWS": 99.999,
}


class Reader(CalibrationDataReader):  # type: ignore[misc]
    """Calibration data as both tools take it, counting for the progress bar."""

    def __init__(self, data: CalibrationData, progress: Progress) -> None:
        self._data = data
        self._progress = progress
        self.rewind()

    def __len__(self) -> int:
        return len(self._data)

    def rewind(self) -> None:
        self._rest = iter(enumerate(self._data))

    def get_next(self) -> Arrays | None:
        index, batch = next(self._rest, (len(self._data), None))
        self._progress("calibrating", index, len(self._data))
        return batch


def unable(recipe: Recipe) -> str | None:
    """Why onnxruntime cannot follow the recipe; None if it can."""
    if recipe.quark_config is not None:
        return "a Quark configuration is given"
    if not recipe.base.onnxruntime:
        return f"onnxruntime has no {recipe.preset}"
    asked = {
        "cross-layer equalization": recipe.cross_layer_equalization,
        "fast finetuning": recipe.fast_finetune is not None,
        "SmoothQuant": recipe.smooth_quant is not None,
        "mixed precision": bool(recipe.precisions),
        f"calibration by {recipe.calibration}": recipe.calibration is not None and recipe.calibration not in _METHODS,
        "excluding by subgraph or pattern": any(
            isinstance(item, Subgraph) or item.startswith("^") for item in recipe.exclude
        ),
    }
    return next((f"onnxruntime has no {what}" for what, wanted in asked.items() if wanted), None)


def quantize(
    source: Path, output: Path, data: CalibrationData | None, recipe: Recipe, progress: Progress, *, external: bool
) -> None:
    from onnxruntime.quantization.shape_inference import quant_pre_process

    progress("preparing", 0, 0)
    prepared = source.with_name("prepared.onnx")
    try:
        # It takes a file of weights in the current directory for one that it would overwrite.
        with quiet(progress), contextlib.chdir(output.parent):
            quant_pre_process(source, prepared, skip_symbolic_shape=True, save_as_external_data=external)
            if recipe.preset == "UINT8_DYNAMIC_QUANT":
                _dynamic(prepared, output, recipe, external)
            elif recipe.preset == "MATMUL_NBITS":
                _four_bits(source, output, recipe, external)
            else:
                _static(prepared, output, data, recipe, progress, external)
    except QuantizeError:
        raise
    except Exception as error:
        raise QuantizeError(f"onnxruntime.quantization failed: {error or type(error).__name__}") from error


def _static(
    source: Path, output: Path, data: CalibrationData | None, recipe: Recipe, progress: Progress, external: bool
) -> None:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    assert data is not None  # every preset that comes here is calibrated
    base = recipe.base
    method = recipe.calibration or ("percentile" if recipe.preset in _PERCENTILE else "minmax")
    options: dict[str, Any] = {
        "ActivationSymmetric": recipe.preset in _SYMMETRIC,
        "WeightSymmetric": base.weight.startswith("int"),
        "ForceQuantizeNoInputCheck": True,
        "CalibMovingAverage": recipe.preset.endswith("_TRANSFORMER_DEFAULT") and method == "minmax",
    }
    if method == "percentile":
        options["CalibPercentile"] = recipe.percentile or _PERCENTILE.get(recipe.preset, 99.999)
    options |= recipe.extra_options
    quantize_static(
        source,
        output,
        Reader(data, progress),
        quant_format=QuantFormat.QDQ,
        per_channel=bool(recipe.per_channel),
        activation_type=QuantType[_TYPES[base.activation]],
        weight_type=QuantType[_TYPES[base.weight]],
        nodes_to_exclude=list(recipe.exclude),
        use_external_data_format=external,
        calibrate_method=CalibrationMethod[_METHODS[method]],
        extra_options=options,
    )


def _dynamic(source: Path, output: Path, recipe: Recipe, external: bool) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        source,
        output,
        per_channel=bool(recipe.per_channel),
        weight_type=QuantType.QUInt8,
        nodes_to_exclude=list(recipe.exclude),
        use_external_data_format=external,
        extra_options=dict(recipe.extra_options),
    )


def _four_bits(source: Path, output: Path, recipe: Recipe, external: bool) -> None:
    """Blocks of 32 along the reduction. Not prepared: that would make Gemm of MatMul and Add, which is passed by."""
    try:
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
    except ImportError as error:
        raise missing("quark", error) from error
    import onnx

    quantizer = MatMulNBitsQuantizer(
        onnx.load(source), block_size=32, is_symmetric=True, nodes_to_exclude=list(recipe.exclude)
    )
    quantizer.process()
    quantizer.model.save_model_to_file(str(output), external)
