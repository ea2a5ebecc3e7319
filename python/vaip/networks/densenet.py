"""DenseNet-121 (Huang et al. 2016): normalization before activation and convolution, so most of it cannot be folded."""

from __future__ import annotations

from vaip.networks.graph import GraphBuilder, Tensor

BLOCKS = (6, 12, 24, 16)
GROWTH = 32


def densenet121(g: GraphBuilder, x: Tensor) -> list[Tensor]:
    x = g.max_pool(g.relu(g.conv(x, 2 * GROWTH, 7, 2)), 3, 2, 1)
    for stage, layers in enumerate(BLOCKS):
        for layer in range(layers):
            with g.scope(f"denseblock{stage + 1}.{layer + 1}"):
                y = g.relu(g.conv(g.relu(g.batch_normalization(x)), 4 * GROWTH))
                x = g.concat([x, _plain_conv(g, y, GROWTH, 3)])
        x = g.relu(g.batch_normalization(x))
        if stage + 1 < len(BLOCKS):
            x = g.average_pool(_plain_conv(g, x, x.channels // 2, 1), 2, 2)
    return [g.classifier(x)]


def _plain_conv(g: GraphBuilder, x: Tensor, channels: int, kernel: int) -> Tensor:
    """With neither bias nor normalization: the next layer normalizes."""
    return g.conv(x, channels, kernel, normalized=False, bias=False)
