"""ResNet (He et al. 2015) as torchvision has it: a bottleneck's stride is that of its 3x3 convolution ("v1.5")."""

from __future__ import annotations

from vaip.networks.graph import GraphBuilder, Tensor

BASIC_BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}
BOTTLENECK_BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3), "resnet152": (3, 8, 36, 3)}


def resnet(g: GraphBuilder, x: Tensor) -> list[Tensor]:
    bottleneck = g.name in BOTTLENECK_BLOCKS
    x = g.max_pool(g.relu(g.conv(x, 64, 7, 2)), 3, 2, 1)
    for stage, blocks in enumerate(BOTTLENECK_BLOCKS[g.name] if bottleneck else BASIC_BLOCKS[g.name]):
        for block in range(blocks):
            with g.scope(f"layer{stage + 1}.{block}"):
                stride = 2 if stage and not block else 1
                x = _residual_block(g, x, 64 << stage, stride, bottleneck)
    return [g.classifier(x)]


def _residual_block(g: GraphBuilder, x: Tensor, width: int, stride: int, bottleneck: bool) -> Tensor:
    channels = 4 * width if bottleneck else width
    if bottleneck:
        y = g.relu(g.conv(g.relu(g.conv(x, width)), width, 3, stride))
        y = g.conv(y, channels)
    else:
        y = g.conv(g.relu(g.conv(x, width, 3, stride)), channels, 3)
    shortcut = x if stride == 1 and x.channels == channels else g.conv(x, channels, 1, stride)
    return g.relu(g.add(y, shortcut))
