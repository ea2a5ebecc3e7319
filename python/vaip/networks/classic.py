"""Without batch normalization: VGG-16 (Simonyan and Zisserman 2014) and SqueezeNet 1.1 (Iandola et al. 2016)."""

from __future__ import annotations

from vaip.networks.graph import GraphBuilder, Tensor

VGG16_STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
# squeezed channels, expanded channels of each branch; a pool stands before every second one of the first four
FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))


def vgg16(g: GraphBuilder, x: Tensor) -> list[Tensor]:
    for channels, repetitions in VGG16_STAGES:
        for _ in range(repetitions):
            x = g.relu(g.conv(x, channels, 3, normalized=False))
        x = g.max_pool(x, 2, 2)
    if x.shape[2:] != (7, 7):
        raise ValueError(f"vgg16's classifier takes 7x7 features, these are {x.shape[2]}x{x.shape[3]}")
    x = g.flatten(x)
    for _ in range(2):
        x = g.relu(g.linear(x, 4096))
    return [g.linear(x, 1000)]


def squeezenet1_1(g: GraphBuilder, x: Tensor) -> list[Tensor]:
    x = g.relu(g.conv(x, 64, 3, 2, padding=0, normalized=False))
    for i, (squeezed, expanded) in enumerate(FIRES):
        if i in (0, 2, 4):
            x = g.max_pool(x, 3, 2, ceil=True)
        with g.scope(f"fire{i + 2}"):
            x = g.relu(g.conv(x, squeezed, normalized=False))
            branches = [g.relu(g.conv(x, expanded, kernel, normalized=False)) for kernel in (1, 3)]
            x = g.concat(branches)
    x = g.relu(g.conv(x, 1000, normalized=False))
    return [g.flatten(g.global_average_pool(x))]
