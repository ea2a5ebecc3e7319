"""What a run gets through: images, tokens or just inferences, by the shapes of its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Work:
    """So many of `unit` ("image", "token" or "inference") in one run."""

    count: int
    unit: str

    def per_second(self, latency_ms: float) -> float:
        return self.count / latency_ms * 1e3


def work_of(inputs: Mapping[str, NDArray[np.generic]]) -> Work:
    """Tokens where an input is a matrix of integers (batch x sequence); images where one has four dimensions."""
    tokens = [x.size for x in inputs.values() if x.ndim == 2 and x.dtype.kind in "iu"]
    if tokens:
        return Work(max(tokens), "token")
    images = [x.shape[0] for x in inputs.values() if x.ndim == 4]
    return Work(max(images), "image") if images else Work(1, "inference")
