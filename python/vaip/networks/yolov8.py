"""YOLOv8 detection (Ultralytics 2023): C2f backbone and neck, SPPF, decoupled anchor-free head with DFL, 80 classes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from vaip.networks.graph import GraphBuilder, Tensor

# depth multiple, width multiple, most channels before the width multiple
SCALES = {
    "yolov8n": (0.33, 0.25, 1024),
    "yolov8s": (0.33, 0.50, 1024),
    "yolov8m": (0.67, 0.75, 768),
    "yolov8l": (1.00, 1.00, 512),
    "yolov8x": (1.00, 1.25, 512),
}
CLASSES = 80
BINS = 16  # of the distribution over the distance to each side of a box
STRIDES = (8, 16, 32)
DECODE = "decode"  # scope of the nodes behind the raw head


def yolov8(g: GraphBuilder, x: Tensor, *, decode: bool = False) -> list[Tensor]:
    """Raw: the three concatenated maps of box distributions and class scores. decode: boxes and scores, as exported."""
    image = x
    depth, width, most = SCALES[g.name]

    def channels(count: int) -> int:
        return math.ceil(min(count, most) * width / 8) * 8

    def repetitions(count: int) -> int:
        return max(round(count * depth), 1)

    x = _conv(g, _conv(g, x, channels(64), 3, 2), channels(128), 3, 2)
    x = _c2f(g, x, channels(128), repetitions(3), True)
    p3 = _c2f(g, _conv(g, x, channels(256), 3, 2), channels(256), repetitions(6), True)
    p4 = _c2f(g, _conv(g, p3, channels(512), 3, 2), channels(512), repetitions(6), True)
    p5 = _c2f(g, _conv(g, p4, channels(1024), 3, 2), channels(1024), repetitions(3), True)
    p5 = _sppf(g, p5, channels(1024))

    n4 = _c2f(g, g.concat([g.upsample(p5), p4]), channels(512), repetitions(3), False)
    n3 = _c2f(g, g.concat([g.upsample(n4), p3]), channels(256), repetitions(3), False)
    down = g.concat([_conv(g, n3, channels(256), 3, 2), n4])
    n4 = _c2f(g, down, channels(512), repetitions(3), False)
    down = g.concat([_conv(g, n4, channels(512), 3, 2), p5])
    n5 = _c2f(g, down, channels(1024), repetitions(3), False)
    maps = _heads(g, [n3, n4, n5])
    if not decode:
        return maps
    with g.scope(DECODE):
        return [_decode(g, maps, image.shape[2:])]


def _conv(g: GraphBuilder, x: Tensor, channels: int, kernel: int = 1, stride: int = 1) -> Tensor:
    return g.silu(g.conv(x, channels, kernel, stride))


def _c2f(g: GraphBuilder, x: Tensor, channels: int, repetitions: int, shortcut: bool) -> Tensor:
    with g.scope(g.unique_name("C2f")):
        hidden = channels // 2
        parts = g.split(_conv(g, x, 2 * hidden), (hidden, hidden))
        for _ in range(repetitions):
            y = _conv(g, _conv(g, parts[-1], hidden, 3), hidden, 3)
            parts.append(g.add(parts[-1], y) if shortcut else y)
        return _conv(g, g.concat(parts), channels)


def _sppf(g: GraphBuilder, x: Tensor, channels: int) -> Tensor:
    with g.scope("SPPF"):
        parts = [_conv(g, x, x.channels // 2)]
        for _ in range(3):
            parts.append(g.max_pool(parts[-1], 5, 1, 2))
        return _conv(g, g.concat(parts), channels)


def _heads(g: GraphBuilder, features: Sequence[Tensor]) -> list[Tensor]:
    box_channels = max(16, features[0].channels // 4, 4 * BINS)
    class_channels = max(features[0].channels, min(CLASSES, 100))
    maps = []
    for level, feature in enumerate(features):
        with g.scope(f"detect{level}"):
            box = _conv(g, _conv(g, feature, box_channels, 3), box_channels, 3)
            score = _conv(g, _conv(g, feature, class_channels, 3), class_channels, 3)
            box = g.conv(box, 4 * BINS, normalized=False)
            maps.append(g.concat([box, g.conv(score, CLASSES, normalized=False)]))
    return maps


def _decode(g: GraphBuilder, maps: Sequence[Tensor], image: Sequence[int]) -> Tensor:
    batch, rows = maps[0].shape[:2]
    flat = [g.reshape(x, batch, rows, x.shape[2] * x.shape[3]) for x in maps]
    box, score = g.split(g.concat(flat, axis=2), (4 * BINS, CLASSES))
    anchors, strides = _anchors(g, image)
    count = box.shape[2]
    bins = g.softmax(g.transpose(g.reshape(box, batch, 4, BINS, count), 0, 2, 1, 3), axis=1)
    expectation = g.constant("dfl.weight", np.arange(BINS, dtype=np.float32).reshape(1, BINS, 1, 1))
    sides = g.reshape(g.node("Conv", [bins, expectation], (batch, 1, 4, count), kernel_shape=(1, 1)), batch, 4, count)
    left_top, right_bottom = g.split(sides, (2, 2))
    low, high = g.sub(anchors, left_top), g.add(anchors, right_bottom)
    two = Tensor(g.constant("two", np.array(2.0, np.float32)), ())
    centre = g.node("Div", [g.add(low, high), two], low.shape)
    boxes = g.mul(g.concat([centre, g.sub(high, low)]), strides)
    return g.concat([boxes, g.sigmoid(score)])


def _anchors(g: GraphBuilder, image: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Centres of the grid cells in units of their stride, and the strides."""
    points, strides = [], []
    for stride in STRIDES:
        y, x = np.mgrid[: image[0] // stride, : image[1] // stride].astype(np.float32) + np.float32(0.5)
        points.append(np.stack([x.ravel(), y.ravel()]))
        strides.append(np.full((1, x.size), stride, np.float32))
    values = {"anchors": np.concatenate(points, 1)[None], "strides": np.concatenate(strides, 1)}
    anchors, steps = (Tensor(g.constant(name, array), array.shape) for name, array in values.items())
    return anchors, steps
