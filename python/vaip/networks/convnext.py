"""ConvNeXt-T (Liu et al. 2022): depthwise 7x7, LayerNormalization and fully connected layers over channels last."""

from __future__ import annotations

from vaip.networks.graph import GraphBuilder, Tensor

STAGES = ((96, 3), (192, 3), (384, 9), (768, 3))


def convnext_tiny(g: GraphBuilder, x: Tensor) -> list[Tensor]:
    x = _channel_normalization(g, g.conv(x, STAGES[0][0], 4, 4, padding=0, normalized=False))
    for stage, (channels, blocks) in enumerate(STAGES):
        if stage:
            x = g.conv(_channel_normalization(g, x), channels, 2, 2, padding=0, normalized=False)
        for block in range(blocks):
            with g.scope(f"stage{stage + 1}.{block}"):
                x = _block(g, x)
    x = _channel_normalization(g, g.global_average_pool(x))
    return [g.linear(g.flatten(x), 1000)]


def _block(g: GraphBuilder, x: Tensor) -> Tensor:
    y = g.conv(x, x.channels, 7, groups=x.channels, normalized=False)
    y = g.layer_normalization(g.transpose(y, 0, 2, 3, 1))
    y = g.linear_last_axis(g.gelu(g.linear_last_axis(y, 4 * x.channels)), x.channels)
    y = g.transpose(y, 0, 3, 1, 2)
    scale = Tensor(g.weight(g.unique_name("LayerScale"), (x.channels, 1, 1), 0.05, mean=0.5), (x.channels, 1, 1))
    return g.add(x, g.mul(y, scale))


def _channel_normalization(g: GraphBuilder, x: Tensor) -> Tensor:
    return g.transpose(g.layer_normalization(g.transpose(x, 0, 2, 3, 1)), 0, 3, 1, 2)
