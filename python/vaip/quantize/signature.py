"""What a model takes: the inputs that calibration data and preflight checks are held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper

Dimension = int | str | None  # fixed, named, unknown


@dataclass(frozen=True)
class ModelInput:
    name: str
    dtype: np.dtype[Any]
    shape: tuple[Dimension, ...] | None  # None: not even the rank is declared

    def shown(self) -> str:
        dims = "any shape" if self.shape is None else "x".join("?" if d is None else str(d) for d in self.shape)
        return f"'{self.name}' ({dims or 'scalar'}, {self.dtype.name})"


def model_inputs(model: onnx.ModelProto) -> list[ModelInput]:
    """The graph's inputs without those that only give initializers a name."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return [_input(value) for value in model.graph.input if value.name not in constants]


def _input(value: onnx.ValueInfoProto) -> ModelInput:
    tensor = value.type.tensor_type
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type)) if tensor.elem_type else np.dtype(np.float32)
    if not tensor.HasField("shape"):
        return ModelInput(value.name, dtype, None)
    return ModelInput(value.name, dtype, tuple(_dimension(dim) for dim in tensor.shape.dim))


def _dimension(dim: onnx.TensorShapeProto.Dimension) -> Dimension:
    kind = dim.WhichOneof("value")
    if kind == "dim_value" and dim.dim_value > 0:
        return int(dim.dim_value)
    return dim.dim_param or None
