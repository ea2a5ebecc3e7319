"""Static quantization: checks, the tool that the recipe needs, and an output that is there whole or not at all."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray

from vaip import onnx_files
from vaip.quantize import onnxruntime_backend, preflight
from vaip.quantize.calibration import CalibrationData
from vaip.quantize.errors import QuantizeError
from vaip.quantize.recipe import Recipe
from vaip.quantize.signature import model_inputs
from vaip.quantize.target import session_options

Progress = Callable[[str, int, int], None]  # step, done, all


@dataclass(frozen=True)
class QuantizationResult:
    path: Path
    size_bytes: int  # with its file of weights where there is one
    source_size_bytes: int
    seconds: float
    tool: str  # quark or onnxruntime
    recipe: Recipe
    batches: int  # of calibration data

    @cached_property
    def provider_options(self) -> dict[str, str]:
        """Session options with which VitisAIEP takes the most of the model: found out by making sessions."""
        return session_options(self.path)

    def to_dict(self) -> dict[str, Any]:
        return {
            "model": str(self.path),
            "size_bytes": self.size_bytes,
            "source_size_bytes": self.source_size_bytes,
            "seconds": self.seconds,
            "tool": self.tool,
            "calibration_batches": self.batches,
            "recipe": self.recipe.to_dict(),
        }


def quantize_static(
    model: str | os.PathLike[str],
    output: str | os.PathLike[str],
    calibration: CalibrationData | Iterable[Mapping[str, NDArray[Any]]] | None = None,
    recipe: Recipe | str = "XINT8",
    *,
    dims: Mapping[str, int] | None = None,
    progress: Progress | None = None,
) -> QuantizationResult:
    """Quantizes the model as the recipe (or the preset of that name) says.

    `dims` fixes named dynamic dimensions. Presets without calibrated scales need no calibration data. Raises
    QuantizeError where the model, the data or the recipe cannot be used; then there is no output file.
    """
    start = time.perf_counter()
    recipe = Recipe(recipe) if isinstance(recipe, str) else recipe
    source, target = Path(model), Path(output)
    preflight.check_writable(target)
    if target.exists() and source.exists() and target.samefile(source):
        raise QuantizeError(f"{target}: is the model that is to be quantized; name another output")
    proto = preflight.read_model(source)
    preflight.fix_dimensions(proto, dims or {})
    preflight.check_model(proto, recipe)
    data = _checked(calibration, proto, recipe)
    tool = choose_tool(recipe)
    # The tools write into a directory of their own under the final name, which a file of weights bears, too.
    with onnx_files.scratch_beside(target) as scratch:
        prepared, written = scratch / "source" / "float.onnx", scratch / "result" / target.name
        prepared.parent.mkdir()
        written.parent.mkdir()
        external = onnx_files.is_large(proto)
        onnx_files.save(proto, prepared)
        del proto  # a tool reads it again
        report = progress or (lambda step, done, total: None)
        if tool == "quark":
            from vaip.quantize import quark_backend

            quark_backend.quantize(prepared, written, data, recipe, report, external=external)
        else:
            onnxruntime_backend.quantize(prepared, written, data, recipe, report, external=external)
        if not written.is_file():
            raise QuantizeError("the quantizer ended without a model")
        files = onnx_files.move(written, target)
    return QuantizationResult(
        path=target,
        size_bytes=sum(file.stat().st_size for file in files),
        source_size_bytes=onnx_files.size_of(source),
        seconds=time.perf_counter() - start,
        tool=tool,
        recipe=recipe,
        batches=0 if data is None else len(data),
    )


def choose_tool(recipe: Recipe) -> str:
    """The tool that the recipe names; else Quark where it is installed, or onnxruntime where that suffices."""
    reason = onnxruntime_backend.unable(recipe)
    if recipe.tool == "onnxruntime":
        if reason:
            raise QuantizeError(f"onnxruntime.quantization cannot do this: {reason}; use the tool quark")
        return "onnxruntime"
    if importlib.util.find_spec("quark") is not None:
        return "quark"
    if recipe.tool == "quark" or reason:
        why = reason or "the recipe names it"
        raise QuantizeError(f"AMD Quark is needed ({why}) and not installed: pip install 'vaip[quark]'")
    return "onnxruntime"


def _checked(
    calibration: CalibrationData | Iterable[Mapping[str, NDArray[Any]]] | None,
    model: onnx.ModelProto,
    recipe: Recipe,
) -> CalibrationData | None:
    if calibration is None:
        if needs_data(recipe):
            raise QuantizeError(
                f"{recipe.describe()} needs calibration data: a folder of images, .npz, .npy or module:object"
            )
        return None
    data = calibration if isinstance(calibration, CalibrationData) else CalibrationData(calibration)
    data.check(model_inputs(model))
    return data


def needs_data(recipe: Recipe) -> bool:
    if recipe.quark_config is not None:  # it may ask for random data; Quark says so where it does not
        return False
    return recipe.base.calibrated or recipe.finetunes or recipe.smooth_quant is not None or bool(recipe.precisions)
