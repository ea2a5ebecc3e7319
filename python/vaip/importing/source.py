"""What every kind of source becomes before it is cleaned and checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import onnx
from numpy.typing import NDArray

from vaip.inputs import Arrays

# The source's own outputs, in the order of the ONNX model's, for its inputs by the ONNX model's names.
Reference = Callable[[Arrays], list[NDArray[Any]]]


@dataclass
class Source:
    kind: str  # for people: "Keras model", "PyTorch module", ...
    framework: str  # and its version
    model: onnx.ModelProto
    reference: Reference

    def take_model(self) -> onnx.ModelProto:
        """For whoever replaces it step by step: a large one must not be in memory once more."""
        model, self.model = self.model, onnx.ModelProto()
        return model
