"""GoogLeNet and Inception v3 (Szegedy et al. 2014, 2015) without auxiliary classifiers, as torchvision has them."""

from __future__ import annotations

from vaip.networks.graph import GraphBuilder, Pair, Tensor

# channels: 1x1; 3x3 reduced, 3x3; "5x5" reduced, "5x5" (torchvision's is 3x3); behind the pool
GOOGLENET_3 = ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64))
GOOGLENET_4 = (
    (192, 96, 208, 16, 48, 64),
    (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128),
)
GOOGLENET_5 = ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128))


def googlenet(g: GraphBuilder, x: Tensor) -> list[Tensor]:
    x = g.max_pool(_conv(g, x, 64, 7, 2), 3, 2, ceil=True)
    x = g.max_pool(_conv(g, _conv(g, x, 64), 192, 3), 3, 2, ceil=True)
    for widths in GOOGLENET_3:
        x = _googlenet_module(g, x, *widths)
    x = g.max_pool(x, 3, 2, ceil=True)
    for widths in GOOGLENET_4:
        x = _googlenet_module(g, x, *widths)
    x = g.max_pool(x, 2, 2, ceil=True)
    for widths in GOOGLENET_5:
        x = _googlenet_module(g, x, *widths)
    return [g.classifier(x)]


def inception_v3(g: GraphBuilder, x: Tensor) -> list[Tensor]:
    x = _conv(g, _conv(g, x, 32, 3, 2, padding=0), 32, 3, padding=0)
    x = g.max_pool(_conv(g, x, 64, 3), 3, 2)
    x = g.max_pool(_conv(g, _conv(g, x, 80), 192, 3, padding=0), 3, 2)
    for pooled in (32, 64, 64):
        x = _module_a(g, x, pooled)
    x = _module_b(g, x)
    for width in (128, 160, 160, 192):
        x = _module_c(g, x, width)
    x = _module_d(g, x)
    for _ in range(2):
        x = _module_e(g, x)
    return [g.classifier(x)]


def _conv(
    g: GraphBuilder, x: Tensor, channels: int, kernel: Pair = 1, stride: int = 1, padding: Pair | None = None
) -> Tensor:
    return g.relu(g.conv(x, channels, kernel, stride, padding=padding))


def _googlenet_module(
    g: GraphBuilder, x: Tensor, plain: int, reduced3: int, wide3: int, reduced5: int, wide5: int, pooled: int
) -> Tensor:
    with g.scope(g.unique_name("Inception")):
        branches = [_conv(g, x, plain)]
        branches.append(_conv(g, _conv(g, x, reduced3), wide3, 3))
        branches.append(_conv(g, _conv(g, x, reduced5), wide5, 3))
        branches.append(_conv(g, g.max_pool(x, 3, 1, 1, ceil=True), pooled))
        return g.concat(branches)


def _module_a(g: GraphBuilder, x: Tensor, pooled: int) -> Tensor:
    with g.scope(g.unique_name("InceptionA")):
        branches = [_conv(g, x, 64), _conv(g, _conv(g, x, 48), 64, 5)]
        branches.append(_conv(g, _conv(g, _conv(g, x, 64), 96, 3), 96, 3))
        branches.append(_conv(g, g.average_pool(x, 3, 1, 1), pooled))
        return g.concat(branches)


def _module_b(g: GraphBuilder, x: Tensor) -> Tensor:
    with g.scope(g.unique_name("InceptionB")):
        branches = [_conv(g, x, 384, 3, 2, padding=0)]
        branches.append(_conv(g, _conv(g, _conv(g, x, 64), 96, 3), 96, 3, 2, padding=0))
        return g.concat([*branches, g.max_pool(x, 3, 2)])


def _module_c(g: GraphBuilder, x: Tensor, width: int) -> Tensor:
    with g.scope(g.unique_name("InceptionC")):
        branches = [_conv(g, x, 192)]
        y = _conv(g, x, width)
        branches.append(_conv(g, _conv(g, y, width, (1, 7)), 192, (7, 1)))
        y = _conv(g, _conv(g, x, width), width, (7, 1))
        y = _conv(g, _conv(g, y, width, (1, 7)), width, (7, 1))
        branches.append(_conv(g, y, 192, (1, 7)))
        branches.append(_conv(g, g.average_pool(x, 3, 1, 1), 192))
        return g.concat(branches)


def _module_d(g: GraphBuilder, x: Tensor) -> Tensor:
    with g.scope(g.unique_name("InceptionD")):
        branches = [_conv(g, _conv(g, x, 192), 320, 3, 2, padding=0)]
        y = _conv(g, _conv(g, _conv(g, x, 192), 192, (1, 7)), 192, (7, 1))
        branches.append(_conv(g, y, 192, 3, 2, padding=0))
        return g.concat([*branches, g.max_pool(x, 3, 2)])


def _module_e(g: GraphBuilder, x: Tensor) -> Tensor:
    with g.scope(g.unique_name("InceptionE")):
        branches = [_conv(g, x, 320)]
        for y in (_conv(g, x, 384), _conv(g, _conv(g, x, 448), 384, 3)):
            branches.append(g.concat([_conv(g, y, 384, (1, 3)), _conv(g, y, 384, (3, 1))]))
        branches.append(_conv(g, g.average_pool(x, 3, 1, 1), 192))
        return g.concat(branches)
