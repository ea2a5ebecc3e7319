"""MobileNetV2 and V3 (Sandler et al. 2018, Howard et al. 2019), MNASNet (Tan et al. 2018); as torchvision has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from vaip.networks.graph import GraphBuilder, Tensor, make_divisible


class Block(NamedTuple):
    """An inverted residual: expansion to `hidden` channels, depthwise convolution, projection."""

    kernel: int
    hidden: int
    channels: int
    squeeze: bool
    swish: bool
    stride: int


# expansion, channels, repetitions, stride of the first
V2_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
# kernel, expansion, channels, repetitions, stride of the first
MNASNET_STAGES = (
    (3, 3, 24, 3, 2),
    (5, 3, 40, 3, 2),
    (5, 6, 80, 3, 2),
    (3, 6, 96, 2, 1),
    (5, 6, 192, 4, 2),
    (3, 6, 320, 1, 1),
)
V3_LARGE = (
    Block(3, 16, 16, False, False, 1),
    Block(3, 64, 24, False, False, 2),
    Block(3, 72, 24, False, False, 1),
    Block(5, 72, 40, True, False, 2),
    Block(5, 120, 40, True, False, 1),
    Block(5, 120, 40, True, False, 1),
    Block(3, 240, 80, False, True, 2),
    Block(3, 200, 80, False, True, 1),
    Block(3, 184, 80, False, True, 1),
    Block(3, 184, 80, False, True, 1),
    Block(3, 480, 112, True, True, 1),
    Block(3, 672, 112, True, True, 1),
    Block(5, 672, 160, True, True, 2),
    Block(5, 960, 160, True, True, 1),
    Block(5, 960, 160, True, True, 1),
)
V3_SMALL = (
    Block(3, 16, 16, True, False, 2),
    Block(3, 72, 24, False, False, 2),
    Block(3, 88, 24, False, False, 1),
    Block(5, 96, 40, True, True, 2),
    Block(5, 240, 40, True, True, 1),
    Block(5, 240, 40, True, True, 1),
    Block(5, 120, 48, True, True, 1),
    Block(5, 144, 48, True, True, 1),
    Block(5, 288, 96, True, True, 2),
    Block(5, 576, 96, True, True, 1),
    Block(5, 576, 96, True, True, 1),
)


def mobilenet_v2(g: GraphBuilder, x: Tensor) -> list[Tensor]:
    x = g.relu6(g.conv(x, 32, 3, 2))
    for stage, (expansion, channels, repetitions, first_stride) in enumerate(V2_STAGES):
        for i in range(repetitions):
            with g.scope(f"stage{stage}.{i}"):
                stride = first_stride if i == 0 else 1
                x = _inverted_residual(g, x, 3, expansion * x.channels, channels, stride, g.relu6)
    return [g.classifier(g.relu6(g.conv(x, 1280)))]


def mobilenet_v3_large(g: GraphBuilder, x: Tensor) -> list[Tensor]:
    return _mobilenet_v3(g, x, V3_LARGE, 1280)


def mobilenet_v3_small(g: GraphBuilder, x: Tensor) -> list[Tensor]:
    return _mobilenet_v3(g, x, V3_SMALL, 1024)


def mnasnet1_0(g: GraphBuilder, x: Tensor) -> list[Tensor]:
    x = g.relu(g.conv(x, 32, 3, 2))
    x = g.relu(g.conv(x, 32, 3, groups=32))
    x = g.conv(x, 16)
    for stage, (kernel, expansion, channels, repetitions, first_stride) in enumerate(MNASNET_STAGES):
        for i in range(repetitions):
            with g.scope(f"stage{stage}.{i}"):
                stride = first_stride if i == 0 else 1
                x = _inverted_residual(g, x, kernel, expansion * x.channels, channels, stride, g.relu)
    return [g.classifier(g.relu(g.conv(x, 1280)))]


def _mobilenet_v3(g: GraphBuilder, x: Tensor, blocks: tuple[Block, ...], features: int) -> list[Tensor]:
    x = g.hard_swish(g.conv(x, 16, 3, 2))
    for i, block in enumerate(blocks):
        with g.scope(f"block{i}"):
            activation = g.hard_swish if block.swish else g.relu
            x = _inverted_residual(
                g, x, block.kernel, block.hidden, block.channels, block.stride, activation, squeeze=block.squeeze
            )
    x = g.hard_swish(g.conv(x, 6 * x.channels))
    x = g.hard_swish(g.linear(g.flatten(g.global_average_pool(x)), features))
    return [g.linear(x, 1000)]


def _inverted_residual(
    g: GraphBuilder,
    x: Tensor,
    kernel: int,
    hidden: int,
    channels: int,
    stride: int,
    activation: Callable[[Tensor], Tensor],
    *,
    squeeze: bool = False,
) -> Tensor:
    y = x if hidden == x.channels else activation(g.conv(x, hidden))
    y = activation(g.conv(y, hidden, kernel, stride, groups=hidden))
    if squeeze:
        gate = g.relu(g.conv(g.global_average_pool(y), make_divisible(hidden // 4), normalized=False))
        y = g.mul(g.hard_sigmoid(g.conv(gate, hidden, normalized=False)), y)
    y = g.conv(y, channels)
    return g.add(x, y) if stride == 1 and x.channels == channels else y
