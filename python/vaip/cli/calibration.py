"""The options of calibration data, which every command that quantizes has, and the data that they name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import onnx
import typer

from vaip.quantize import CalibrationData, Preprocessing
from vaip.quantize.recipe import CALIBRATION_METHODS

CALIB = typer.Option(help="Calibration data: a folder of images, a .npz or .npy file, or module:object.")
PreprocessOption = Annotated[
    list[str],
    typer.Option(
        metavar="KEY=VALUE|FILE.json",
        help="Of images: resize, crop, scale, mean, std, channels (rgb, bgr, gray), layout (nchw, nhwc).",
    ),
]
BatchSizeOption = Annotated[int, typer.Option(min=1, help="Of the data, where the model's batch is dynamic.")]
LimitOption = Annotated[int | None, typer.Option(min=1, help="So many samples of the data, chosen by --seed.")]
PresetOption = Annotated[str, typer.Option(help="How to quantize; vaip quantize --presets lists them.")]
MethodOption = Annotated[
    str | None, typer.Option("--method", help=f"Calibration method: {', '.join(CALIBRATION_METHODS)}.")
]
EqualizeOption = Annotated[bool, typer.Option("--cle", help="Equalize the ranges of channels across layers first.")]


def read_calibration(
    source: str,
    model: Path | onnx.ModelProto,
    preprocess: Sequence[str],
    *,
    batch_size: int,
    limit: int | None,
    seed: int,
) -> CalibrationData:
    images = Preprocessing.parse(preprocess) if preprocess else None
    return CalibrationData.load(source, model, preprocessing=images, batch_size=batch_size, limit=limit, seed=seed)
