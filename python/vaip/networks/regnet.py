"""RegNetX and RegNetY (Radosavovic et al. 2020), as torchvision has them: widths follow a quantized linear function."""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

import numpy as np

from vaip.networks.graph import GraphBuilder, Tensor, make_divisible


class Design(NamedTuple):
    depth: int
    initial_width: int
    slope: float
    quantization: float
    group_width: int
    squeeze: float = 0.0  # RegNetY: squeezed channels over a block's input channels


DESIGNS = {
    "regnet_x_400mf": Design(22, 24, 24.48, 2.54, 16),
    "regnet_x_800mf": Design(16, 56, 35.73, 2.28, 16),
    "regnet_x_1_6gf": Design(18, 80, 34.01, 2.25, 24),
    "regnet_x_3_2gf": Design(25, 88, 26.31, 2.25, 48),
    "regnet_y_400mf": Design(16, 48, 27.89, 2.09, 8, 0.25),
    "regnet_y_800mf": Design(14, 56, 38.84, 2.4, 16, 0.25),
    "regnet_y_1_6gf": Design(27, 48, 20.71, 2.65, 24, 0.25),
    "regnet_y_3_2gf": Design(21, 80, 42.63, 2.66, 24, 0.25),
}


def regnet(g: GraphBuilder, x: Tensor) -> list[Tensor]:
    design = DESIGNS[g.name]
    x = g.relu(g.conv(x, 32, 3, 2))
    for stage, (width, blocks) in enumerate(_stages(design)):
        for block in range(blocks):
            with g.scope(f"stage{stage + 1}.{block}"):
                x = _block(g, x, width, 2 if block == 0 else 1, design)
    return [g.classifier(x)]


def _stages(design: Design) -> list[tuple[int, int]]:
    """Width and number of blocks of each stage."""
    continuous = np.arange(design.depth) * design.slope + design.initial_width
    exponents = np.round(np.log(continuous / design.initial_width) / np.log(design.quantization))
    widths = np.round(design.initial_width * design.quantization**exponents / 8) * 8
    stages = [(int(width), len(list(blocks))) for width, blocks in groupby(widths)]
    return [(make_divisible(width, min(design.group_width, width)), blocks) for width, blocks in stages]


def _block(g: GraphBuilder, x: Tensor, width: int, stride: int, design: Design) -> Tensor:
    y = g.relu(g.conv(x, width))
    y = g.relu(g.conv(y, width, 3, stride, groups=width // min(design.group_width, width)))
    if design.squeeze:
        gate = g.relu(g.conv(g.global_average_pool(y), round(design.squeeze * x.channels), normalized=False))
        y = g.mul(g.sigmoid(g.conv(gate, width, normalized=False)), y)
    y = g.conv(y, width)
    shortcut = x if stride == 1 and x.channels == width else g.conv(x, width, 1, stride)
    return g.relu(g.add(shortcut, y))
