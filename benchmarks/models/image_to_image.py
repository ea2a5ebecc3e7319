"""Networks for exported.py that give an image back: segmentation, style transfer, super-resolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def keep_alive(network: nn.Module) -> None:
    """He initialization: PyTorch's own lets activations die out in deep networks without normalization."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight)


def twice(channels_in: int, channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for size in (channels_in, channels):
        layers += [nn.Conv2d(size, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    def __init__(self, width: int = 32, classes: int = 21) -> None:
        super().__init__()
        sizes = [width << level for level in range(5)]
        self.down = nn.ModuleList(twice(a, b) for a, b in zip([3, *sizes], sizes, strict=False))
        self.raise_ = nn.ModuleList(nn.ConvTranspose2d(2 * size, size, 2, 2) for size in reversed(sizes[:-1]))
        self.up = nn.ModuleList(twice(2 * size, size) for size in reversed(sizes[:-1]))
        self.head = nn.Conv2d(width, classes, 1)
        keep_alive(self)

    def forward(self, x: Tensor) -> Tensor:
        skipped = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else nn.functional.max_pool2d(x, 2))
            skipped.append(x)
        skipped.pop()
        for widen, block in zip(self.raise_, self.up, strict=True):
            x = block(torch.cat([skipped.pop(), widen(x)], dim=1))
        return self.head(x).argmax(dim=1)


class StyleLayer(nn.Module):
    def __init__(self, channels_in: int, channels: int, kernel: int, stride: int = 1, upsample: int = 1) -> None:
        super().__init__()
        self.upsample = upsample
        self.pad, self.conv = nn.ReflectionPad2d(kernel // 2), nn.Conv2d(channels_in, channels, kernel, stride)
        self.norm = nn.InstanceNorm2d(channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        if self.upsample > 1:
            x = nn.functional.interpolate(x, scale_factor=self.upsample, mode="nearest")
        return self.norm(self.conv(self.pad(x)))


class StyleTransfer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.front = nn.ModuleList([StyleLayer(3, 32, 9), StyleLayer(32, 64, 3, 2), StyleLayer(64, 128, 3, 2)])
        self.first = nn.ModuleList(StyleLayer(128, 128, 3) for _ in range(5))
        self.second = nn.ModuleList(StyleLayer(128, 128, 3) for _ in range(5))
        self.back = nn.ModuleList([StyleLayer(128, 64, 3, upsample=2), StyleLayer(64, 32, 3, upsample=2)])
        self.pad, self.last = nn.ReflectionPad2d(4), nn.Conv2d(32, 3, 9)
        keep_alive(self)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.front:
            x = torch.relu(layer(x))
        for first, second in zip(self.first, self.second, strict=True):
            x = x + second(torch.relu(first(x)))
        for layer in self.back:
            x = torch.relu(layer(x))
        return self.last(self.pad(x))


class Espcn(nn.Module):
    def __init__(self, factor: int = 3) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 64, 5, padding=2), nn.Conv2d(64, 32, 3, padding=1)
        self.third, self.shuffle = nn.Conv2d(32, factor * factor, 3, padding=1), nn.PixelShuffle(factor)

    def forward(self, x: Tensor) -> Tensor:
        return self.shuffle(self.third(torch.tanh(self.second(torch.tanh(self.first(x))))))
