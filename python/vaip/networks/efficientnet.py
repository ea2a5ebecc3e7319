"""EfficientNet (Tan and Le 2019) with compound scaling: B0 to B3, symmetric padding as in torchvision and timm."""

from __future__ import annotations

import math

from vaip.networks.graph import GraphBuilder, Tensor, make_divisible

# width and depth multipliers
SCALING = {
    "efficientnet_b0": (1.0, 1.0),
    "efficientnet_b1": (1.0, 1.1),
    "efficientnet_b2": (1.1, 1.2),
    "efficientnet_b3": (1.2, 1.4),
}
# expansion, kernel, stride of the first, channels, repetitions
STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)


def efficientnet(g: GraphBuilder, x: Tensor) -> list[Tensor]:
    width, depth = SCALING[g.name]
    x = g.silu(g.conv(x, make_divisible(32 * width), 3, 2))
    for stage, (expansion, kernel, first_stride, channels, repetitions) in enumerate(STAGES):
        for i in range(math.ceil(repetitions * depth)):
            with g.scope(f"stage{stage}.{i}"):
                stride = first_stride if i == 0 else 1
                x = _mobile_block(g, x, expansion, kernel, stride, make_divisible(channels * width))
    return [g.classifier(g.silu(g.conv(x, 4 * x.channels)))]


def _mobile_block(g: GraphBuilder, x: Tensor, expansion: int, kernel: int, stride: int, channels: int) -> Tensor:
    hidden = expansion * x.channels
    y = x if expansion == 1 else g.silu(g.conv(x, hidden))
    y = g.silu(g.conv(y, hidden, kernel, stride, groups=hidden))
    gate = g.silu(g.conv(g.global_average_pool(y), max(1, x.channels // 4), normalized=False))
    y = g.mul(g.sigmoid(g.conv(gate, hidden, normalized=False)), y)
    y = g.conv(y, channels)
    return g.add(y, x) if stride == 1 and x.channels == channels else y
