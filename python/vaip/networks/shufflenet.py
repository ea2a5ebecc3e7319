"""ShuffleNetV2 x1.0 (Ma et al. 2018)."""

from __future__ import annotations

from vaip.networks.graph import GraphBuilder, Tensor

STAGES = ((116, 4), (232, 8), (464, 4))


def shufflenet_v2_x1_0(g: GraphBuilder, x: Tensor) -> list[Tensor]:
    x = g.max_pool(g.relu(g.conv(x, 24, 3, 2)), 3, 2, 1)
    for stage, (channels, repetitions) in enumerate(STAGES):
        for i in range(repetitions):
            with g.scope(f"stage{stage + 2}.{i}"):
                x = _unit(g, x, channels // 2, downsampled=i == 0)
    return [g.classifier(g.relu(g.conv(x, 1024)))]


def _unit(g: GraphBuilder, x: Tensor, half: int, *, downsampled: bool) -> Tensor:
    if downsampled:
        kept = g.relu(g.conv(g.conv(x, x.channels, 3, 2, groups=x.channels), half))
        y = x
    else:
        kept, y = g.split(x, (half, half))
    y = g.relu(g.conv(y, half))
    y = g.conv(y, half, 3, 2 if downsampled else 1, groups=half)
    return _shuffle(g, g.concat([kept, g.relu(g.conv(y, half))]))


def _shuffle(g: GraphBuilder, x: Tensor, groups: int = 2) -> Tensor:
    batch, channels, height, width = x.shape
    y = g.reshape(x, batch, groups, channels // groups, height, width)
    return g.reshape(g.transpose(y, 0, 2, 1, 3, 4), batch, channels, height, width)
