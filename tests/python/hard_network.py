"""A digit classifier that is hard to quantize: depthwise layers, and channels whose ranges differ by a factor of 1000.

It is trained as any network is; then each pair of layers with only a ReLU between gets its channels rescaled, times s in
the first and divided by s in the second, which changes nothing of what the network computes in float32 and leaves few of
the 256 steps of a per-tensor scale to most channels.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="needs the extra: pip install 'vaip[torch]'")
pytest.importorskip("sklearn", reason="needs the extra: pip install 'vaip[train]'")

from sklearn.datasets import load_digits
from torch import nn

SEED = 7
HELD_OUT = 600
EPOCHS = 25
MAGNITUDES = 3.0  # of the channels' ranges, as powers of ten

Array = NDArray[np.float32]


class HardNet(nn.Module):
    """8x8 digits: three depthwise-separable blocks behind a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, padding=1)
        self.depthwise1 = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.pointwise1 = nn.Conv2d(16, 32, 1)
        self.depthwise2 = nn.Conv2d(32, 32, 3, stride=2, padding=1, groups=32)
        self.pointwise2 = nn.Conv2d(32, 48, 1)
        self.depthwise3 = nn.Conv2d(48, 48, 3, padding=1, groups=48)
        self.pointwise3 = nn.Conv2d(48, 64, 1)
        self.relus = nn.ModuleList(nn.ReLU() for _ in range(7))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(64, 10)

    def convolutions(self) -> list[nn.Conv2d]:
        return [layer for layer in self.children() if isinstance(layer, nn.Conv2d)]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = image
        for layer, relu in zip(self.convolutions(), self.relus, strict=True):
            x = relu(layer(x))
        return self.classifier(torch.flatten(self.pool(x), 1))


def digits() -> tuple[Array, NDArray[np.int64], Array, NDArray[np.int64]]:
    """Training images and labels, held-out images and labels; images are N x 1 x 8 x 8 in 0..1."""
    data = load_digits()
    images = (data.images[:, np.newaxis] / 16).astype(np.float32)
    labels = data.target.astype(np.int64)
    order = np.random.default_rng(SEED).permutation(len(images))
    held_out, training = order[:HELD_OUT], order[HELD_OUT:]
    return images[training], labels[training], images[held_out], labels[held_out]


def fit(model: nn.Module, images: Array, labels: NDArray[np.int64], epochs: int, rate: float) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    steps = epochs * (len(images) // 32)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    order = np.random.default_rng(SEED)
    for _ in range(epochs):
        shuffled = order.permutation(len(images))
        for first in range(0, len(images) - 31, 32):
            rows = shuffled[first : first + 32]
            loss = nn.functional.cross_entropy(model(torch.from_numpy(images[rows])), torch.from_numpy(labels[rows]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def spread_ranges(model: HardNet, magnitudes: float = MAGNITUDES) -> None:
    """Rescales the channels between all neighbouring convolutions; the network computes what it did."""
    random = np.random.default_rng(SEED)
    layers = model.convolutions()
    with torch.no_grad():
        for first, second in zip(layers, layers[1:], strict=False):
            exponents = random.permutation(np.linspace(-magnitudes / 2, magnitudes / 2, first.out_channels))
            scale = torch.from_numpy((10.0**exponents).astype(np.float32))
            first.weight *= scale[:, None, None, None]
            first.bias *= scale
            along = (slice(None), None) if second.groups > 1 else (None, slice(None))
            second.weight /= scale[(*along, None, None)]


def trained() -> HardNet:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    images, labels, *_ = digits()
    model = HardNet()
    fit(model, images, labels, EPOCHS, 5e-3)
    spread_ranges(model)
    return model.eval()


def export(model: nn.Module, path: Path) -> None:
    torch.onnx.export(
        model,
        (torch.zeros(1, 1, 8, 8),),
        path,
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )


def accuracy_of(run: Callable[[Array], Array], images: Array, labels: NDArray[np.int64]) -> float:
    """In percent."""
    return 100.0 * float(np.mean(np.argmax(run(images), axis=1) == labels))
