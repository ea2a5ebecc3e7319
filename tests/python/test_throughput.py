"""What a run gets through, by the shapes of its inputs."""

from __future__ import annotations

import numpy as np
import pytest
from vaip.throughput import Work, work_of


@pytest.mark.parametrize(
    ("inputs", "work"),
    [
        ({"ids": np.zeros((2, 128), np.int64), "mask": np.zeros((2, 128), np.int64)}, Work(256, "token")),
        ({"pixels": np.zeros((3, 3, 8, 8), np.float32)}, Work(3, "image")),
        ({"pixels": np.zeros((1, 3, 8, 8), np.float32), "ids": np.zeros((1, 7), np.int32)}, Work(7, "token")),
        ({"features": np.zeros((4, 10), np.float32)}, Work(1, "inference")),
        ({}, Work(1, "inference")),
    ],
)
def test_work(inputs: dict[str, np.ndarray], work: Work) -> None:
    assert work_of(inputs) == work


def test_rate() -> None:
    assert Work(128, "token").per_second(latency_ms=4.0) == 32_000
