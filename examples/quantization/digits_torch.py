"""Trains a digit classifier in PyTorch: python digits_torch.py writes its weights, digits.pt.

`vaip import` makes the network with make_net() and loads these weights; `vaip quantize` takes calibration() as its data
and accuracy() as what counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from vaip.demo.digits import held_out_images, training_images

EPOCHS = 15
BATCH = 32


class DigitsNet(nn.Module):
    """Convolutions, a depthwise-separable residual block, pooling, a classifier; 8x8 images with one channel."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.widen = nn.Conv2d(16, 32, 3, padding=1)
        self.depthwise = nn.Conv2d(32, 32, 3, padding=1, groups=32)
        self.pointwise = nn.Conv2d(32, 32, 1)
        self.last = nn.Conv2d(32, 48, 3, padding=1)
        self.classifier = nn.Linear(48, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.widen(self.stem(image)))
        x = torch.relu(x + self.pointwise(torch.relu(self.depthwise(x))))
        x = torch.relu(self.last(torch.max_pool2d(x, 2)))
        return self.classifier(x.mean(dim=(2, 3)))


def make_net() -> DigitsNet:
    return DigitsNet()


def calibration() -> Iterator[dict[str, np.ndarray]]:
    """256 of the training images, in batches as the model takes them."""
    images, _ = training_images()
    for first in range(0, 256, BATCH):
        yield {"image": images[first : first + BATCH]}


def calibration_one_by_one() -> Iterator[dict[str, np.ndarray]]:
    """The same for a model whose batch is fixed to one image."""
    for batch in calibration():
        for image in batch["image"]:
            yield {"image": image[np.newaxis]}


def accuracy(session: Any) -> float:
    """Percent of the held-out images that a session of onnxruntime classifies right."""
    images, labels = held_out_images()
    logits = session.run(None, {"image": images})[0]
    return 100 * float(np.mean(logits.argmax(axis=1) == labels))


def train() -> DigitsNet:
    torch.manual_seed(0)
    images, labels = (torch.from_numpy(array) for array in training_images())
    net = make_net()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * (len(images) // BATCH))
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(images))[: len(images) // BATCH * BATCH].split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images[rows]), labels[rows].long()).backward()
            optimizer.step()
            schedule.step()
    return net.eval()


if __name__ == "__main__":
    net = train()
    torch.save(net.state_dict(), "digits.pt")
    images, labels = held_out_images()
    with torch.no_grad():
        right = net(torch.from_numpy(images)).argmax(1).numpy() == labels
    print(f"digits.pt: {100 * right.mean():.2f} % of the held-out images")
