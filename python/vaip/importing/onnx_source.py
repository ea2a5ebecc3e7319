"""ONNX models as a source, and what they compute."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray

from vaip.importing.errors import ModelImportError
from vaip.importing.names import name_outputs
from vaip.importing.source import Source
from vaip.inputs import Arrays
from vaip.onnx_files import opset_of
from vaip.sessions import cpu_session


def from_onnx(path: Path, outputs: Sequence[str]) -> Source:
    try:
        model = onnx.load(path)
    except Exception as error:
        raise ModelImportError(f"{path}: cannot be read as an ONNX model: {' '.join(str(error).split())}") from error
    try:
        session = cpu_session(path, optimize=False)
    except Exception as error:
        raise ModelImportError(f"{path}: onnxruntime does not load it: {' '.join(str(error).split())[:400]}") from error

    def reference(arrays: Arrays) -> list[NDArray[Any]]:
        return list(session.run(None, arrays))

    if outputs:
        name_outputs(model, outputs)
    return Source("ONNX model", f"opset {opset_of(model)}", model, reference)
