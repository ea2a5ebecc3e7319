"""Float and quantized models in a directory, made on first use: NETWORK.fp32.onnx, NETWORK.QUANTIZER.onnx."""

from __future__ import annotations

import os
from pathlib import Path

import onnx
from collection import FloatNetwork
from onnx import ModelProto
from quantizers import QUANTIZERS, name_nodes

CALIBRATION_INPUTS = 2


def float_model(network: str, source: FloatNetwork, directory: Path) -> Path:
    path = directory / f"{network}.fp32.onnx"
    if not path.exists():
        _save(source.build(), path)
    return path


def quantized_model(network: str, source: FloatNetwork, quantizer: str, directory: Path) -> Path:
    path = directory / f"{network}.{quantizer}.onnx"
    if path.exists():
        return path
    float_path = float_model(network, source, directory)
    model = onnx.load(float_path)
    calibration = [source.inputs(model, seed) for seed in range(CALIBRATION_INPUTS)]
    unfinished = path.with_suffix(".unfinished.onnx")
    try:
        QUANTIZERS[quantizer].run(float_path, unfinished, calibration)
        _save(name_nodes(onnx.load(unfinished)), path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def _save(model: ModelProto, path: Path) -> None:
    unfinished = path.with_suffix(f".{os.getpid()}")
    onnx.save(model, unfinished)
    unfinished.replace(path)
