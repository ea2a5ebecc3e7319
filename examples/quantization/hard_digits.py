"""A digit classifier that is hard to quantize: python hard_digits.py trains it and writes its weights, hard_digits.pt.

Depthwise layers, and channels whose ranges differ by a factor of 1000. It is trained as any network; then the channels
between neighbouring layers are rescaled, times s in the first layer and divided by s in the second. In float32 that
changes nothing; of the 256 steps of one scale per tensor it leaves few to most channels.

`vaip import` makes the network with make_net(); `vaip quantize --eval` judges by accuracy() and `vaip qat` trains by
finetune().
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn
from vaip.demo.digits import held_out_images, training_images

SEED = 7
BATCH = 32
MAGNITUDES = 3.0  # of the channels' ranges between convolutions, as powers of ten
POOLED_MAGNITUDES = 2.5  # of those before the pool, through which equalization does not look


class HardNet(nn.Module):
    """Three depthwise-separable blocks behind a convolution; 8x8 images with one channel."""

    def __init__(self, *, norms: bool = False) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, padding=1)
        self.depthwise1 = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.pointwise1 = nn.Conv2d(16, 32, 1)
        self.depthwise2 = nn.Conv2d(32, 32, 3, stride=2, padding=1, groups=32)
        self.pointwise2 = nn.Conv2d(32, 48, 1)
        self.depthwise3 = nn.Conv2d(48, 48, 3, padding=1, groups=48)
        self.pointwise3 = nn.Conv2d(48, 64, 1)
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(layer.out_channels) if norms else nn.Identity() for layer in self.convolutions()
        )
        self.relus = nn.ModuleList(nn.ReLU() for _ in self.norms)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(64, 10)

    def convolutions(self) -> list[nn.Conv2d]:
        return [layer for layer in self.children() if isinstance(layer, nn.Conv2d)]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = image
        for layer, norm, relu in zip(self.convolutions(), self.norms, self.relus, strict=True):
            x = relu(norm(layer(x)))
        return self.classifier(torch.flatten(self.pool(x), 1))


def make_net() -> HardNet:
    return HardNet()


def calibration() -> Iterator[dict[str, np.ndarray]]:
    """128 of the training images, one by one."""
    images, _ = training_images()
    for first in range(128):
        yield {"image": images[first : first + 1]}


def accuracy(session: Any) -> float:
    """Percent of the held-out images that a session of onnxruntime classifies right."""
    images, labels = held_out_images()
    logits = session.run(None, {"image": images})[0]
    return 100 * float(np.mean(logits.argmax(axis=1) == labels))


def finetune(net: nn.Module) -> None:
    """What `vaip qat` calls with the quantized network: a few epochs at a small learning rate."""
    fit(net, epochs=3, rate=1e-4)


def fit(net: nn.Module, epochs: int, rate: float) -> None:
    images, labels = training_images()
    steps = len(images) // BATCH
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * steps)
    order = np.random.default_rng(SEED)
    for _ in range(epochs):
        for rows in order.permutation(len(images))[: steps * BATCH].reshape(steps, BATCH):
            dy, dx = order.integers(-1, 2, size=2)
            padded = np.pad(images[rows], ((0, 0), (0, 0), (1, 1), (1, 1)))
            moved = np.ascontiguousarray(np.roll(padded, (dy, dx), (2, 3))[:, :, 1:9, 1:9])
            logits = net(torch.from_numpy(moved))
            optimizer.zero_grad()
            nn.functional.cross_entropy(logits, torch.from_numpy(labels[rows].astype(np.int64))).backward()
            optimizer.step()
            schedule.step()


def without_norms(net: HardNet) -> HardNet:
    """The trained network with its normalizations folded into the convolutions."""
    folded = make_net().eval()
    for layer, trained, norm in zip(folded.convolutions(), net.convolutions(), net.norms, strict=True):
        layer.load_state_dict(nn.utils.fuse_conv_bn_eval(trained, norm).state_dict())
    folded.classifier.load_state_dict(net.classifier.state_dict())
    return folded


def spread_ranges(net: HardNet) -> None:
    random = np.random.default_rng(SEED)
    layers = [*net.convolutions(), net.classifier]
    with torch.no_grad():
        for first, second in pairwise(layers):
            magnitudes = POOLED_MAGNITUDES if second is net.classifier else MAGNITUDES
            exponents = random.permutation(np.linspace(-magnitudes / 2, magnitudes / 2, first.out_channels))
            scale = torch.from_numpy((10.0**exponents).astype(np.float32))
            first.weight *= scale[:, None, None, None]
            first.bias *= scale
            if second is net.classifier:
                second.weight /= scale
            elif second.groups > 1:
                second.weight /= scale[:, None, None, None]
            else:
                second.weight /= scale[:, None, None]


def train() -> HardNet:
    torch.manual_seed(SEED)
    net = HardNet(norms=True)
    fit(net, epochs=30, rate=5e-3)
    hard = without_norms(net.eval())
    spread_ranges(hard)
    return hard


if __name__ == "__main__":
    torch.set_num_threads(1)
    net = train()
    torch.save(net.state_dict(), "hard_digits.pt")
    images, labels = held_out_images()
    with torch.no_grad():
        right = net(torch.from_numpy(images)).argmax(1).numpy() == labels
    print(f"hard_digits.pt: {100 * right.mean():.2f} % of the held-out images")
